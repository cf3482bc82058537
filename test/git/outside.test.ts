/** Commits from repositories elsewhere: what comes, what must not be asked, and what is left of a fetch that fails. */
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseNetworks } from '../../src/build/sandbox/cidr.js';
import { homePaths } from '../../src/config.js';
import { AppRepositories } from '../../src/git/app-repository.js';
import { Git } from '../../src/git/git.js';
import {
  basicAuthorization,
  type OutsideOptions,
  OutsideRepositories,
} from '../../src/git/outside/outside.js';
import { temporaryDirectory } from '../support/directories.js';
import { GitServer } from '../support/git-server.js';
import { commitFiles, newRepository, plainGit } from '../support/remote-repository.js';
import { git } from '../support/repository.js';

const never = new AbortController().signal;
const MAIN = 'refs/heads/main';

let home: string;
let work: string;
let repositories: AppRepositories;
const servers: GitServer[] = [];

beforeEach(async () => {
  home = await temporaryDirectory();
  await mkdir(homePaths(home).appRepositories, { recursive: true });
  repositories = new AppRepositories(homePaths(home), git);
  await repositories.create('shop', 'main');
  work = await newRepository(join(home, 'work'), { Dockerfile: 'FROM one\n' });
});
afterEach(() => {
  for (const server of servers.splice(0)) server.stop();
});

async function serve(options: Parameters<typeof GitServer.start>[1] = {}): Promise<string> {
  const server = await GitServer.start(work, options);
  servers.push(server);
  return server.url;
}

function outside(options: Partial<OutsideOptions> = {}): OutsideRepositories {
  return new OutsideRepositories({
    git,
    repositories,
    directory: join(home, 'fetching'),
    allowed: parseNetworks(['127.0.0.0/8'], 'a setting'),
    maxBytes: 100_000_000,
    tokenFor: async () => undefined,
    ...options,
  });
}

const leftovers = (): Promise<string[]> => readdir(join(home, 'fetching')).catch(() => []);
const show = (what: string): string =>
  plainGit(['--git-dir', repositories.path('shop'), 'show', '--no-patch', '--format=%H', what], '/');

describe('a commit from elsewhere', () => {
  it('comes with its history into the repository of the app, named by nothing yet', async () => {
    const first = plainGit(['rev-parse', 'HEAD'], work);
    const second = await commitFiles(work, { Dockerfile: 'FROM two\n' });
    const remote = await serve();
    expect(await outside().resolve('shop', remote, 'HEAD')).toEqual({ commit: second, name: 'HEAD' });
    expect(await outside().resolve('shop', remote, 'main')).toEqual({ commit: second, name: MAIN });
    expect(await outside().fetch('shop', { remote, ref: MAIN }, never)).toBe(second);
    expect([show(second), show(`${second}^`)]).toEqual([second, first]);
    expect(plainGit(['--git-dir', repositories.path('shop'), 'for-each-ref'], '/')).toBe('');
    expect(await leftovers()).toEqual([]);
    await repositories.pin('shop', 'b1', second);
    // Only what is new is sent the next time; an older commit is had by its id.
    expect(await outside().fetch('shop', { remote, ref: first }, never)).toBe(first);
  });

  it('that is not there is an error with its name, and leaves nothing', async () => {
    const remote = await serve();
    await expect(outside().resolve('shop', remote, 'absent')).rejects.toMatchObject({
      code: 'context_invalid',
      message: expect.stringContaining('has no branch or tag absent'),
    });
    for (const ref of ['refs/heads/absent', 'a'.repeat(40)])
      await expect(outside().fetch('shop', { remote, ref }, never)).rejects.toMatchObject({
        code: 'context_invalid',
        message: expect.stringContaining(ref),
      });
    expect(await leftovers()).toEqual([]);
  });

  it('is theirs: what only the app’s own repository has, such as its ledger, is not had by its id', async () => {
    const gitDir = repositories.path('shop');
    const tree = await git.text(['hash-object', '-t', 'tree', '-w', '--stdin'], { gitDir, input: '' });
    const as = ['-c', 'user.name=ada', '-c', 'user.email=ada@localhost'];
    const ledger = await git.text([...as, 'commit-tree', tree, '-m', 'create shop'], { gitDir });
    await git.run(['update-ref', 'refs/slipway/ledger', ledger], { gitDir });
    const remote = await serve();
    await expect(outside().fetch('shop', { remote, ref: ledger }, never)).rejects.toMatchObject({
      code: 'context_invalid',
      message: expect.stringContaining(ledger),
    });
  });

  it('is limited in its size', async () => {
    await commitFiles(work, { large: 'x'.repeat(1_000_000) });
    const remote = await serve();
    await expect(
      outside({ maxBytes: 20_000 }).fetch('shop', { remote, ref: MAIN }, never),
    ).rejects.toMatchObject({ code: 'context_too_large' });
    expect(await leftovers()).toEqual([]);
  });

  it('is checked as a push is: objects that git warns of do not come in', async () => {
    const tree = plainGit(['write-tree'], work);
    const broken = join(home, 'broken');
    await writeFile(broken, `tree ${tree}\nauthor a\ncommitter a\n\nx\n`);
    const commit = plainGit(['hash-object', '-w', '-t', 'commit', '--literally', broken], work);
    plainGit(['update-ref', MAIN, commit], work);
    const remote = await serve();
    await expect(outside().fetch('shop', { remote, ref: MAIN }, never)).rejects.toMatchObject({
      code: 'context_invalid',
    });
    expect(() => show(commit)).toThrow();
  });
});

