/** How commits are found by the beginning of their id, and who is shown the tokens of repositories that are not public. */
import { execFileSync } from 'node:child_process';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GitRemotes, type RemoteOptions } from '../../src/build/context/git-remotes.js';
import { openGitContext } from '../../src/build/context/git-url-context.js';
import { DEFAULT_LIMITS } from '../../src/config.js';
import { Git } from '../../src/git/git.js';
import { gitTokens } from '../../src/local-build/git-access.js';
import { temporaryDirectory } from '../support/directories.js';
import { GitServer } from '../support/git-server.js';
import { commitFiles, newRepository, plainGit } from '../support/remote-repository.js';
import { git } from '../support/repository.js';

const never = new AbortController().signal;
let directory: string;
const servers: GitServer[] = [];
beforeEach(async () => {
  directory = await temporaryDirectory();
});
afterEach(() => {
  for (const server of servers.splice(0)) server.stop();
});

function remotesWith(options: Partial<RemoteOptions> = {}): GitRemotes {
  return new GitRemotes({ git, directory: join(directory, 'remotes'), rules: {}, ...options });
}

async function served(work: string, options: Parameters<typeof GitServer.start>[1] = {}): Promise<GitServer> {
  const server = await GitServer.start(work, options);
  servers.push(server);
  return server;
}

describe('the beginning of a commit id', () => {
  it('is that commit, also an older one; a name goes before it', async () => {
    const work = await newRepository(join(directory, 'work'), { f: 'one' });
    const first = plainGit(['rev-parse', 'HEAD'], work);
    await commitFiles(work, { f: 'two' });
    const remote = `file://${work}`;
    const commitOf = async (ref: string) => (await remotesWith().fetch({ remote, ref }, never)).commit;
    expect(await commitOf(first.slice(0, 7))).toBe(first);
    expect(await commitOf(first.slice(0, 12).toUpperCase())).toBe(first);
    const { source } = await remotesWith().fetch({ remote, ref: first.slice(0, 9) }, never);
    expect(plainGit(['--git-dir', source.gitDir, 'show', `${first}:f`], '/')).toBe('one');
    plainGit(['branch', first.slice(0, 7)], work);
    expect(await commitOf(first.slice(0, 7))).toBe(plainGit(['rev-parse', 'HEAD'], work));
  });

  it('must be that of one commit', async () => {
    const work = await newRepository(join(directory, 'work'), { f: 'one' });
    // Enough commits that two of them share four digits.
    const stream = Array.from(
      { length: 1500 },
      (_, at) => `commit refs/heads/many\ncommitter t <t@example.com> ${at} +0000\ndata 1\nx\n`,
    ).join('\n');
    execFileSync('git', ['fast-import', '--quiet'], { cwd: work, input: stream });
    const ids = plainGit(['rev-list', 'many'], work).split('\n');
    const counts = new Map<string, number>();
    for (const id of ids) counts.set(id.slice(0, 4), (counts.get(id.slice(0, 4)) ?? 0) + 1);
    const [shared = ''] = [...counts].find(([, count]) => count > 1) ?? [];
    const remote = `file://${work}`;
    await expect(remotesWith().fetch({ remote, ref: shared }, never)).rejects.toMatchObject({
      code: 'context_invalid',
      message: expect.stringContaining(`several ids begin with ${shared}`),
    });
    const absent = Array.from({ length: 65_536 }, (_, at) => at.toString(16).padStart(4, '0')).find(
      (each) => !counts.has(each) && !plainGit(['rev-parse', `--disambiguate=${each}`], work),
    );
    await expect(remotesWith().fetch({ remote, ref: absent ?? '' }, never)).rejects.toMatchObject({
      message: expect.stringContaining(`there is no branch, tag or commit "${absent}"`),
    });
  });
});

