import { beforeEach, describe, expect, it } from 'vitest';
import { homePaths } from '../../src/config.js';
import { PlatformLedger } from '../../src/ledger/platform.js';
import { LOCAL_ADDRESS, placedOn } from '../../src/model/host.js';
import { HeldClock } from '../support/clock.js';
import { temporaryDirectory } from '../support/directories.js';
import { git } from '../support/repository.js';

let home: string;
let clock: HeldClock;
let platform: PlatformLedger;

beforeEach(async () => {
  home = await temporaryDirectory();
  clock = new HeldClock();
  platform = new PlatformLedger(homePaths(home), git, clock);
});

const alpha = { name: 'alpha', address: 'ssh://deploy@10.0.0.5', labels: { zone: 'eu' }, pullPort: 23456 };
const names = async (): Promise<string[]> => (await platform.hosts.list()).map(({ name }) => name);
const log = (): Promise<string> =>
  git.text(['log', '--format=%s', 'refs/slipway/ledger'], { gitDir: homePaths(home).platformRepository });

describe('the hosts of a platform', () => {
  it('are only the local one before any is added, and that needs no repository', async () => {
    expect(await platform.hosts.list()).toMatchObject([
      { name: 'local', address: LOCAL_ADDRESS, labels: {} },
    ]);
    expect(placedOn(undefined, await platform.hosts.list())).toEqual(['local']);
  });

  it('are seen by every process, beside the tokens', async () => {
    await platform.tokens.create({
      name: 'alice',
      who: 'operator',
      apps: '*',
      admin: true,
      mayCreateApps: true,
    });
    const added = await platform.hosts.add(alpha, 'alice');
    const other = new PlatformLedger(homePaths(home), git);
    expect(await other.hosts.get('alpha')).toEqual(added);
    expect(added).toEqual({
      ...alpha,
      address: 'ssh://deploy@10.0.0.5:22',
      addedAt: new Date(clock.now()).toISOString(),
      addedBy: 'alice',
    });
    expect(await names()).toEqual(['alpha', 'local']);
    expect(await other.tokens.list()).toHaveLength(1);
  });

  it('tell who did what in git log', async () => {
    await platform.hosts.add(alpha, 'alice');
    await platform.hosts.relabel('alpha', { zone: null, disk: 'ssd' }, 'bob');
    await platform.hosts.cordon('alpha', 'its disk is\nreplaced', 'bob');
    await platform.hosts.uncordon('alpha', 'bob');
    await platform.hosts.remove('alpha', 'alice');
    expect((await log()).split('\n').reverse()).toEqual([
      'host: add alpha at ssh://deploy@10.0.0.5:22 by alice',
      'host: label alpha no zone, disk=ssd by bob',
      'host: cordon alpha (its disk is replaced) by bob',
      'host: uncordon alpha by bob',
      'host: remove alpha by alice',
    ]);
    expect(await names()).toEqual(['local']);
  });

  it('have one name and one address each, also when ten add the same at once', async () => {
    const tries = await Promise.allSettled(
      Array.from({ length: 10 }, (_, n) =>
        new PlatformLedger(homePaths(home), git).hosts.add({ ...alpha, name: `alpha-${n}` }, 'alice'),
      ),
    );
    expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const [name = ''] = await names();
    for (const twin of [
      { ...alpha, name },
      { ...alpha, name: 'beta', address: 'ssh://deploy@10.0.0.5:22/' },
      { ...alpha, name: 'local', address: 'tcp://10.0.0.6' },
    ])
      await expect(platform.hosts.add(twin, 'alice')).rejects.toMatchObject({ code: 'conflict' });
  });

  it('that are cordoned get nothing new, the local one too', async () => {
    await platform.hosts.add(alpha, 'alice');
    const zone = { label: { name: 'zone', value: 'eu' } };
    expect(placedOn(zone, await platform.hosts.list())).toEqual(['alpha']);
    await platform.hosts.relabel('local', { zone: 'eu' }, 'alice');
    expect(placedOn(zone, await platform.hosts.list())).toEqual(['alpha', 'local']);
    expect(await platform.hosts.cordon('local', undefined, 'alice')).toMatchObject({
      address: LOCAL_ADDRESS,
      labels: { zone: 'eu' },
      cordoned: { by: 'alice' },
    });
    expect(placedOn(zone, await platform.hosts.list())).toEqual(['alpha']);
    const all = await platform.hosts.list();
    expect(() => placedOn(undefined, all)).toThrow(expect.objectContaining({ code: 'no_host' }));
  });

  it('stay as they are when nothing changes, without a commit', async () => {
    await platform.hosts.add(alpha, 'alice');
    await platform.hosts.cordon('alpha', 'why', 'alice');
    const before = await log();
    await platform.hosts.relabel('alpha', { zone: 'eu', none: null }, 'bob');
    await platform.hosts.cordon('alpha', 'why', 'bob');
    await platform.hosts.uncordon('local', 'bob');
    expect(await log()).toBe(before);
  });

  it.each(['../x', 'A', '-x', '', 'x'.repeat(41), 'a--b', 'a/b', 'a\n'])(
    'cannot be called %j',
    async (name) => {
      await expect(platform.hosts.add({ ...alpha, name }, 'alice')).rejects.toMatchObject({
        code: 'invalid_name',
      });
      await expect(platform.hosts.get(name)).rejects.toMatchObject({ code: 'not_found' });
      await expect(platform.hosts.remove(name, 'alice')).rejects.toMatchObject({ code: 'not_found' });
      await expect(platform.hosts.cordon(name, undefined, 'alice')).rejects.toMatchObject({
        code: 'not_found',
      });
    },
  );

  it.each([
    'ssh://10.0.0.5',
    'ssh://-oProxyCommand=x@10.0.0.5',
    'ssh://deploy@-oProxyCommand=x',
    'ssh://deploy@10.0.0.5:0',
    'ssh://deploy@10.0.0.5/path',
    'ssh://deploy:secret@10.0.0.5',
    'tcp://deploy@10.0.0.5',
    'tcp://10.0.0.5:70000',
    'tcp://[::1]:2376',
    'tcp://a b',
    'unix://docker.sock',
    `unix:///${'x'.repeat(120)}`,
    'http://10.0.0.5',
    'DOCKER_HOST',
    '',
  ])('cannot be at %j', async (address) => {
    await expect(platform.hosts.add({ ...alpha, address }, 'alice')).rejects.toMatchObject({
      code: 'bad_request',
    });
  });

  it.each([
    { Zone: 'eu' },
    { '-x': 'eu' },
    { zone: '' },
    { zone: 'a b' },
    { zone: '-x' },
    { zone: 'x'.repeat(61) },
  ])('cannot have the label %j', async (labels) => {
    await expect(
      platform.hosts.add({ ...alpha, labels: labels as Record<string, string> }, 'alice'),
    ).rejects.toMatchObject({ code: 'bad_request' });
    await platform.hosts.add(alpha, 'alice');
    await expect(
      platform.hosts.relabel('alpha', labels as Record<string, string>, 'a'),
    ).rejects.toMatchObject({
      code: 'bad_request',
    });
  });

  it('are not guessed at when a document cannot be read', async () => {
    await platform.hosts.add(alpha, 'alice');
    const gitDir = homePaths(home).platformRepository;
    const input = [
      'commit refs/slipway/ledger\ncommitter x <x> 1 +0000\ndata 1\nx\nfrom refs/slipway/ledger^0\n',
      'M 100644 inline hosts/alpha.json\ndata 2\n{}\n',
    ].join('');
    await git.run(['fast-import', '--quiet'], { gitDir, input });
    await expect(platform.hosts.list()).rejects.toMatchObject({
      code: 'unavailable',
      where: 'hosts/alpha.json',
    });
  });

  it('local cannot be removed', async () => {
    await expect(platform.hosts.remove('local', 'alice')).rejects.toMatchObject({ code: 'bad_request' });
  });
});
