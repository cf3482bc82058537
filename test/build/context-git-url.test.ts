/** Repositories that are named by address, fetched by git from real ones: contexts, ADD, submodules, and what is refused. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { AddressGuard } from '../../src/build/add/address-guard.js';
import { openGitSource } from '../../src/build/add/git-source.js';
import { GitRemotes } from '../../src/build/context/git-remotes.js';
import { openGitContext, parseGitContext } from '../../src/build/context/git-url-context.js';
import { absoluteAddress } from '../../src/build/context/submodules.js';
import { type CopySource, plainSelector } from '../../src/build/copy/copy-source.js';
import { parseCidr } from '../../src/build/sandbox/cidr.js';
import { DEFAULT_LIMITS } from '../../src/config.js';
import { parseIgnore } from '../../src/dockerfile/ignore.js';
import type { GitSource } from '../../src/dockerfile/step.js';
import { temporaryDirectory } from '../support/directories.js';
import { git } from '../support/repository.js';

const never = new AbortController().signal;
let directory: string;
let remotes: GitRemotes;
beforeEach(async () => {
  directory = await temporaryDirectory();
  remotes = new GitRemotes({ git, directory: join(directory, 'remotes'), rules: {} });
});

function run(args: readonly string[], cwd: string): string {
  const env = { PATH: process.env.PATH, GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null' };
  const settings = [
    'user.name=t',
    'user.email=t@example.com',
    'protocol.file.allow=always',
    'init.defaultBranch=main',
  ];
  const all = [...settings.flatMap((each) => ['-c', each]), ...args];
  return execFileSync('git', all, { cwd, env, encoding: 'utf8', stdio: 'pipe' }).trim();
}

async function repository(name: string, files: Readonly<Record<string, string>>): Promise<string> {
  const work = join(directory, name);
  run(['init', '--quiet', work], directory);
  await commit(work, files);
  return work;
}

async function commit(work: string, files: Readonly<Record<string, string>>): Promise<string> {
  for (const [path, text] of Object.entries(files)) {
    execFileSync('mkdir', ['-p', join(work, path, '..')]);
    await writeFile(join(work, path), text);
  }
  run(['add', '--all'], work);
  run(['commit', '--quiet', '--allow-empty', '-m', 'x'], work);
  return run(['rev-parse', 'HEAD'], work);
}

async function contents(source: CopySource, argument = '.'): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const selection of await source.select(plainSelector(argument)))
    for (const entry of await selection.entries()) {
      if (entry.type !== 'file') continue;
      const content = await source.content(entry);
      found[entry.path] = 'data' in content ? Buffer.from(content.data).toString() : content.file;
    }
  return found;
}

/** As ADD has it, which never looks at an ignore file. */
const files = async (address: string): Promise<Record<string, string>> =>
  contents(await openGitSource(parseGitContext(address, directory), remotes, DEFAULT_LIMITS, never));

describe('an address', () => {
  it.each<[string, Partial<GitSource>]>([
    [
      'https://host/x.git#main:sub/dir',
      { remote: 'https://host/x.git', ref: 'main', subdirectory: 'sub/dir' },
    ],
    ['git@host:x/y', { remote: 'git@host:x/y' }],
    ['ssh://git@host/x#v1', { remote: 'ssh://git@host/x', ref: 'v1' }],
    ['github.com/a/b#v1', { remote: 'https://github.com/a/b.git', ref: 'v1' }],
    ['./x.git#HEAD:sub', { remote: 'file:///here/x.git', ref: 'HEAD', subdirectory: 'sub' }],
    ['file:///x/y.git', { remote: 'file:///x/y.git' }],
  ])('is taken apart: %s', (text, expected) => {
    expect(parseGitContext(text, '/here')).toMatchObject(expected);
  });

  it.each([
    ['../b.git', 'https://host/x/a.git', 'https://host/x/b.git'],
    ['../../b.git', 'https://host/x/a.git', 'https://host/b.git'],
    ['../../../b.git', 'https://host/x/a.git', undefined],
    ['./b', 'file:///x/a', 'file:///x/a/b'],
    ['../b.git', 'git@host:x/a.git', 'git@host:x/b.git'],
    ['../../b.git', 'git@host:x/a.git', 'git@host:b.git'],
    ['../b.git', undefined, undefined],
    ['file:///home/me/x.git', 'https://host/a.git', undefined],
    ['/home/me/x.git', 'git@host:a', undefined],
    ['/home/me/x.git', 'file:///a', 'file:///home/me/x.git'],
    ['https://other/x.git', undefined, 'https://other/x.git'],
  ])('of a submodule, %s, is taken from that of the repository', (url, remote, expected) => {
    expect(absoluteAddress(url, remote)).toBe(expected);
  });
});

