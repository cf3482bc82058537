/** Volumes on a real engine: in the containers of releases, copied over the deployer's own socket, removed when the ledger says so. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { promisify } from 'node:util';
import { createGzip, gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commandRoutes } from '../../deploy/command-routes.js';
import { dockerVolumeName } from '../../deploy/names.js';
import type { ReconcileParts } from '../../deploy/reconcile.js';
import { serveRuntime } from '../../deploy/serve.js';
import { sweepScratch } from '../../deploy/volumes/backups.js';
import { volumeRoutes } from '../../deploy/volumes/routes.js';
import { DeployerClient } from '../../src/api/deployer-client.js';
import type { CopyWish, VolumeCopy } from '../../src/api/volume-views.js';
import { beAttached } from '../../src/cli/attached.js';
import type { SlipwayError } from '../../src/errors.js';
import { changeVolumes, withoutVolume, withVolume } from '../../src/ledger/volume-settings.js';
import type { ReleaseImage, ReleaseProcess } from '../../src/model/release.js';
import { RegistryClient } from '../../src/registry/client.js';
import { temporaryDirectory } from '../support/directories.js';
import { dockerMissing, TURN_TIMEOUT_MS } from '../support/docker.js';
import { until } from '../support/until.js';
import { HAPROXY_MISSING } from './support/edge.js';
import { PLATFORM, World } from './support/world.js';

const run = promisify(execFile);
const missing = dockerMissing() ?? HAPROXY_MISSING;
if (missing !== undefined) console.warn(`skipped: ${missing}`);

/** Serves what is in /data. */
const SCRIPT = `trap 'exit 0' TERM; mkdir -p /data; httpd -f -p $PORT -h /data & wait`;