describe('a token', () => {
  const basic = `basic ${Buffer.from('x-access-token:sesame').toString('base64')}`;
  const secrets = (given: Readonly<Record<string, string>>) => async (id: string) =>
    given[id] === undefined ? undefined : Buffer.from(given[id]);
  const authorization = (given: Readonly<Record<string, string>>, contextHost?: string) =>
    gitTokens(secrets(given), () => contextHost);

  it('opens the repository of its host, and is in no argument', async () => {
    const work = await newRepository(join(directory, 'work'), { f: 'one' });
    const server = await served(work, { authorization: basic });
    const log = join(directory, 'log');
    const wrapper = join(directory, 'logged-git');
    await writeFile(wrapper, `#!/bin/sh\necho "$@" >> ${log}\nexec git "$@"\n`);
    await chmod(wrapper, 0o755);
    const wanted = { remote: server.url, ref: 'main' };
    await expect(
      remotesWith({ authorization: authorization({}) }).fetch(wanted, never),
    ).rejects.toMatchObject({
      code: 'context_invalid',
      hint: expect.stringContaining('GIT_AUTH_TOKEN'),
    });
    const given = [
      { GIT_AUTH_TOKEN: 'sesame\n' },
      { [`GIT_AUTH_TOKEN.${server.host}`]: 'sesame', GIT_AUTH_TOKEN: 'other' },
      { GIT_AUTH_HEADER: basic, GIT_AUTH_TOKEN: 'other' },
    ];
    for (const [at, each] of given.entries()) {
      const remotes = remotesWith({
        git: new Git(wrapper),
        directory: join(directory, `remotes-${at}`),
        authorization: authorization(each),
      });
      expect((await remotes.fetch(wanted, never)).commit).toBe(plainGit(['rev-parse', 'HEAD'], work));
    }
    const logged = await readFile(log, 'utf8');
    expect(logged).toContain('ls-remote');
    expect(logged).not.toMatch(/sesame|Authorization/i);
    expect(logged).not.toContain(basic.slice(6));
  });

  it('goes to no other host: not where an answer leads, not to a submodule', async () => {
    const inner = await newRepository(join(directory, 'inner'), { g: 'two' });
    const other = await served(inner);
    const away = await served(inner, { redirect: `http://${other.host}` });
    const remotes = remotesWith({ authorization: authorization({ GIT_AUTH_TOKEN: 'sesame' }) });
    await expect(remotes.fetch({ remote: away.url, ref: 'main' }, never)).rejects.toMatchObject({
      code: 'context_invalid',
    });
    expect([away.seen[0], other.seen]).toEqual([basic, []]);
    const outer = await newRepository(join(directory, 'outer'), { f: 'one' });
    const modules = `[submodule "module"]\n\tpath = module\n\turl = ${other.url}\n`;
    await commitFiles(outer, { '.gitmodules': modules });
    const link = `160000,${plainGit(['rev-parse', 'HEAD'], inner)},module`;
    plainGit(['update-index', '--add', '--cacheinfo', link], outer);
    plainGit(['commit', '--quiet', '-m', 'module'], outer);
    const own = await served(outer, { authorization: basic });
    other.seen.length = 0;
    const context = await openGitContext(
      { remote: own.url, ref: 'main', submodules: true },
      remotes,
      DEFAULT_LIMITS,
      never,
    );
    expect((await context.read('module/g'))?.toString()).toBe('two');
    expect(other.seen.length).toBeGreaterThan(0);
    expect(new Set(other.seen)).toEqual(new Set([undefined]));
  });

  it('without a host is not for what a Dockerfile from elsewhere names', async () => {
    const header = authorization({ GIT_AUTH_TOKEN: 'sesame', 'GIT_AUTH_TOKEN.b': 'b' }, 'a');
    expect(await header('a', true)).toBe(basic);
    expect(await header('c', true)).toBeUndefined();
    expect(await header('b', false)).toBe(`basic ${Buffer.from('x-access-token:b').toString('base64')}`);
    expect(await authorization({ GIT_AUTH_TOKEN: 'sesame' })('c', true)).toBe(basic);
  });

  it('is never sent in plain text to another machine, and is one line', async () => {
    const asked: string[] = [];
    const remotes = remotesWith({
      authorization: async (host) => {
        asked.push(host);
        return 'one\r\nHost: two';
      },
      timeoutMs: 5_000,
    });
    await expect(remotes.fetch({ remote: 'http://192.0.2.1:1/x.git' }, never)).rejects.toBeDefined();
    expect(asked).toEqual([]);
    await expect(remotes.fetch({ remote: 'https://127.0.0.1:1/x.git' }, never)).rejects.toMatchObject({
      code: 'bad_request',
    });
  });
});
