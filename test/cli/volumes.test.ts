/** Copies of volumes as files, through the real web process, with a deployer that says what the test wants. */
import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { FRAME, frame, messageFrame, readFrames, readMessage } from '../../src/frames.js';
import { json } from '../api/support/deployer.js';
import { Platform } from '../api/support/platform.js';
import { temporaryDirectory } from '../support/directories.js';
import { Terminal } from './support/terminal.js';

let platform: Platform;
let terminal: Terminal;
let directory: string;

beforeAll(async () => {
  platform = await Platform.start();
  await platform.createApp('hello');
  await platform.call('POST', '/v1/apps/hello/volumes', { body: { name: 'data' } });
});
beforeEach(async () => {
  terminal = await Terminal.at(await platform.url(), platform.token('reader'));
  directory = await temporaryDirectory();
});
afterAll(() => platform.stop());

const run = async (...argv: string[]): Promise<{ code: number; out: string; err: string }> => {
  const { code, out, err } = await terminal.run([...argv, '-a', 'hello']);
  return { code, out, err };
};
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** A deployer that sends these bytes, or gets them, and says this of them. */
function copies(
  sends: Buffer,
  says: () => object = () => ({
    exit: { code: 0, outOfMemory: false, copy: { bytes: 1, sha256: sha256(sends), stopped: ['web.1'] } },
  }),
): { readonly wishes: unknown[]; readonly got: () => Buffer } {
  const wishes: unknown[] = [];
  const parts: Buffer[] = [];
  platform.deployer.converse = (connection) => {
    void (async () => {
      connection.write(messageFrame({ started: { name: 'volume.123456', host: 'local' } }));
      for await (const { kind, data } of readFrames(connection.iterator({ destroyOnReturn: false }))) {
        if (kind === FRAME.message) wishes.push(readMessage(data));
        else if (data.length > 0) parts.push(Buffer.from(data));
        else break;
      }
      for (let at = 0; at < sends.length; at += 10_000)
        connection.write(frame(FRAME.output, sends.subarray(at, at + 10_000)));
      connection.end(messageFrame(says()));
    })().catch(() => undefined);
  };
  return { wishes, got: () => Buffer.concat(parts) };
}

test('a backup is a file with what was sent, and its checksum is said', async () => {
  const bytes = Buffer.alloc(123_456, 'data');
  const { wishes } = copies(bytes);
  const file = join(directory, 'backup.tar.gz');
  const { code, out } = await run('volumes:backup', 'data', file, '--stop');
  expect(code).toBe(0);
  expect(await readFile(file)).toEqual(bytes);
  expect(out).toContain(`sha256 ${sha256(bytes)}`);
  expect(out).toContain('stopped meanwhile: web.1');
  expect(wishes).toEqual([{ backup: { to: 'client', stop: true } }]);
  expect(await readdir(directory)).toEqual(['backup.tar.gz']);
});

test('a backup that fails, or is not what was sent, leaves no file', async () => {
  const file = join(directory, 'backup.tar.gz');
  copies(Buffer.from('half'), () => ({ error: { code: 'disk_full', message: 'the disk is full' } }));
  expect(await run('volumes:backup', 'data', file)).toMatchObject({
    code: 1,
    err: expect.stringContaining('the disk is full'),
  });
  copies(Buffer.from('bent'), () => ({
    exit: {
      code: 0,
      outOfMemory: false,
      copy: { bytes: 4, sha256: sha256(Buffer.from('sent')), stopped: [] },
    },
  }));
  expect(await run('volumes:backup', 'data', file)).toMatchObject({ code: 1 });
  expect(await readdir(directory)).toEqual([]);
});

test('a file that is there already is left alone', async () => {
  const file = join(directory, 'backup.tar.gz');
  await writeFile(file, 'precious');
  copies(Buffer.from('new'));
  expect(await run('volumes:backup', 'data', file)).toMatchObject({ code: 2 });
  expect(await readFile(file, 'utf8')).toBe('precious');
});

test('a restore sends the file, and its content is exchanged only when all went well', async () => {
  const file = join(directory, 'backup.tar.gz');
  const bytes = Buffer.alloc(200_000, 'restored');
  await writeFile(file, bytes);
  const wrong = { error: { code: 'bad_request', message: 'the backup is damaged' } };
  copies(Buffer.alloc(0), () => wrong);
  expect(await run('volumes:restore', 'data', file)).toMatchObject({
    code: 2,
    err: expect.stringContaining('the backup is damaged'),
  });
  const { wishes, got } = copies(Buffer.alloc(0));
  const ended = await run('volumes:restore', 'data', file, '--sha256', sha256(bytes));
  expect(got()).toEqual(bytes);
  expect(wishes).toEqual([{ restore: { sha256: sha256(bytes) } }]);
  // The scripted deployer has restored nothing: so far the command has come.
  expect(ended).toMatchObject({ code: 1, err: expect.stringContaining('data has no other content') });
});

test('what is in the registry is listed, and restored by name', async () => {
  const backup = {
    tag: '20261130-040000-1a2b',
    at: '2026-11-30T04:00:00Z',
    by: 'alice',
    bytes: 1200,
    stopped: [],
  };
  platform.deployer.script = (_request, response) => json(response, 200, { backups: [backup] });
  const { code, out } = await run('volumes:backups', 'data');
  expect([code, out]).toEqual([0, expect.stringMatching(/20261130-040000-1a2b +1\.2 kB +nothing +alice/)]);
  const { wishes } = copies(Buffer.alloc(0));
  const argv = ['volumes:restore', 'data', '--from', backup.tag, '--no-exchange'];
  expect(await run(...argv)).toMatchObject({ code: 0 });
  expect(wishes).toEqual([{ restore: { from: backup.tag } }]);
});

test('volumes are listed with their places', async () => {
  const { out } = await run('volumes');
  expect(out).toMatch(/data +local +nowhere/);
});

test('what cannot be meant is said before anything is asked', async () => {
  for (const argv of [
    ['volumes:backup', 'data', 'file', '--registry'],
    ['volumes:restore', 'data'],
    ['volumes:restore', 'data', 'file', '--from', 'x'],
    ['volumes:restore', 'data', join(directory, 'missing')],
  ])
    expect(await run(...argv)).toMatchObject({ code: 2 });
});

test('by SSH neither writes nor reads a file: it would be one of the platform', async () => {
  terminal.env = { ...terminal.env, SLIPWAY_SSH: '1' };
  const { wishes } = copies(Buffer.from('data'));
  const file = join(directory, 'data.tar.gz');
  const refused = { code: 2, err: expect.stringContaining('works with what is on your machine') };
  expect(await run('volumes:backup', 'data', file)).toMatchObject(refused);
  expect(await readdir(directory)).toEqual([]);
  await writeFile(file, 'x');
  expect(await run('volumes:restore', 'data', file)).toMatchObject(refused);
  expect(wishes).toEqual([]);
});
