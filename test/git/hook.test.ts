import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { hookProgram, installHook } from '../../src/git/hook-program.js';
import { BAND_ACCEPTED, BAND_LOG, BAND_REPORT, PUSH_ID_VARIABLE } from '../../src/git/hook-protocol.js';
import { HookServer } from '../../src/git/hook-server.js';
import { FLUSH, PacketParser, packet } from '../../src/git/pkt-line.js';
import type { ProposedPush, PushViewer } from '../../src/git/push.js';
import { refuse, type Verdict } from '../../src/git/verdict.js';
import { createLogger } from '../../src/log.js';
import { TOKENS } from './support/platform.js';

const OLD = '0'.repeat(40);
const NEW = '1'.repeat(40);
const UPDATE = `${OLD} ${NEW} refs/heads/main`;

async function shortDirectory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'hook-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

interface HookRun {
  readonly exitCode: number | null;
  /** The packets that git would read, flushes as null. */
  readonly said: (string | null)[];
  readonly stderr: string;
}

/** Starts the hook as receive-pack does and sends it these bytes; its stdin stays open until it has ended. */
async function runHook(
  input: Uint8Array,
  env: Record<string, string> = {},
  closeInput = false,
): Promise<HookRun> {
  const directory = await shortDirectory();
  await installHook(directory, hookProgram());
  const child = spawn(join(directory, 'proc-receive'), [], { env: { PATH: '', ...env } });
  const out: Buffer[] = [];
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  child.stdin.on('error', () => {});
  child.stdin.write(input);
  if (closeInput) child.stdin.end();
  const [exitCode] = (await once(child, 'close')) as [number | null];
  const said = new PacketParser().push(Buffer.concat(out)).map((line) => line?.toString() ?? null);
  return { exitCode, said, stderr };
}

const lines = (...texts: string[]): Buffer => Buffer.concat([...texts.map((text) => packet(text)), FLUSH]);
const hello = lines('version=1\0push-options atomic');

/** A web process that answers each hook with these bytes and then cuts or keeps the line. */
async function scriptedWeb(
  answer: Uint8Array,
  cut = true,
): Promise<{ env: Record<string, string>; request: Promise<(Buffer | null)[]> }> {
  const socketPath = join(await shortDirectory(), 's');
  let got: (frames: (Buffer | null)[]) => void = () => {};
  const request = new Promise<(Buffer | null)[]>((resolve) => {
    got = resolve;
  });
  const server = createServer((socket) => {
    const parser = new PacketParser();
    const frames: (Buffer | null)[] = [];
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      frames.push(...parser.push(chunk));
      if (frames.at(-1) !== null) return;
      got(frames);
      if (cut) socket.end(answer);
      else socket.write(answer);
    });
  });
  server.listen(socketPath);
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return { env: { SLIPWAY_HOOK_SOCKET: socketPath, SLIPWAY_PUSH_ID: 'f'.repeat(64) }, request };
}

const band = (number: number, text: string): Buffer =>
  packet(Buffer.concat([Buffer.of(number), Buffer.from(text)]));