describe('what may be asked', () => {
  it('is nothing on this machine or beside it, unless the operator allows the network', async () => {
    const url = new URL(await serve());
    for (const remote of [
      `https://127.0.0.1:${url.port}/x.git`,
      'https://10.1.2.3/x.git',
      'https://[::1]/x.git',
    ])
      await expect(outside({ allowed: [] }).resolve('shop', remote, 'main')).rejects.toMatchObject({
        code: 'forbidden',
        hint: expect.stringContaining('SLIPWAY_OUTBOUND_ALLOW'),
      });
    expect(servers[0]?.seen).toEqual([]);
  });

  it('is nothing without TLS outside of those networks, and by no other protocol', async () => {
    const isRefused = { code: 'forbidden' };
    await expect(outside().resolve('shop', 'http://192.0.2.1/x.git', 'main')).rejects.toMatchObject(
      isRefused,
    );
    for (const remote of [
      'http://192.0.2.1/x.git',
      `file://${work}`,
      work,
      'git://example.com/x.git',
      '--upload-pack=x',
    ])
      await expect(outside({ allowed: [] }).resolve('shop', remote, 'main')).rejects.toMatchObject({
        code: 'context_invalid',
      });
  });

  it('is asked with the token of its host, which no argument of a process shows', async () => {
    const remote = await serve({ authorization: basicAuthorization('sesame') });
    await expect(outside().resolve('shop', remote, 'main')).rejects.toMatchObject({
      hint: expect.stringContaining('slipway git:auth'),
    });
    const log = join(home, 'log');
    const wrapper = join(home, 'logged-git');
    await writeFile(wrapper, `#!/bin/sh\necho "$@" >> ${log}\nexec git "$@"\n`);
    await chmod(wrapper, 0o755);
    const asked: string[] = [];
    const tokenFor: OutsideOptions['tokenFor'] = async (app, host) => {
      asked.push(`${app} ${host}`);
      return 'sesame';
    };
    const commit = await outside({ git: new Git(wrapper), tokenFor }).fetch(
      'shop',
      { remote, ref: MAIN },
      never,
    );
    expect(commit).toBe(plainGit(['rev-parse', 'HEAD'], work));
    expect(new Set(asked)).toEqual(new Set([`shop ${new URL(remote).host}`]));
    expect(await readFile(log, 'utf8')).not.toMatch(/sesame|Authorization/i);
  });
});