describe('a repository that is fetched', () => {
  it('is the commit of a branch, a tag, an id, or the directory of it', async () => {
    const work = await repository('a', { f: 'one', 'sub/g': 'two' });
    const first = run(['rev-parse', 'HEAD'], work);
    run(['tag', '-a', '-m', 'x', 'v1'], work);
    await commit(work, { f: 'later' });
    expect(await files('./a#')).toEqual({ f: 'later', 'sub/g': 'two' });
    expect(await files('./a#main')).toEqual({ f: 'later', 'sub/g': 'two' });
    expect(await files('./a#v1:sub')).toEqual({ g: 'two' });
    expect(await files(`./a#${first}`)).toEqual({ f: 'one', 'sub/g': 'two' });
    await commit(work, { f: 'moved' });
    expect(await files('./a#main')).toMatchObject({ f: 'moved' });
  });

  it('is the branch, where a tag has the same name', async () => {
    const work = await repository('a', { f: 'tag' });
    run(['tag', 'same'], work);
    run(['checkout', '--quiet', '-b', 'same'], work);
    await commit(work, { f: 'branch' });
    expect(await files('./a#same')).toEqual({ f: 'branch' });
    expect(await files('./a#refs/tags/same')).toEqual({ f: 'tag' });
  });

  it('is not asked for again when its commit is here, and is whole when two want it at once', async () => {
    const work = await repository('a', { f: 'one' });
    const id = run(['rev-parse', 'HEAD'], work);
    const both = await Promise.all([files(`./a#${id}`), files(`./a#${id}`)]);
    expect(both).toEqual([{ f: 'one' }, { f: 'one' }]);
    expect(await readdir(join(directory, 'remotes'))).toHaveLength(1);
    execFileSync('mv', [work, `${work}-gone`]);
    expect(await files(`./a#${id}`)).toEqual({ f: 'one' });
    await expect(files('./a#main')).rejects.toMatchObject({ code: 'context_invalid' });
  });

  it('is fetched whole from a server that gives no commit by its id', async () => {
    const work = await repository('a', { f: 'one' });
    const first = run(['rev-parse', 'HEAD'], work);
    await commit(work, { f: 'two' });
    run(['config', 'protocol.version', '0'], work);
    expect(await files(`./a#${first}`)).toEqual({ f: 'one' });
  });

  it('must be the commit of the checksum', async () => {
    const work = await repository('a', { f: 'one' });
    const id = run(['rev-parse', 'HEAD'], work);
    const source = { ...parseGitContext('./a#main', directory), checksum: id };
    expect(await contents(await openGitSource(source, remotes, DEFAULT_LIMITS, never))).toEqual({ f: 'one' });
    const later = await commit(work, { f: 'two' });
    await expect(openGitSource(source, remotes, DEFAULT_LIMITS, never)).rejects.toMatchObject({
      code: 'context_invalid',
      message: expect.stringContaining(`is ${later}, not ${id}`),
    });
  });

  it('says what is missing', async () => {
    await repository('a', { f: 'one' });
    await expect(files('./a#nothing')).rejects.toMatchObject({
      message: expect.stringContaining('there is no branch or tag "nothing"'),
    });
    await expect(files('./a#main:none')).rejects.toMatchObject({ code: 'source_missing' });
    await expect(files('./a#main:../..')).rejects.toMatchObject({ code: 'context_invalid' });
    await expect(files('./b#main')).rejects.toMatchObject({ code: 'context_invalid' });
  });
});

describe('submodules', () => {
  const prepared = async (): Promise<{ outer: string; inner: string }> => {
    const inner = await repository('inner', { 'f.bat': 'inner\n', '.gitattributes': '*.bat eol=crlf\n' });
    const outer = await repository('outer', { 'd/own': 'x' });
    run(['submodule', '--quiet', 'add', '../inner', 'd/module'], outer);
    await commit(outer, {});
    return { outer, inner };
  };

  it('are in their places, with what a checkout makes of their files', async () => {
    await prepared();
    expect(await files('./outer#')).toMatchObject({ 'd/own': 'x', 'd/module/f.bat': 'inner\r\n' });
  });

  it('are at their commit, which is in the key', async () => {
    const { outer, inner } = await prepared();
    const identity = async (): Promise<string | undefined> => {
      const context = await openGitContext(
        parseGitContext('./outer#', directory),
        remotes,
        DEFAULT_LIMITS,
        never,
      );
      const source = await context.source(parseIgnore(''), '.dockerignore');
      return (await source.select(plainSelector('d')))[0]?.content;
    };
    const before = await identity();
    await commit(inner, { new: 'file' });
    expect(await identity()).toBe(before);
    run(['pull', '--quiet'], join(outer, 'd/module'));
    await commit(outer, {});
    expect(await identity()).not.toBe(before);
    expect(await files('./outer#')).toMatchObject({ 'd/module/new': 'file' });
  });

  it('count together with what is around them', async () => {
    await prepared();
    const limits = { ...DEFAULT_LIMITS, contextFiles: 3 };
    const source = parseGitContext('./outer#', directory);
    expect(await openGitContext(source, remotes, limits, never)).toBeDefined();
    await commit(join(directory, 'inner'), { x: 'x' });
    run(['pull', '--quiet'], join(directory, 'outer/d/module'));
    await commit(join(directory, 'outer'), {});
    await expect(openGitContext(source, remotes, limits, never)).rejects.toMatchObject({
      code: 'context_too_large',
      message: expect.stringContaining('with its submodules'),
    });
  });

  it('that cannot be fetched are named by their path', async () => {
    const { inner } = await prepared();
    execFileSync('mv', [inner, `${inner}-gone`]);
    await expect(files('./outer#')).rejects.toMatchObject({
      code: 'context_invalid',
      message: expect.stringMatching(
        /^the submodule "d\/module": the git repository file:.*inner: the commit/,
      ),
    });
  });

  it('are refused by name where they are not wanted, when something takes them', async () => {
    await prepared();
    const source = { ...parseGitContext('./outer#', directory), submodules: false };
    const opened = await openGitSource(source, remotes, DEFAULT_LIMITS, never);
    expect(await contents(opened, 'd/own')).toEqual({ '': 'x' });
    await expect(contents(opened)).rejects.toMatchObject({
      code: 'context_invalid',
      message: expect.stringMatching(
        /^"d\/module" is a git submodule of file:\/\/\/.*\/inner at [0-9a-f]{12}, and submodules are not fetched$/,
      ),
    });
  });
});

