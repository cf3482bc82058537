/** Bytes between a caller and a process: at whose pace they go, and what ends it. `cat` stands for git where git would have its own will. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { PassThrough, Writable } from 'node:stream';
import { expect, it } from 'vitest';
import { SlipwayError } from '../../src/errors.js';
import { packet } from '../../src/git/pkt-line.js';
import { carry } from '../../src/ssh/carrier.js';

const LIMITS = { maxInputBytes: 1024 * 1024, idleMs: 60_000 };

function process(...argv: [string, ...string[]]): ChildProcess {
  return spawn(argv[0], argv.slice(1), { detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
}

function reader(): { output: Writable; read: () => Buffer } {
  const parts: Buffer[] = [];
  const output = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      parts.push(chunk);
      setImmediate(done);
    },
  });
  return { output, read: () => Buffer.concat(parts) };
}

const never = new AbortController().signal;

it('everything has arrived when it ends', async () => {
  const sent = randomBytes(900_000);
  const { output, read } = reader();
  const input = new PassThrough();
  input.end(sent);
  await carry(process('cat'), { input, output, signal: never }, LIMITS);
  expect(read().equals(sent)).toBe(true);
});

it.each([
  ['a caller who says nothing', { idleMs: 50 }, 'nothing came or went'],
  ['more than is taken', { maxInputBytes: 10 }, 'larger than 10 bytes'],
])('%s ends it, and the process with it', async (_, limits, says) => {
  const child = process('cat');
  const input = new PassThrough();
  input.write('0123456789ab');
  const { output } = reader();
  await expect(carry(child, { input, output, signal: never }, { ...LIMITS, ...limits })).rejects.toThrow(
    says,
  );
  expect(child.exitCode ?? child.signalCode).not.toBeNull();
});

it('a caller who takes nothing ends it', async () => {
  const child = process('yes');
  const output = new Writable({ write: () => undefined });
  const input = new PassThrough();
  const ended = carry(child, { input, output, signal: never }, { ...LIMITS, idleMs: 100 });
  await expect(ended).rejects.toThrow('nothing came or went');
  expect(child.exitCode ?? child.signalCode).not.toBeNull();
});

it('a caller who is let go, or has gone, ends it', async () => {
  const letGo = new AbortController();
  const { output } = reader();
  const first = carry(process('cat'), { input: new PassThrough(), output, signal: letGo.signal }, LIMITS);
  letGo.abort(new SlipwayError('unauthorized', 'this key was removed'));
  await expect(first).rejects.toThrow('this key was removed');
  const input = new PassThrough();
  const second = carry(process('cat'), { input, output: reader().output, signal: never }, LIMITS);
  input.destroy(new Error('cut'));
  await expect(second).rejects.toThrow('the caller is gone');
});

it('a process that fails says why', async () => {
  const input = new PassThrough();
  input.end();
  const failing = process('git', 'no-such-service');
  await expect(carry(failing, { input, output: reader().output, signal: never }, LIMITS)).rejects.toThrow(
    "git ended early: git: 'no-such-service' is not a git command",
  );
});

it('commits are added to what git says that it has, and to nothing behind that', async () => {
  const oid = 'a'.repeat(40);
  const have = 'b'.repeat(40);
  const advertised = Buffer.concat([packet(`${oid} refs/heads/main\0report-status\n`), Buffer.from('0000')]);
  const behind = Buffer.concat([packet('unpack ok\n'), Buffer.from('0000')]);
  const { output, read } = reader();
  const input = new PassThrough();
  // In any pieces.
  for (const byte of advertised.subarray(0, 60)) input.write(Buffer.of(byte));
  input.write(advertised.subarray(60));
  input.end(behind);
  await carry(process('cat'), { input, output, signal: never }, LIMITS, [have]);
  expect(read().toString()).toBe(
    Buffer.concat([
      packet(`${oid} refs/heads/main\0report-status\n`),
      packet(`${have} .have\n`),
      Buffer.from('0000'),
      behind,
    ]).toString(),
  );
});