describe('the hook program', () => {
  test('passes the proposal on, shows the log, and reports the verdicts', async () => {
    const answer = [
      band(BAND_ACCEPTED, 'hello b1'),
      band(BAND_LOG, '-----> é'),
      band(BAND_LOG, '\n'),
      band(BAND_REPORT, 'ok refs/heads/main'),
      FLUSH,
    ];
    const web = await scriptedWeb(Buffer.concat(answer));
    const run = await runHook(Buffer.concat([hello, lines(UPDATE), lines('detach')]), web.env);
    expect(run).toEqual({
      exitCode: 0,
      said: ['version=1\0push-options atomic\n', null, 'ok refs/heads/main\n', null],
      stderr: '-----> é\n',
    });
    expect((await web.request).map((frame) => frame?.toString())).toEqual([
      `push ${'f'.repeat(64)}`,
      'atomic',
      `update ${UPDATE}`,
      'option detach',
      undefined,
    ]);
  });

  test('reads no options when git offers none', async () => {
    const web = await scriptedWeb(Buffer.concat([band(BAND_REPORT, 'ok refs/heads/main'), FLUSH]));
    const run = await runHook(Buffer.concat([lines('version=1'), lines(UPDATE)]), web.env);
    expect(run).toMatchObject({ exitCode: 0, said: ['version=1\0\n', null, 'ok refs/heads/main\n', null] });
    expect(await web.request).toHaveLength(3);
  });

  test('refuses every ref when there is no web process', async () => {
    const run = await runHook(
      Buffer.concat([lines('version=1'), lines(UPDATE, `${OLD} ${NEW} refs/tags/a b`)]),
      { SLIPWAY_HOOK_SOCKET: '/nonexistent', SLIPWAY_PUSH_ID: 'x' },
    );
    expect(run.said.slice(2)).toEqual([
      'ng refs/heads/main Slipway is not available\n',
      'ng refs/tags/a b Slipway is not available\n',
      null,
    ]);
    expect(run.stderr).toContain('Push again');
  });

  test('refuses a push that did not come through the web process', async () => {
    const run = await runHook(Buffer.concat([lines('version=1'), lines(UPDATE)]));
    expect(run.said.at(-2)).toBe('ng refs/heads/main not pushed through Slipway\n');
  });

  test('names the build that goes on when the web process dies after accepting it', async () => {
    const web = await scriptedWeb(
      Buffer.concat([band(BAND_ACCEPTED, 'hello b1'), band(BAND_LOG, 'a line\n')]),
    );
    const run = await runHook(Buffer.concat([lines('version=1'), lines(UPDATE)]), web.env);
    expect(run.said.at(-2)).toBe('ng refs/heads/main lost sight of build b1, which goes on\n');
    expect(run.stderr).toContain('slipway builds:output -a hello b1 -f');
  });

  test('ends when git does, also while it waits', async () => {
    const web = await scriptedWeb(Buffer.alloc(0), false);
    expect(await runHook(Buffer.concat([lines('version=1'), lines(UPDATE)]), web.env, true)).toMatchObject({
      exitCode: 1,
    });
    expect(await runHook(lines('version=1'), {}, true)).toMatchObject({ exitCode: 1 });
  });

  test.each([
    ['another version', lines('version=2')],
    ['no pkt-line', Buffer.from('GET / HTTP/1.1\r\n')],
    ['nothing', FLUSH],
  ])('ends with an error when git says %s', async (_what, input) => {
    const run = await runHook(input);
    expect(run.exitCode).toBe(1);
    expect(run.stderr).toMatch(/^ ! {5}.*\n$/);
  });

  test('is started without a shell and readable by nobody else', async () => {
    const directory = await shortDirectory();
    await installHook(directory, hookProgram());
    const path = join(directory, 'proc-receive');
    expect((await stat(path)).mode & 0o777).toBe(0o700);
    expect((await readFile(path)).subarray(0, 4)).toEqual(Buffer.from('\x7fELF'));
    await expect(installHook(directory, '/nonexistent')).rejects.toMatchObject({ code: 'invalid_config' });
  });
});

