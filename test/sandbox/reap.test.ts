import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { isAlive, ownerOf, ownName } from '../../src/build/sandbox/owner.js';
import { Sandbox } from '../../src/build/sandbox/runtime.js';
import { until } from '../support/until.js';
import { leftovers, makeRootfs, ownEntries, shellStep, skipped } from './fixture.js';

const root = resolve(import.meta.dirname, '../..');

describe('the owner of what a sandbox makes', () => {
  it('is told from a name, and from nothing else', () => {
    expect(ownerOf('slipway-12-345-net1')).toBe('slipway-12-345');
    expect(ownerOf('slipway-12-345')).toBe('slipway-12-345');
    for (const name of ['slipway', 'slipway-x-1', 'docker', 'slipway-1-2x', 'myslipway-1-2'])
      expect(ownerOf(name)).toBeUndefined();
  });

  it('lives while its process does; a pid that came back is another owner', async () => {
    const own = await ownName();
    expect(await isAlive(own)).toBe(true);
    expect(await isAlive(own.replace(/\d+$/, '1'))).toBe(false);
    expect(await isAlive('slipway-4194303-1')).toBe(false);
  });
});

describe.skipIf(skipped('reap'))('after kill -9 of a builder', () => {
  let compiled: string;
  beforeAll(async () => {
    compiled = await mkdtemp(join(tmpdir(), 'sandbox-victim-'));
    await writeFile(join(compiled, 'package.json'), '{"type":"module"}');
    await promisify(execFile)(join(root, 'node_modules/.bin/tsc'), [
      ...['--ignoreConfig', '--noCheck', '--target', 'es2023', '--module', 'nodenext', '--types', 'node'],
      ...['--rootDir', root, '--outDir', compiled, join(root, 'test/sandbox/victim.ts')],
    ]);
    await mkdir(join(compiled, 'native/build'));
    await copyFile(join(root, 'native/build/slipway.node'), join(compiled, 'native/build/slipway.node'));
  });
  afterAll(() => rm(compiled, { recursive: true, force: true }));

  async function startVictim(stateDir: string, rootfs: string) {
    const child = spawn(process.execPath, [join(compiled, 'test/sandbox/victim.js'), stateDir, rootfs], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const owner = line.toString().trim();
    // The step's network and the one made ahead: from then on the builder changes nothing by itself.
    const slirps = async () =>
      (await leftovers(owner)).filter((entry) => /^process .*slirp4netns/.test(entry));
    await until(
      async () =>
        (await slirps()).length === 2 &&
        (await leftovers(owner)).every((entry) => !entry.includes('unshare')),
    );
    return { child, owner };
  }

  it('a reaper removes its container, network, processes, cgroups and directories, and nothing of a living builder', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'sandbox-reap-'));
    const stateDir = join(directory, 'state');
    await mkdir(join(directory, 'other'));
    const rootfs = await makeRootfs(directory);
    const killed = await startVictim(stateDir, rootfs);
    const living = await startVictim(stateDir, await makeRootfs(join(directory, 'other')));
    onTestFinished(async () => {
      living.child.kill('SIGKILL');
      if (living.child.exitCode === null && living.child.signalCode === null)
        await once(living.child, 'exit');
      await sandbox.reap();
      await sandbox.close();
      await until(async () => (await leftovers(living.owner)).length === 0);
      await rm(directory, { recursive: true, force: true });
    });
    const sandbox = await Sandbox.probe({ stateDir, networkAllow: [] });

    killed.child.kill('SIGKILL');
    await once(killed.child, 'exit');
    expect(await leftovers(killed.owner)).not.toEqual([]);
    const before = (await leftovers(living.owner)).sort();

    const reaped = await sandbox.reap();
    expect(reaped).toMatchObject({ containers: 1, directories: 1 });
    expect(reaped.namespaces).toBeGreaterThanOrEqual(1);
    await until(async () => (await leftovers(killed.owner)).length === 0);
    expect((await readdir(stateDir)).some((name) => name.startsWith(killed.owner))).toBe(false);
    expect((await leftovers(living.owner)).sort()).toEqual(before);
    expect(await ownEntries(stateDir, living.owner, ['state'])).toHaveLength(1);
    expect(living.child.exitCode).toBeNull();

    // The root can be used again, and a second reaper finds nothing.
    expect((await sandbox.run(shellStep(rootfs, 'exit 5'))).exitCode).toBe(5);
    expect((await sandbox.reap()).containers).toBe(0);
  });
});
