/** One-off commands on a real engine, over the deployer's own socket, as the command line is attached to them. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { PassThrough, Readable, Writable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commandRoutes } from '../../deploy/command-routes.js';
import { Followed } from '../../deploy/followed.js';
import { LABELS } from '../../deploy/names.js';
import { type OneOffParts, runDetached, sweepOneOffs } from '../../deploy/one-offs.js';
import type { ReconcileParts } from '../../deploy/reconcile.js';
import { serveRuntime } from '../../deploy/serve.js';
import { DeployerClient } from '../../src/api/deployer-client.js';
import { beAttached } from '../../src/cli/attached.js';
import type { HostRecord } from '../../src/model/host.js';
import { temporaryDirectory } from '../support/directories.js';
import { dockerMissing, TURN_TIMEOUT_MS } from '../support/docker.js';
import { until } from '../support/until.js';
import { type AttachOptions, attach as attachTo, type Ended } from './support/attach.js';
import { HAPROXY_MISSING } from './support/edge.js';
import { server } from './support/images.js';
import { World } from './support/world.js';

const missing = dockerMissing() ?? HAPROXY_MISSING;
if (missing !== undefined) console.warn(`skipped: ${missing}`);

describe.skipIf(missing !== undefined)('one-off commands', () => {
  let world: World;
  let parts: OneOffParts & ReconcileParts;
  let client: DeployerClient;
  let stop: () => Promise<void>;
  let records: HostRecord[] = [];

  beforeAll(async () => {
    world = await World.open();
    parts = { ...world.parts, book: { list: async () => records } };
    const socketPath = join(await temporaryDirectory(), 'deployer.sock');
    const more = (on: Parameters<typeof commandRoutes>[0]): void => commandRoutes(on, parts);
    stop = await serveRuntime({ socketPath, hosts: parts.hosts, more, log: parts.log });
    client = new DeployerClient(socketPath);
    const image = await world.image({ script: server('one') });
    await world.createApp('hello');
    await world.ledger.setConfig('hello', { GREETING: 'good day' }, 'alice');
    await world.rollOut(await world.release('hello', image));
  }, TURN_TIMEOUT_MS);
  afterAll(async () => {
    await stop?.();
    await world?.close();
  }, 60_000);

  const attach = (command: readonly string[], options: Partial<AttachOptions> = {}): Promise<Ended> =>
    attachTo(client, command, { app: 'hello', ...options });
  const containers = (): Promise<string[]> =>
    world.docker
      .docker(['ps', '-aq', '--no-trunc', '--filter', `label=${LABELS.run}`])
      .then((text) => text.split('\n').filter((line) => line !== ''));
  const allGone = (): Promise<void> => until(async () => (await containers()).length === 0);
  const sh = (script: string): readonly string[] => ['/bin/sh', '-c', script];

  it('has output, errors and exit code of its own, with the config of the live release', async () => {
    const script = 'echo "$GREETING $EXTRA"; echo wrong >&2; exit 7';
    expect(await attach(sh(script), { env: { EXTRA: 'and more' } })).toEqual({
      code: 7,
      out: 'good day and more\n',
      err: 'wrong\n',
    });
    await allGone();
  });

  it('runs argv without a shell', async () => {
    const odd = 'a b; $(exit 3) "\'';
    expect((await attach(['/bin/echo', odd, '*'])).out).toBe(`${odd} *\n`);
    await expect(attach(['/bin/no-such-program'])).rejects.toMatchObject({
      code: 'bad_request',
      message: expect.stringContaining('no-such-program'),
    });
    await allGone();
  });

  it('reads all of its input, byte for byte, to the end', async () => {
    const bytes = Buffer.alloc(300_000, 'x\n');
    const { code, out } = await attach(['/bin/cat'], {
      stdin: Readable.from([bytes.subarray(0, 9), bytes.subarray(9)]),
    });
    expect([code, out.length, out === bytes.toString()]).toEqual([0, bytes.length, true]);
  });

  it('shows output while it runs, and takes input then', async () => {
    const stdin = new PassThrough();
    const ended = attach(sh('echo name?; read name; echo "hello $name"'), {
      stdin,
      onOutput: (text) => {
        if (text === 'name?\n') stdin.write('bob\n');
      },
    });
    expect(await ended).toMatchObject({ code: 0, out: 'name?\nhello bob\n' });
  });

  it('has a terminal of the right size, also after a change', async () => {
    const stdin = new PassThrough();
    const connection = await client.attach('hello', 'run', 'alice');
    let out = '';
    const screen = Object.assign(
      new Writable({
        write: (chunk: Buffer, _encoding, done) => {
          out += chunk.toString();
          done();
        },
      }),
      { columns: 91, rows: 33 },
    );
    const ended = beAttached(
      connection,
      { command: ['/bin/sh'], terminal: { columns: 91, rows: 33 } },
      {
        stdin,
        streams: { out: screen, err: screen },
        signal: new AbortController().signal,
        hasTerminal: true,
        onStarted: () => undefined,
      },
    );
    stdin.write('test -t 0 && echo a-$((1+1))-terminal; busybox stty size\n');
    await until(() => out.includes('a-2-terminal') && out.includes('33 91'));
    Object.assign(screen, { columns: 60, rows: 20 });
    screen.emit('resize');
    await until(() => {
      stdin.write('busybox stty size\n');
      return out.includes('20 60');
    });
    stdin.write('exit 4\n');
    expect(await ended).toBe(4);
    await allGone();
  });

  it('ends with the connection', async () => {
    const interrupted = new AbortController();
    const ended = attach(sh('trap "exit 0" TERM; echo up; sleep 1000 & wait'), {
      signal: interrupted.signal,
      onOutput: () => interrupted.abort(),
    });
    expect((await ended).code).toBe(130);
    await allGone();
  });

  it('two at once have nothing in common, and are no part of the app', async () => {
    const before = await world.states('hello');
    const one = new PassThrough();
    const two = new PassThrough();
    const running = [one, two].map((stdin) => attach(['/bin/cat'], { stdin }));
    await until(async () => {
      const { runs } = await client.runs('hello');
      return runs.length === 2 && runs.every(({ state }) => state === 'running');
    });
    await world.reconcile(parts);
    expect((await client.runs('hello')).runs).toEqual([
      expect.objectContaining({ detached: false, state: 'running', by: 'alice', release: 1, host: 'local' }),
      expect.objectContaining({ detached: false, state: 'running' }),
    ]);
    expect(await world.states('hello')).toEqual(before);
    one.end('one');
    two.end('two');
    expect((await Promise.all(running)).map(({ out }) => out)).toEqual(['one', 'two']);
    await allGone();
  });

  it('goes on detached, says what it wrote and how it ended, and is stopped by its name', async () => {
    const { name } = await client.runDetached('hello', { command: sh('echo "$GREETING"; exit 5') }, 'bob');
    await until(async () => (await client.runs('hello')).runs[0]?.exitCode === 5);
    const log = await client.logs('hello', { lines: 10, follow: false, run: name });
    expect(Buffer.concat(await log.toArray()).toString()).toBe('good day\n');
    await world.reconcile(parts);
    expect((await client.stopRun('hello', name)).exitCode).toBe(5);
    await allGone();
    const long = await client.runDetached('hello', { command: ['/bin/sleep', '1000'] }, 'bob');
    await world.reconcile(parts);
    expect((await client.runs('hello')).runs).toEqual([
      expect.objectContaining({ name: long.name, detached: true }),
    ]);
    await client.stopRun('hello', long.name);
    await allGone();
    await expect(client.stopRun('hello', long.name)).rejects.toMatchObject({ code: 'not_found' });
  });

  it('is refused beyond the number that may run at once', async () => {
    const { config } = parts;
    const few = { ...parts, config: { ...config, limits: { ...config.limits, oneOffs: 1 } } };
    const wish = { command: ['/bin/sleep', '1000'] };
    const { name } = await runDetached(few, 'hello', 'bob', wish);
    await expect(runDetached(few, 'hello', 'bob', wish)).rejects.toMatchObject({
      code: 'conflict',
      message: 'hello runs 1 one-off commands, and no more at once',
    });
    await client.stopRun('hello', name);
    await client.stopRun('hello', (await runDetached(few, 'hello', 'bob', wish)).name);
    await allGone();
  });

  it('gets the limits that were asked for', async () => {
    const wish = { command: ['/bin/sleep', '1000'], limits: { memory: '64m', cpus: '0.5' } };
    const { name, container } = await client.runDetached('hello', wish, 'bob');
    const format = '{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}}';
    expect(await world.docker.docker(['inspect', '-f', format, container])).toBe('67108864 500000000');
    await client.stopRun('hello', name);
    await expect(
      client.runDetached('hello', { ...wish, limits: { memory: 'much' } }, 'bob'),
    ).rejects.toMatchObject({
      code: 'bad_request',
    });
  });

  it('whose deployer was killed is removed by the next one', async () => {
    // A process that lived and was killed, as the label of its container has it.
    const dead = spawn('/bin/sleep', ['1000']);
    await once(dead, 'spawn');
    const follower = `slipway-${dead.pid}-1`;
    const { image } = (await world.ledger.read('hello')).releases[0]!;
    const start = async (name: string, by: string): Promise<string> => {
      const spec = { app: 'hello', release: 1, name, image, env: {}, command: ['/bin/sleep', '1000'] };
      const { id, stream } = await world.target.startOneOff({
        ...spec,
        hasTerminal: false,
        by: 'alice',
        follower: by,
      });
      stream?.on('error', () => undefined);
      stream?.destroy();
      return id;
    };
    const left = await start('run.111111', follower);
    const own = await parts.followed.name();
    const forgotten = await start('run.222222', own);
    parts.followed.add('hello.run.333333');
    const followed = await start('run.333333', own);
    dead.kill('SIGKILL');
    await once(dead, 'exit');
    await sweepOneOffs(parts, new AbortController().signal);
    expect(await containers()).toEqual([followed]);
    expect([left, forgotten]).not.toContain(followed);
    parts.followed.delete('hello.run.333333');
    await sweepOneOffs({ ...parts, followed: new Followed() }, new AbortController().signal);
    expect(await containers()).toEqual([]);
  });

  it('needs a live release, and a host that is not cordoned and answers', async () => {
    await world.createApp('empty');
    await expect(attach(['/bin/true'], { app: 'empty' })).rejects.toMatchObject({
      code: 'no_release',
      message: 'empty has no live release to run a command of',
    });
    const cordoned = { at: '', by: 'alice' };
    records = [{ name: 'local', address: 'local', labels: {}, cordoned, addedAt: '', addedBy: '' }];
    await expect(attach(['/bin/true'])).rejects.toMatchObject({
      code: 'no_host',
      message: 'no host of hello can run a command: local is cordoned',
    });
    records = [];
    await world.docker.pause();
    try {
      await expect(attach(['/bin/true'])).rejects.toMatchObject({
        code: 'no_host',
        message: expect.stringContaining('local does not answer'),
      });
    } finally {
      await world.docker.resume();
    }
    await world.reconcile(parts);
  }, 60_000);

  it('refuses a wish that makes no sense', async () => {
    for (const wish of [
      { command: [] },
      { command: ['a\0b'] },
      { command: ['a'], env: { '1': 'x' } },
      { other: 1 },
    ])
      await expect(client.runDetached('hello', wish, 'bob')).rejects.toMatchObject({
        code: expect.stringMatching(/bad_request|invalid_name/),
      });
    await expect(attach([])).rejects.toMatchObject({ code: 'bad_request' });
  });

  it('enters a container that runs', async () => {
    expect(
      await attach(sh('echo "$PORT"; read line; echo "$line"; exit 6'), {
        what: 'enter',
        process: 'web.1',
        stdin: Readable.from([Buffer.from('in\n')]),
      }),
    ).toMatchObject({ code: 6, out: '8080\nin\n' });
    await expect(attach(['/bin/true'], { what: 'enter', process: 'web.9' })).rejects.toMatchObject({
      code: 'not_found',
      message: 'hello runs no "web.9"',
    });
  });

  it('shows the inside of a container, but no values of its variables', async () => {
    const view = await client.inspect('hello', 'web');
    expect(view).toMatchObject({ process: 'web.1', release: 1, state: 'running', host: 'local' });
    expect(view.variables).toEqual(expect.arrayContaining(['GREETING', 'PORT']));
    expect(JSON.stringify(view)).not.toContain('good day');
    expect(JSON.stringify((await client.top('hello', 'web.1')).processes)).toContain('httpd');
    const { usage, silent } = await client.usage('hello');
    expect(silent).toEqual([]);
    expect(usage).toEqual([expect.objectContaining({ process: 'web.1', release: 1 })]);
    expect(usage[0]?.memoryBytes).toBeGreaterThan(0);
  });
});