describe('the hook server', () => {
  async function serve(
    receive: (push: ProposedPush, viewer: PushViewer) => Promise<readonly Verdict[]>,
    requestTimeoutMs = 10_000,
  ) {
    const socketPath = join(await shortDirectory(), 'run', 's');
    const server = new HookServer({
      socketPath,
      receive,
      log: createLogger('test', 'silent'),
      requestTimeoutMs,
    });
    await server.start();
    onTestFinished(() => server.close());
    const admission = server.admit({
      app: 'hello',
      who: TOKENS['owner-token']!,
      gitDir: '/x',
      isStaged: false,
    });
    return { server, socketPath, admission, pushId: admission.env[PUSH_ID_VARIABLE] ?? '' };
  }

  async function talk(socketPath: string, bytes: Uint8Array): Promise<string> {
    const socket: Socket = connect(socketPath);
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('error', () => {});
    socket.write(bytes);
    await once(socket, 'close');
    return Buffer.concat(chunks).toString('latin1');
  }

  const live = async ({ updates }: ProposedPush): Promise<Verdict[]> =>
    updates.map(({ ref }) => ({ ref, ok: true }));

  test('knows a push by its id, once', async () => {
    const { socketPath, pushId } = await serve(live);
    const request = lines(`push ${pushId}`, `update ${UPDATE}`);
    expect(await talk(socketPath, request)).toBe(`${band(BAND_REPORT, 'ok refs/heads/main')}0000`);
    expect(await talk(socketPath, request)).toBe('');
  });

  test('does not know a push that was released or never admitted', async () => {
    const { socketPath, admission, pushId } = await serve(live);
    admission.release();
    for (const id of [pushId, 'f'.repeat(64), '', '..'])
      expect(await talk(socketPath, lines(`push ${id}`, `update ${UPDATE}`))).toBe('');
  });

  test('hears only its own user', async () => {
    const { socketPath } = await serve(live);
    expect((await stat(join(socketPath, '..'))).mode & 0o777).toBe(0o700);
  });

  test('takes over the socket of a web process that was killed', async () => {
    const socketPath = join(await shortDirectory(), 's');
    await writeFile(socketPath, '');
    const server = new HookServer({ socketPath, receive: live, log: createLogger('test', 'silent') });
    await server.start();
    await server.close();
  });

  test('a bug is not shown to the pusher, but is answered', async () => {
    const { socketPath, pushId } = await serve(() =>
      Promise.reject(new TypeError('x of undefined at /secret/path')),
    );
    const answer = await talk(socketPath, lines(`push ${pushId}`, `update ${UPDATE}`));
    expect(answer).toContain('ng refs/heads/main Slipway could not handle this push.');
    expect(answer).not.toContain('secret');
  });

  test('a reason with line feeds and controls stays one line', async () => {
    const { socketPath, pushId } = await serve(async () => [
      refuse('refs/heads/main', `a\nok refs/heads/main\r\u001b[2J${'x'.repeat(999)}`),
    ]);
    const answer = await talk(socketPath, lines(`push ${pushId}`, `update ${UPDATE}`));
    expect(answer).toMatch(/ng refs\/heads\/main a ok refs\/heads\/main \[2Jx{200,}/);
    // One control character is left: the band before the line.
    expect(
      Buffer.from(answer, 'latin1')
        .toString()
        .match(/\p{Cc}/gu),
    ).toEqual(['\u0001']);
    expect(answer.length).toBeLessThan(400);
  });

  test('a hook that says nothing is cut off after a while', async () => {
    const { socketPath } = await serve(live, 50);
    expect(await talk(socketPath, Buffer.from('00'))).toBe('');
  });

  test('a log larger than a packet arrives whole, and a viewer that is cut never blocks the writer', async () => {
    const large = randomBytes(300_000);
    let cut: Promise<void> | undefined;
    const { socketPath, pushId } = await serve(async (_push, viewer) => {
      await viewer.write(large);
      return [refuse('refs/heads/main', 'done')];
    });
    const frames = new PacketParser().push(
      Buffer.from(await talk(socketPath, lines(`push ${pushId}`, `update ${UPDATE}`)), 'latin1'),
    );
    const logged = frames.filter((frame) => frame?.[0] === BAND_LOG).map((frame) => frame!.subarray(1));
    expect(Buffer.concat(logged).equals(large)).toBe(true);

    const second = await serve(async (_push, viewer) => {
      cut = (async () => {
        while (!viewer.signal.aborted) await viewer.write(large);
        // Writing goes on without harm.
        await viewer.write(large);
      })();
      await cut;
      return [];
    });
    const socket = connect(second.socketPath);
    socket.on('error', () => {});
    socket.write(lines(`push ${second.pushId}`, `update ${UPDATE}`));
    await once(socket, 'readable');
    socket.destroy();
    await expect.poll(() => cut !== undefined).toBe(true);
    await cut;
  });

  test('any bytes are refused without harm', async () => {
    const { server, socketPath } = await serve(live);
    const request = fc.oneof(
      fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
      fc.array(fc.string({ maxLength: 80 }), { maxLength: 6 }).map((texts) => lines(...texts)),
      fc
        .array(fc.constantFrom('atomic', 'option x', `update ${UPDATE}`, 'update x y z', 'push'), {
          maxLength: 6,
        })
        .map((texts) => {
          const { env } = server.admit({
            app: 'hello',
            who: TOKENS['owner-token']!,
            gitDir: '/x',
            isStaged: false,
          });
          return lines(`push ${env[PUSH_ID_VARIABLE]}`, ...texts);
        }),
    );
    await fc.assert(
      fc.asyncProperty(request, async (bytes) => {
        const socket = connect(socketPath);
        socket.on('error', () => {});
        socket.resume();
        socket.end(bytes);
        await once(socket, 'close');
      }),
      { numRuns: 300 },
    );
    const { env } = server.admit({
      app: 'hello',
      who: TOKENS['owner-token']!,
      gitDir: '/x',
      isStaged: false,
    });
    expect(await talk(socketPath, lines(`push ${env[PUSH_ID_VARIABLE]}`, `update ${UPDATE}`))).toContain(
      'ok refs/heads/main',
    );
  });
});
