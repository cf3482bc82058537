/** `slipway build` as a shell starts it: exit codes, signals, and several at once on one store. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { RegistryClient } from '../../src/registry/client.js';
import { projectRoot } from '../../src/root.js';
import { pushBusybox } from '../support/builder.js';
import { temporaryDirectory } from '../support/directories.js';
import { startRegistry, type TestRegistry } from '../support/registry.js';
import { until } from '../support/until.js';

const LAUNCHER = join(projectRoot(), 'bin', 'slipway');
const isCompiled = existsSync(join(projectRoot(), 'dist', 'src', 'local-build', 'main.js'));
if (!isCompiled) console.warn('bin/slipway is not tested: the TypeScript is not compiled (run bin/setup)');

interface Build {
  readonly child: ChildProcess;
  readonly shown: () => string;
  readonly ended: Promise<number | null>;
}

describe.skipIf(!isCompiled)('bin/slipway build', () => {
  let registry: TestRegistry;
  let home: string;
  let store: string;
  beforeAll(async () => {
    registry = await startRegistry();
    home = await temporaryDirectory();
    store = join(home, 'store');
    const client = new RegistryClient({ pushAllowed: [registry.host] });
    await pushBusybox(client, registry.host, home);
    client.close();
  });
  afterAll(() => registry.stop());

  let env: NodeJS.ProcessEnv = {};
  const start = (...argv: string[]): Build => {
    const child = spawn(LAUNCHER, ['build', '--mirror', `docker.io=${registry.host}`, ...argv], {
      cwd: home,
      env: { PATH: process.env.PATH, HOME: home, SLIPWAY_BUILD_STORE: store, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let shown = '';
    const keep = (chunk: Buffer): void => {
      shown += chunk.toString('utf8');
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    onTestFinished(() => void child.kill('SIGKILL'));
    return { child, shown: () => shown, ended: new Promise((resolve) => child.on('close', resolve)) };
  };

  const dockerfile = async (name: string, ...lines: string[]): Promise<string> => {
    await mkdir(join(home, name), { recursive: true });
    await writeFile(join(home, name, 'Dockerfile'), lines.map((line) => `${line}\n`).join(''));
    return name;
  };

  /** Mounts, network namespaces, processes and directories that bear the process's id. */
  const leftOf = async (pid: number | undefined): Promise<string[]> => {
    const mounts = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n');
    const namespaces = await readdir('/run/netns').catch(() => []);
    const temporaries = await readdir(join(store, 'layers', 'tmp')).catch(() => []);
    const sandboxes = await readdir(join(store, 'sandbox')).catch(() => []);
    const running = await readdir(join(store, 'running')).catch(() => []);
    const commands: string[] = [];
    for (const id of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
      const words = await readFile(`/proc/${id}/cmdline`, 'utf8').catch(() => '');
      if (words.includes(`slipway-${pid}-`) || words.includes(`sleep\0${SLEEP}`)) commands.push(words);
    }
    return [
      ...mounts.filter((line) => line.includes(`${store}/`) && line.includes(`/${pid}-`)),
      ...namespaces.filter((name) => name.startsWith(`slipway-${pid}-`)),
      ...temporaries.filter((name) => name.startsWith(`${pid}-`)),
      ...sandboxes.filter((name) => name.startsWith(`slipway-${pid}-`)),
      ...running.filter((name) => name.startsWith(`${pid}-`)),
      ...commands,
    ];
  };
  const SLEEP = `12${process.pid}`;

  test('exit codes', async () => {
    const good = await dockerfile('good', 'FROM busybox', 'RUN echo built');
    const bad = await dockerfile('bad', 'FROM busybox', 'RUN exit 3');
    const ugly = await dockerfile('ugly', 'FROM busybox', 'RUNNING');
    const codes = [good, bad, ugly].map((each) => start(each).ended);
    expect(await Promise.all(codes)).toEqual([0, 1, 2]);
  });

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    '%s stops the step and leaves nothing',
    async (signal) => {
      const build = start(await dockerfile('slow', 'FROM busybox', `RUN echo begun && sleep ${SLEEP}`));
      await until(() => / begun\n/.test(build.shown()));
      expect(await leftOf(build.child.pid)).not.toEqual([]);
      build.child.kill(signal);
      expect(await build.ended).toBe(130);
      expect(build.shown()).toContain('interrupted');
      expect(await leftOf(build.child.pid)).toEqual([]);
    },
  );

  test('what a killed build left, the next one that runs a step removes', async () => {
    const build = start(await dockerfile('killed', 'FROM busybox', `RUN echo begun && sleep ${SLEEP}`));
    await until(() => / begun\n/.test(build.shown()));
    build.child.kill('SIGKILL');
    await build.ended;
    expect(await leftOf(build.child.pid)).not.toEqual([]);
    const next = start(await dockerfile('next', 'FROM busybox', 'RUN echo next'), '--no-cache');
    expect(await next.ended).toBe(0);
    expect(await leftOf(build.child.pid)).toEqual([]);
  });

  test('several builds at once on one new store', async () => {
    const own = join(home, 'shared');
    const names = await Promise.all(
      [1, 2, 3].map((each) =>
        dockerfile(`many${each}`, 'FROM busybox', `RUN sleep 0.${each} && echo ${each} > /x`),
      ),
    );
    const builds = names.map((name) => start(name, '--store', own));
    for (const { ended, shown } of builds) expect([await ended, shown()]).toEqual([0, expect.any(String)]);
    const again = names.map((name) => start(name, '--store', own));
    for (const { ended, shown } of again) {
      expect(await ended).toBe(0);
      expect(shown()).toContain('1 step, 1 cached');
    }
  });

  test('a store is cleaned to its budget, but not of what another build uses', async () => {
    const own = join(home, 'small');
    const slow = start(
      await dockerfile(
        'small1',
        'FROM busybox',
        'RUN echo a > /a',
        'RUN echo begun && sleep 2',
        'RUN cat /a',
      ),
      '--store',
      own,
    );
    await until(() => / begun\n/.test(slow.shown()));
    env = { SLIPWAY_STORE_BUDGET_BYTES: '1' };
    onTestFinished(() => {
      env = {};
    });
    const quick = start(await dockerfile('small2', 'FROM scratch', 'COPY . /'), '--store', own);
    expect(await quick.ended).toBe(0);
    expect(await slow.ended).toBe(0);
    expect(await readdir(join(own, 'layers', 'sha256'))).not.toEqual([]);
    const last = start('small2', '--store', own);
    expect(await last.ended).toBe(0);
    expect(await readdir(join(own, 'layers', 'sha256'))).toEqual([]);
    expect(await readdir(join(own, 'blobs', 'sha256'))).toEqual([]);
  });
});
