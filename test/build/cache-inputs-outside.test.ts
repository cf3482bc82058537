/**
 * As cache-inputs.test.ts, for what is not a plain file of the context: built, changed, and built again with the cache,
 * which must give what a builder with an empty disk makes of it; and built once more, which must execute nothing.
 */
import { execFileSync } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openGitSource } from '../../src/build/add/git-source.js';
import { openBuilderStore } from '../../src/build/builder-store.js';
import type { BuildContext } from '../../src/build/context/context.js';
import { openDirectoryContext } from '../../src/build/context/directory-context.js';
import { GitRemotes } from '../../src/build/context/git-remotes.js';
import { openGitContext, parseGitContext } from '../../src/build/context/git-url-context.js';
import { DEFAULT_LIMITS } from '../../src/config.js';
import { tar } from '../native/tar.js';
import { type Files, TestBuilder } from '../support/builder.js';
import { temporaryDirectory } from '../support/directories.js';

const LOOPBACK = [{ start: 0x7f000000, bits: 8 }];
const never = new AbortController().signal;

let builder: TestBuilder;
let remotes: GitRemotes;
let server: Server;
let url: string;
let served = '1';
beforeAll(async () => {
  builder = await TestBuilder.start();
  const rules = {};
  remotes = new GitRemotes({ git: builder.git, directory: join(builder.directory, 'remotes'), rules });
  server = createServer((_request, response) => response.end(served));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/f`;
});
afterAll(async () => {
  server?.close();
  server?.closeAllConnections();
  remotes?.close();
  await builder?.stop();
});

type Options = NonNullable<Parameters<TestBuilder['build']>[1]>;
/** The build as it is now: what `change` did is in it. */
type Now = () => Promise<{ from: string | BuildContext; options?: Options }>;

async function held(now: Now, change: () => Promise<unknown>): Promise<void> {
  const build = async (options: Options = {}) => {
    const { from, options: own } = await now();
    return builder.build(from, { downloadAllow: LOOPBACK, ...own, ...options });
  };
  const before = await build();
  await change();
  const cached = await build();
  const directory = await temporaryDirectory();
  const anew = await build({ store: await openBuilderStore(directory, DEFAULT_LIMITS) });
  await rm(directory, { recursive: true, force: true });
  expect(cached.image.manifest.toString()).toBe(anew.image.manifest.toString());
  expect(cached.image.digest).not.toBe(before.image.digest);
  const again = await build();
  expect(again.steps.cached, again.log).toBe(again.steps.total);
  expect(again.image.digest).toBe(cached.image.digest);
}

/** The files of a commit, which `change` replaces; the Dockerfile is ignored. */
async function ofCommit(lines: readonly string[], was: Files, is: Files, options?: Options): Promise<void> {
  const fixed = {
    '.dockerignore': 'Dockerfile\n',
    '.gitattributes': null,
    Dockerfile: `${lines.join('\n')}\n`,
  };
  let commit = await builder.commit({ ...fixed, ...was });
  await held(
    async () => ({ from: commit, ...(options === undefined ? {} : { options }) }),
    async () => {
      commit = await builder.commit(is);
    },
  );
}

async function repository(files: Readonly<Record<string, string>>): Promise<{
  path: string;
  run: (...argv: string[]) => void;
  commit: (files: Readonly<Record<string, string>>) => Promise<void>;
}> {
  const path = await temporaryDirectory();
  const settings = [
    '-c',
    'user.name=t',
    '-c',
    'user.email=t@example.com',
    '-c',
    'protocol.file.allow=always',
  ];
  const run = (...argv: string[]): void => {
    execFileSync('git', [...settings, ...argv], { cwd: path, stdio: 'pipe' });
  };
  const commit = async (changed: typeof files): Promise<void> => {
    for (const [name, text] of Object.entries(changed)) await writeFile(join(path, name), text);
    run('add', '--all');
    run('commit', '--quiet', '--allow-empty', '-m', 'x');
  };
  run('init', '--quiet', '--initial-branch=main');
  await commit(files);
  return { path, run, commit };
}

const archive = (text: string): { bytes: Buffer } => ({ bytes: gzipSync(tar([{ path: 'f', data: text }])) });
const LIST = 'RUN ls -lR /in | cut -c1-10 > /seen; cat /in/f >> /seen; touch -d @0 /seen';

describe('a change of', () => {
  it("the attributes of a commit's files", () =>
    ofCommit(
      ['FROM busybox', 'COPY f.bat /in/f', LIST],
      { 'f.bat': 'a\nb\n' },
      { '.gitattributes': '*.bat eol=crlf\n' },
    ));

  it('what is in an archive of ADD', () =>
    ofCommit(
      ['FROM busybox', 'ADD a.tar.gz /in', LIST],
      { 'a.tar.gz': archive('1') },
      { 'a.tar.gz': archive('2') },
    ));

  it('whether an archive is unpacked', () =>
    ofCommit(
      ['FROM busybox', 'ADD a.tar.gz /in/'],
      { 'a.tar.gz': archive('1') },
      { Dockerfile: 'FROM busybox\nADD --unpack=false a.tar.gz /in/\n' },
    ));

  it('a file that becomes an archive', () =>
    ofCommit(['FROM busybox', 'ADD a /in/'], { a: 'text' }, { a: archive('1') }));

  it('what is behind a URL', async () => {
    const commit = await builder.commit({ Dockerfile: `FROM busybox\nADD ${url} /in/f\n${LIST}\n` });
    // The time of a URL without Last-Modified is the epoch.
    await held(
      async () => ({ from: commit }),
      async () => {
        served = '2';
      },
    );
  });

  it('a named directory, in a COPY and in a mount', async () => {
    const directory = await temporaryDirectory();
    await writeFile(join(directory, 'f'), '1');
    const open = () => openDirectoryContext(directory, DEFAULT_LIMITS, never);
    const commit = await builder.commit({
      Dockerfile: `FROM busybox\nCOPY --from=data f /in/f\nRUN --mount=from=data,target=/m cat /m/f > /x; touch -d @0 /x\n`,
    });
    const contexts = new Map([['data', { kind: 'directory', open } as const]]);
    await held(
      async () => ({ from: commit, options: { contexts } }),
      () => writeFile(join(directory, 'f'), '2'),
    );
  });

  it('a directory of this machine, in content, mode, links and what is ignored', async () => {
    const directory = await temporaryDirectory();
    await mkdir(join(directory, 'd'));
    await writeFile(join(directory, 'd/f'), '1');
    await writeFile(join(directory, 'Dockerfile'), `FROM busybox\nCOPY d /in\n${LIST}\n`);
    const now: Now = async () => ({ from: await openDirectoryContext(directory, DEFAULT_LIMITS, never) });
    const sh =
      (...argv: [string, ...string[]]) =>
      async () =>
        execFileSync(argv[0], argv.slice(1), { cwd: directory });
    await held(now, () => writeFile(join(directory, 'd/f'), '2'));
    await held(now, sh('chmod', '700', 'd/f'));
    await held(now, sh('ln', 'd/f', 'd/hard'));
    await held(now, sh('ln', '-sfn', 'f', 'd/link'));
    await held(now, sh('mkdir', 'd/empty'));
    await held(now, () => writeFile(join(directory, '.dockerignore'), 'd/hard\n'));
    // Same size and same time: only the bytes tell.
    await held(now, async () => {
      await writeFile(join(directory, 'd/f'), '3');
      execFileSync('touch', ['-d', '@5', 'd/f'], { cwd: directory });
    });
    await held(now, async () => {
      await writeFile(join(directory, 'd/f'), '4');
      execFileSync('touch', ['-d', '@5', 'd/f'], { cwd: directory });
    });
  });

  it('the commit of a repository of ADD', async () => {
    const other = await repository({ f: '1' });
    const commit = await builder.commit({ Dockerfile: `FROM busybox\nADD https://h/r.git /in/\n${LIST}\n` });
    const remote = `file://${other.path}`;
    const openGit = (wanted: Parameters<typeof openGitSource>[0]) =>
      openGitSource({ ...wanted, remote }, remotes, DEFAULT_LIMITS, never);
    await held(
      async () => ({ from: commit, options: { tools: { openGit } } }),
      () => other.commit({ f: '2' }),
    );
  });

  it('the commit of a submodule', async () => {
    const inner = await repository({ f: '1' });
    const outer = await repository({ Dockerfile: `FROM busybox\nCOPY module/f /in/f\n${LIST}\n` });
    outer.run('submodule', '--quiet', 'add', inner.path, 'module');
    await outer.commit({});
    const source = parseGitContext(`file://${outer.path}#main`);
    await held(
      async () => ({ from: await openGitContext(source, remotes, DEFAULT_LIMITS, never) }),
      async () => {
        await inner.commit({ f: '2' });
        outer.run('-C', 'module', 'pull', '--quiet');
        await outer.commit({});
      },
    );
  });

  it('SOURCE_DATE_EPOCH', async () => {
    const commit = await builder.commit({
      Dockerfile: 'FROM busybox AS first\nRUN touch /f\nFROM busybox\nCOPY --from=first /f /f\n',
    });
    let epoch = '1600000000';
    await held(
      async () => ({ from: commit, options: { buildArgs: { SOURCE_DATE_EPOCH: epoch } } }),
      async () => {
        epoch = '1500000000';
      },
    );
  });
});