const service = async (allowed: readonly string[] = []): Promise<GitRemotes> => {
  const cidrs = allowed.map(parseCidr).filter((cidr) => cidr !== undefined);
  return new GitRemotes({
    git,
    directory: join(directory, 'service'),
    rules: { guard: () => AddressGuard.open(cidrs) },
  });
};

describe('what a service fetches', () => {
  it.each([
    'file:///etc/x.git',
    'ssh://git@host/x.git',
    'git@host:x',
    'git://host/x.git',
    'ext::sh -c id',
    '--upload-pack=touch /tmp/x',
  ])('is never %s', async (remote) => {
    await expect((await service()).fetch({ remote }, never)).rejects.toMatchObject({
      code: 'context_invalid',
      message: expect.stringContaining('cannot be fetched from'),
    });
  });

  it.each([
    'http://127.0.0.1:1/x.git',
    'https://localhost/x.git',
    'http://169.254.169.254/x.git',
    'http://[::1]/x.git',
  ])('is nothing of this network: %s', async (remote) => {
    await expect((await service()).fetch({ remote }, never)).rejects.toMatchObject({ code: 'forbidden' });
  });
});

it('keeps no repository that is larger than a build may have', async () => {
  const work = await repository('large', { f: 'x' });
  await writeFile(join(work, 'noise'), randomBytes(3_000_000));
  await commit(work, {});
  const small = new GitRemotes({ git, directory: join(directory, 'small'), rules: {}, maxBytes: 1_000_000 });
  await expect(small.fetch({ remote: `file://${work}` }, never)).rejects.toMatchObject({
    code: 'context_too_large',
  });
  expect(await readdir(join(directory, 'small'))).toEqual([]);
});

it('asks no host that another program reads out of the address', async () => {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    response.writeHead(404).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const { port } = server.address() as AddressInfo;
    for (const remote of [
      `http://8.8.8.8\\@127.0.0.1:${port}/x.git`,
      `http://8.8.8.8:80\\@127.0.0.1:${port}/x.git`,
      `http://a@8.8.8.8\\@127.0.0.1:${port}/x.git`,
      `http://a@127.0.0.1:${port}@8.8.8.8/x.git`,
      'http://%38.8.8.8/x.git',
      'http://134744072/x.git',
      'http://one.one.one.one./x.git',
    ])
      await expect((await service()).fetch({ remote }, never)).rejects.toMatchObject({
        code: 'context_invalid',
        message: expect.stringContaining('not plain'),
      });
    expect(asked).toEqual([]);
  } finally {
    server.close();
  }
});

it('reaches the address that was checked, also of a server that knows files alone', async () => {
  const work = await repository('a', { f: 'one' });
  run(['update-server-info'], work);
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.headers.host ?? '');
    const path = (request.url ?? '').split('?')[0] ?? '';
    readFile(join(work, '.git', path.replace(/^\/x\.git/, ''))).then(
      (data) => response.end(data),
      () => response.writeHead(404).end(),
    );
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const { port } = server.address() as AddressInfo;
    const remote = `http://localhost:${port}/x.git`;
    await expect((await service()).fetch({ remote }, never)).rejects.toMatchObject({ code: 'forbidden' });
    expect(asked).toEqual([]);
    const fetched = await (await service(['127.0.0.0/8'])).fetch({ remote, ref: 'main' }, never);
    expect(fetched.commit).toBe(run(['rev-parse', 'HEAD'], work));
    expect(asked[0]).toBe(`localhost:${port}`);
  } finally {
    server.close();
  }
});

it('runs nothing for an address that is an option or a transport of its own', async () => {
  for (const remote of ['ext::touch /tmp/never', '-x', 'fd::7', 'file://relative'])
    await expect(remotes.fetch({ remote }, never)).rejects.toMatchObject({ code: 'context_invalid' });
  for (const ref of ['--upload-pack=x', 'a b', 'a..b^{}'])
    await expect(remotes.fetch({ remote: `file://${directory}`, ref }, never)).rejects.toMatchObject({
      code: 'context_invalid',
    });
});
