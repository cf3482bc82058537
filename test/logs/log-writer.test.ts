import { appendFile, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SlipwayError } from '../../src/errors.js';
import { BuildLog } from '../../src/logs/log-writer.js';

const LIMITS = { logBytes: 50 * 1024 * 1024, logLineBytes: 10_000 };
const MARK = 'The log is full';

let directory: string;
let path: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'slipway-log-'));
  path = join(directory, 'log');
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const text = (): Promise<string> => readFile(path, 'utf8');
const marks = async (): Promise<number> => (await text()).split(MARK).length - 1;

describe('a build log', () => {
  test('is written in the conventions of a push', async () => {
    const log = await BuildLog.open(path, LIMITS);
    await log.headline('Building a1b2c3d');
    await log.body('two\nlines');
    await log.raw('npm warn\nnpm notice\n');
    await log.problem('step 3 failed\nRUN false');
    await log.final('v14 is live');
    await log.close();
    expect(await text()).toBe(
      [
        '-----> Building a1b2c3d',
        '       two',
        '       lines',
        '       npm warn',
        '       npm notice',
        ' !     step 3 failed',
        ' !     RUN false',
        '=====> v14 is live',
        '',
      ].join('\n'),
    );
  });

  test('is appended to by one writer after another', async () => {
    for (const who of ['web', 'builder', 'deployer']) {
      const log = await BuildLog.open(path, LIMITS);
      await log.headline(who);
      await log.close();
    }
    expect(await text()).toBe('-----> web\n-----> builder\n-----> deployer\n');
  });

  test('keeps whole lines when two writers hold it open at once', async () => {
    const writers = await Promise.all([BuildLog.open(path, LIMITS), BuildLog.open(path, LIMITS)]);
    await Promise.all(
      writers.map(async (log, n) => {
        for (let i = 0; i < 500; i++) await log.body(`writer ${n} line ${i} ${'x'.repeat(i)}`);
        await log.close();
      }),
    );
    const lines = (await text()).split('\n').slice(0, -1);
    expect(lines).toHaveLength(1000);
    expect(lines.every((line) => /^ {7}writer [01] line \d+ x*$/.test(line))).toBe(true);
  });

  test('starts a new line after a writer that was killed in the middle of one', async () => {
    await writeFile(path, '-----> torn');
    const log = await BuildLog.open(path, LIMITS);
    await log.headline('whole');
    await log.headline('again');
    await log.close();
    expect(await text()).toBe('-----> torn\n-----> whole\n-----> again\n');
  });

  test('keeps the lines of steps that run side by side apart by their prefix', async () => {
    const log = await BuildLog.open(path, LIMITS);
    await log.raw('half a ', '[a] ');
    await log.raw('other\nopen', '[b] ');
    await log.raw('line\n', '[a] ');
    await log.endRaw('[b] ');
    await log.close();
    expect(await text()).toBe('       [b] other\n       [a] half a line\n       [b] open\n');
  });

  test('ends an open line of step output before a line of its own', async () => {
    const log = await BuildLog.open(path, LIMITS);
    await log.raw('no newline');
    await log.headline('next step');
    await log.raw('last');
    await log.close();
    expect(await text()).toBe('       no newline\n-----> next step\n       last\n');
  });

  test('takes control sequences out of its own lines too, since they quote the user', async () => {
    const log = await BuildLog.open(path, LIMITS);
    await log.headline('RUN echo \x1b]0;title\x07\x1b[2J');
    await log.close();
    expect(await text()).toBe('-----> RUN echo \n');
  });

  test('is the same however the output of a step is cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 300 }),
        fc.array(fc.nat(300), { maxLength: 6 }),
        async (bytes, points) => {
          const written: string[] = [];
          for (const cuts of [[], points.map((p) => p % (bytes.length + 1)).sort((a, b) => a - b)]) {
            await rm(path, { force: true });
            const log = await BuildLog.open(path, { logBytes: 900, logLineBytes: 80 });
            const ends = [...cuts, bytes.length];
            for (const [i, end] of ends.entries()) await log.raw(bytes.subarray(ends[i - 1] ?? 0, end));
            await log.close();
            written.push(await text());
          }
          expect(written[1]).toBe(written[0]);
        },
      ),
      { numRuns: 150 },
    );
  });

  test('never writes a line longer than the limit', async () => {
    const log = await BuildLog.open(path, LIMITS);
    await log.raw('y'.repeat(1_000_000), 'stage ');
    await log.body('z'.repeat(1_000_000));
    await log.close();
    for (const line of (await text()).split('\n'))
      expect(Buffer.byteLength(line)).toBeLessThan(LIMITS.logLineBytes);
    expect((await text()).match(/clipped at/g)).toHaveLength(2);
  });

  test('marks once that it is full, drops step output, and still takes headlines, problems and the end', async () => {
    const limits = { logBytes: 2000, logLineBytes: 200 };
    const log = await BuildLog.open(path, limits);
    for (let i = 0; i < 500; i++) await log.raw(`line ${i}\n`);
    await log.headline('Releasing');
    await log.raw('more output\n');
    await log.problem('unhealthy');
    await log.body('the container said so');
    await log.final('failed');
    await log.close();
    const lines = (await text()).split('\n');
    expect(await marks()).toBe(1);
    expect(await text()).toContain('SLIPWAY_LIMIT_LOG_BYTES=2000');
    expect(lines.slice(-5)).toEqual([
      '-----> Releasing',
      ' !     unhealthy',
      '       the container said so',
      '=====> failed',
      '',
    ]);
    expect((await stat(path)).size).toBeLessThan(2400);
  });

  test('a second writer of a full log neither marks it again nor adds step output', async () => {
    const limits = { logBytes: 2000, logLineBytes: 200 };
    for (const who of ['builder', 'the builder after it']) {
      const log = await BuildLog.open(path, limits);
      await log.headline(who);
      for (let i = 0; i < 500; i++) await log.raw(`${who} ${i} ${'x'.repeat(i % 150)}\n`);
      await log.close();
    }
    expect(await marks()).toBe(1);
    expect((await text()).endsWith('-----> the builder after it\n')).toBe(true);
  });

  test('takes 100 MB from a step without holding it in memory', async () => {
    const log = await BuildLog.open(path, { ...LIMITS, logBytes: 200 * 1024 * 1024 });
    const chunk = Buffer.from(`${'x'.repeat(99)}\n`.repeat(655));
    const chunks = Math.ceil(100_000_000 / chunk.length);
    const before = process.memoryUsage();
    let most = 0;
    for (let i = 0; i < chunks; i++) {
      await log.raw(chunk);
      const now = process.memoryUsage();
      most = Math.max(most, now.external + now.arrayBuffers - before.external - before.arrayBuffers);
    }
    await log.close();
    expect((await stat(path)).size).toBe(chunks * 655 * 107);
    expect(most).toBeLessThan(64 * 1024 * 1024);
  });

  test('drops what comes after it was closed, and closing twice is harmless', async () => {
    const log = await BuildLog.open(path, LIMITS);
    await log.headline('all');
    await log.close();
    await log.raw('late\n');
    await log.headline('late');
    await log.endRaw();
    await log.close();
    expect(await text()).toBe('-----> all\n');
  });

  test('a line method does not fail on a full disk; flush and close say it', async () => {
    const log = await BuildLog.open('/dev/full', LIMITS);
    await log.headline('cannot be kept');
    await log.raw('nor this\n');
    const failure = await log.flush().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(SlipwayError);
    expect((failure as SlipwayError).code).toBe('disk_full');
    await log.body('nor this');
    await expect(log.close()).rejects.toMatchObject({ code: 'disk_full' });
  });

  test('flush waits until another reader sees the lines', async () => {
    const log = await BuildLog.open(path, LIMITS);
    for (let i = 0; i < 100; i++) void log.raw(`line ${i}\n`);
    await log.flush();
    expect((await text()).split('\n')).toHaveLength(101);
    await appendFile(path, 'by someone else\n');
    await log.close();
  });
});