/** Of one file (POSIX ustar). */
function tarHeader(name: string, size: number): Buffer {
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write(
    `0000644\0${'0000000\0'.repeat(2)}${size.toString(8).padStart(11, '0')}\0${'0'.repeat(11)}\0`,
    100,
  );
  header.write('        0', 148);
  header.write('ustar\x0000', 257);
  const sum = header.reduce((all, byte) => all + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return header;
}

describe.skipIf(missing !== undefined)('volumes', () => {
  let world: World;
  let parts: ReconcileParts;
  let client: DeployerClient;
  let stop: () => Promise<void>;
  let scratch: string;
  let image: ReleaseImage;

  beforeAll(async () => {
    world = await World.open();
    parts = world.parts;
    scratch = join(await temporaryDirectory(), 'volumes');
    await sweepScratch(scratch);
    const registry = RegistryClient.fromConfig(world.config);
    const socketPath = join(await temporaryDirectory(), 'deployer.sock');
    const more = (on: Parameters<typeof volumeRoutes>[0]): void => {
      volumeRoutes(on, { ...parts, registry, scratch });
      commandRoutes(on, { ...parts, book: { list: async () => [] } });
    };
    stop = await serveRuntime({ socketPath, hosts: parts.hosts, more, log: parts.log });
    client = new DeployerClient(socketPath);
    image = await world.image({ script: SCRIPT });
  }, TURN_TIMEOUT_MS);
  afterAll(async () => {
    await stop?.();
    await world?.close();
  }, 60_000);

  const mounting = (...volumes: string[]): ReleaseProcess[] => [
    { type: 'web', scale: 1, mounts: volumes.map((volume) => ({ volume, path: `/${volume}` })) },
  ];
  const deployed = async (app: string, processes = mounting('data')): Promise<void> => {
    if (!(await world.ledger.appExists(app))) await world.createApp(app);
    const ended = await world.rollOut(await world.release(app, image, { processes }));
    expect(ended).toMatchObject({ state: 'live' });
  };
  /** In the app's running container. */
  const sh = async (app: string, script: string): Promise<string> => {
    const [container] = (await world.containers(app)).filter(({ state }) => state === 'running');
    return (await world.target.execute(container!.id, ['/bin/sh', '-c', script])).output;
  };
  const contentOf = async (app: string, volume = 'data'): Promise<string> =>
    (await world.ledger.read(app)).volumes.volumes[volume]!.content;
  const dockerVolumes = async (app: string): Promise<string[]> =>
    (await world.target.volumes(app)).map(({ name }) => name).sort();

  /** As `slipway volumes:backup` and `volumes:restore` do it. */
  const copy = async (
    app: string,
    wish: CopyWish,
    { input = Readable.from([]) as Readable, signal = new AbortController().signal } = {},
  ): Promise<{ done: VolumeCopy; bytes: Buffer }> => {
    const parts: Buffer[] = [];
    const into = new Writable({
      write: (chunk: Buffer, _encoding, next) => {
        parts.push(chunk);
        next();
      },
    });
    let done: VolumeCopy | undefined;
    await beAttached(await client.attach(app, 'volumes/data/copy', 'alice'), wish, {
      stdin: input,
      streams: { out: into, err: into },
      signal,
      hasTerminal: false,
      onStarted: () => undefined,
      onExit: (exit) => {
        done = exit.copy;
      },
    });
    if (done === undefined) throw new Error('it ended without a word');
    return { done, bytes: Buffer.concat(parts) };
  };
  const backUp = (app: string, options: { to?: 'client' | 'registry'; stop?: boolean } = {}) =>
    copy(app, { backup: { to: 'client', stop: false, ...options } });
  const exchange = async (app: string): Promise<void> => {
    await changeVolumes(world.ledger, app, 'alice', 'exchange', (now) =>
      withVolume(now, app, 'data', ({ content, other, ...volume }) => ({
        ...volume,
        content: other!.content,
        other: { content, is: 'replaced', at: 'now', by: 'alice' },
      })),
    );
    await deployed(app);
  };
  const failure = (promise: Promise<unknown>): Promise<{ code: string; message: string }> =>
    promise.then(
      () => expect.unreachable(),
      ({ code, message }: SlipwayError) => ({ code, message }),
    );

  it('keep what is in them over releases, rollbacks and removed containers', async () => {
    await deployed('kept');
    await sh('kept', 'echo one > /data/index.html');
    await deployed('kept', [{ type: 'web', scale: 1 }]);
    expect(await sh('kept', 'test -e /data/index.html || echo none')).toBe('none');
    await deployed('kept');
    expect(await sh('kept', 'cat /data/index.html')).toBe('one');
    for (const { id } of await world.containers('kept')) await world.target.remove(id);
    await world.reconcile();
    expect(await sh('kept', 'cat /data/index.html')).toBe('one');
  });

  it('are read only where that was said', async () => {
    const mounts = [{ volume: 'data', path: '/data', readOnly: true }] as const;
    await deployed('reads', [{ type: 'web', scale: 1, mounts }]);
    expect(await sh('reads', 'touch /data/x 2>&1 && echo written')).not.toContain('written');
  });

  it('are in one-off commands and in the release phase', async () => {
    await deployed('aside');
    await sh('aside', 'echo here > /data/file');
    let out = '';
    const into = new Writable({
      write: (chunk: Buffer, _encoding, next) => {
        out += chunk.toString();
        next();
      },
    });
    const code = await beAttached(
      await client.attach('aside', 'run', 'alice'),
      { command: ['/bin/sh', '-c', 'cat /data/file; echo more >> /data/file'] },
      {
        stdin: Readable.from([]),
        streams: { out: into, err: into },
        signal: new AbortController().signal,
        hasTerminal: false,
        onStarted: () => undefined,
      },
    );
    expect([code, out]).toEqual([0, 'here\n']);
    expect(await sh('aside', 'cat /data/file')).toBe('here\nmore');
  });

  it('never are those of somebody else', async () => {
    await world.createApp('squatted');
    const squatted = await world.release('squatted', image, { processes: mounting('data') });
    const name = dockerVolumeName(PLATFORM, 'squatted', 'data', await contentOf('squatted'));
    await world.docker.docker(['volume', 'create', name]);
    expect(await world.rollOut(squatted)).toMatchObject({ state: 'failed', code: 'conflict' });
    await world.docker.docker(['volume', 'rm', name]);
  });

  it('are not seen by a later app of the same name, and go with their app only when that is said', async () => {
    await deployed('reborn');
    await sh('reborn', 'echo secret > /data/secret');
    const [left] = await dockerVolumes('reborn');
    await world.ledger.destroyApp('reborn', 'alice');
    await world.store.setAside('reborn');
    await world.reconcile();
    expect(await dockerVolumes('reborn')).toEqual([left]);

    await world.createApp('reborn');
    const again = await world.release('reborn', image, {
      processes: mounting('data'),
      source: await world.firstCommit('reborn'),
    });
    await world.rollOut(again);
    expect(await sh('reborn', 'test -e /data/secret || echo none')).toBe('none');
    expect(await dockerVolumes('reborn')).toHaveLength(2);

    await world.ledger.destroyApp('reborn', 'alice', { withVolumes: true });
    await world.reconcile();
    expect(await dockerVolumes('reborn')).toEqual([left]);
  });

  it('are removed when the ledger says so, and not while a container has them', async () => {
    await deployed('rid', mounting('data', 'cache'));
    const all = await dockerVolumes('rid');
    expect(all).toHaveLength(2);
    await changeVolumes(world.ledger, 'rid', 'alice', 'remove cache', (now) =>
      withoutVolume(now, 'rid', 'cache'),
    );
    await world.reconcile();
    expect(await dockerVolumes('rid')).toEqual(all);
    await deployed('rid', mounting('data'));
    await world.reconcile();
    expect(await dockerVolumes('rid')).toEqual([
      dockerVolumeName(PLATFORM, 'rid', 'data', await contentOf('rid')),
    ]);
  });

  it('come back from a backup with owners, modes and links, by exchange, and are exchanged back', async () => {
    await deployed('backed');
    await sh(
      'backed',
      'mkdir -p /data/deep/er; echo one > /data/deep/er/file; busybox ln /data/deep/er/file /data/hard; busybox ln -s deep /data/soft; busybox chmod 4750 /data/deep/er; busybox chown 1234:56 /data/deep/er/file',
    );
    const { done, bytes } = await backUp('backed');
    expect(done.bytes).toBe(bytes.length);
    const file = join(await temporaryDirectory(), 'backup.tar.gz');
    await writeFile(file, bytes);
    const { stdout } = await run('tar', ['--numeric-owner', '-tvzf', file]);
    expect(stdout).toMatch(/-rw\S+ 1234\/56 .* \.\/deep\/er\/file/);

    await sh('backed', 'echo two > /data/deep/er/file; echo extra > /data/extra');
    await copy('backed', { restore: { sha256: done.sha256 } }, { input: Readable.from([bytes]) });
    expect(await sh('backed', 'cat /data/hard')).toBe('two');
    await exchange('backed');
    expect(
      await sh('backed', 'cat /data/hard /data/soft/er/file; test -e /data/extra || echo no extra'),
    ).toBe('one\none\nno extra');
    expect(await sh('backed', 'busybox stat -c "%a %u %g" /data/deep/er /data/deep/er/file')).toBe(
      '4750 0 0\n644 1234 56',
    );
    await exchange('backed');
    expect(await sh('backed', 'cat /data/hard /data/extra')).toBe('two\nextra');
    expect(await dockerVolumes('backed')).toHaveLength(2);
  });

  it('are not changed by a backup that is damaged, cut short, another one, or nothing at all', async () => {
    await deployed('damaged');
    await sh('damaged', 'echo good > /data/file');
    const { bytes, done } = await backUp('damaged');
    const before = await world.ledger.read('damaged');
    const restore = (input: Buffer, sha256?: string): Promise<{ code: string; message: string }> =>
      failure(
        copy(
          'damaged',
          { restore: sha256 === undefined ? {} : { sha256 } },
          { input: Readable.from([input]) },
        ),
      );
    const flipped = Buffer.from(bytes);
    flipped[bytes.length - 6] = (flipped[bytes.length - 6] ?? 0) ^ 1;
    expect(await restore(flipped)).toMatchObject({ code: 'bad_request' });
    expect(await restore(bytes.subarray(0, -20))).toMatchObject({ code: 'bad_request' });
    expect(await restore(Buffer.alloc(0))).toMatchObject({ code: 'bad_request' });
    expect(await restore(Buffer.from('no gzip at all'))).toMatchObject({ code: 'bad_request' });
    expect(await restore(gzipSync(randomBytes(100_000)))).toHaveProperty('code');
    expect(await restore(bytes, '0'.repeat(64))).toMatchObject({
      code: 'bad_request',
      message: `these bytes are sha256 ${done.sha256}, not ${'0'.repeat(64)}`,
    });
    const { volumes } = (await world.ledger.read('damaged')).volumes;
    expect(volumes).toEqual(before.volumes.volumes);
    // Cleared away behind the answer.
    await until(async () => (await dockerVolumes('damaged')).length === 1);
    expect(await sh('damaged', 'cat /data/file')).toBe('good');
  });

  it('are not changed when the connection ends in the middle, and nothing of it stays', async () => {
    await deployed('hung-up');
    const gone = new AbortController();
    let sent = 0;
    const endless = new Readable({
      read(): void {
        sent += 1;
        if (sent === 50) gone.abort();
        setImmediate(() => this.push(sent === 1 ? tarHeader('large', 8 ** 10) : randomBytes(50_000)));
      },
    }).pipe(createGzip({ level: 0 }));
    await expect(copy('hung-up', { restore: {} }, { input: endless, signal: gone.signal })).rejects.toThrow();
    await until(async () => (await dockerVolumes('hung-up')).length === 1);
    const left = await world.docker.docker(['ps', '-aq', '--filter', 'label=slipway.run']);
    expect(left).toBe('');
    expect((await world.ledger.read('hung-up')).volumes.volumes.data).not.toHaveProperty('other');
  });

  it('go into the registry and come back from there', async () => {
    await deployed('shipped');
    await sh('shipped', 'echo one > /data/file');
    const { done } = await backUp('shipped', { to: 'registry' });
    await sh('shipped', 'echo two > /data/file');
    const [listed] = (await client.backups('shipped', 'data')).backups;
    expect(listed).toMatchObject({ tag: done.tag, bytes: done.bytes, by: 'alice', stopped: [] });
    expect(await readdir(scratch)).toEqual([]);
    await copy('shipped', { restore: { from: done.tag } });
    await exchange('shipped');
    expect(await sh('shipped', 'cat /data/file')).toBe('one');
    expect(await failure(copy('shipped', { restore: { from: '20260101-000000-abcd' } }))).toMatchObject({
      code: 'not_found',
    });
    await until(async () => (await dockerVolumes('shipped')).length === 2);
  });

  it('are copied at rest when that is said, and who had them runs again, whatever came of it', async () => {
    await deployed('rests', [
      ...mounting('data'),
      {
        type: 'reader',
        scale: 1,
        command: ['/bin/sh', '-c', 'exec sleep 1000'],
        mounts: [{ volume: 'data', path: '/data', readOnly: true }],
      },
    ]);
    const ids = (await world.containers('rests')).map(({ id }) => id).sort();
    const { done, bytes } = await backUp('rests', { stop: true });
    expect(done.stopped).toEqual(['web.1']);
    expect(gunzipSync(bytes).length).toBeGreaterThan(0);
    await until(async () => (await world.containers('rests')).every(({ state }) => state === 'running'));
    expect((await world.containers('rests')).map(({ id }) => id).sort()).toEqual(ids);
    // The turn has ended: the reconciler gets through.
    await world.reconcile();
  });
});
