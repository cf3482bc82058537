import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CacheMounts, type CacheRequest } from '../../src/build/mounts/cache-mounts.js';
import { OutputMask } from '../../src/build/mounts/mask.js';
import { forwardAgent } from '../../src/build/mounts/ssh-agent.js';
import { temporaryDirectory } from '../support/directories.js';

describe('the mask of an output', () => {
  const masked = (secrets: string[], chunks: string[]): string => {
    const mask = new OutputMask(secrets.map((secret) => Buffer.from(secret)));
    return Buffer.concat([...chunks.map((chunk) => mask.next(Buffer.from(chunk))), mask.end()]).toString();
  };

  it('hides a value wherever it is, and shows the rest at once', () => {
    expect(masked(['secret'], ['a secret, two secrets'])).toBe('a ***, two ***s');
    const mask = new OutputMask([Buffer.from('secret')]);
    expect(mask.next(Buffer.from('plain text')).toString()).toBe('plain text');
    expect(mask.next(Buffer.from('some sec')).toString()).toBe('some ');
    expect(mask.next(Buffer.from('ond')).toString()).toBe('second');
  });

  it('hides base64 of it, the value without its last newline, and the longer of two', () => {
    expect(masked(['password\n'], ['password!', 'password\nnext'])).toBe('***!***\nnext');
    expect(masked(['password'], [Buffer.from('password').toString('base64')])).toMatch(/^\*\*\*=*$/);
    expect(masked(['pass', 'password'], ['pass', 'word pass'])).toBe('*** ***');
    expect(masked(['abcd', 'Xabcde'], ['Xabc', 'de Xabcd!'])).toBe('*** X***!');
  });

  it('leaves what is too short to be a secret', () => {
    expect(masked(['abc', ''], ['abc abc'])).toBe('abc abc');
  });

  it('does not depend on how the output is cut', () => {
    const text = fc.array(fc.constantFrom('a', 'b', 'abab', 'ababb', 'babaab', 'c'), { maxLength: 12 });
    const property = fc.property(text, text, (words, cuts) => {
      const secrets = ['abab', 'ababb', 'baab'];
      const whole = masked(secrets, [words.join('')]);
      expect(masked(secrets, words)).toBe(whole);
      expect(masked(secrets, [...words.join('')])).toBe(whole);
      expect(whole).not.toContain('abab');
      void cuts;
    });
    fc.assert(property, { numRuns: 300 });
  });
});

describe('the directories of cache mounts', () => {
  const request = (over: Partial<CacheRequest> = {}): CacheRequest => ({
    scope: 'app',
    id: '/root/.cache',
    sharing: 'shared',
    mode: 0o750,
    uid: 7,
    gid: 8,
    signal: AbortSignal.timeout(10_000),
    ...over,
  });

  it('are shared by all who ask for that, and made with owner and mode once', async () => {
    const caches = new CacheMounts(await temporaryDirectory());
    const one = await caches.take(request());
    const two = await caches.take(request({ mode: 0o777, uid: 0 }));
    expect(two.directory).toBe(one.directory);
    expect([one.isNew, two.isNew]).toEqual([true, false]);
    const { mode, uid, gid } = await stat(one.directory);
    expect([mode & 0o7777, uid, gid]).toEqual([0o750, 7, 8]);
    await one.release();
    await two.release();
    for (const other of [{ scope: 'other' }, { id: 'x' }, { seed: 'y' }]) {
      const apart = await caches.take(request(other));
      expect(apart.directory).not.toBe(one.directory);
      await apart.release();
    }
  });

  it('are private when asked: a free one again, else a new one', async () => {
    const caches = new CacheMounts(await temporaryDirectory());
    const [one, two] = await Promise.all([
      caches.take(request({ sharing: 'private' })),
      caches.take(request({ sharing: 'private' })),
    ]);
    expect(one.directory).not.toBe(two.directory);
    await two.release();
    const again = await caches.take(request({ sharing: 'private' }));
    expect(again.directory).toBe(two.directory);
    await one.release();
    await again.release();
    expect(await caches.list('app')).toHaveLength(2);
  });

  it('make others wait when they are locked, who say so and end with their signal', async () => {
    const caches = new CacheMounts(await temporaryDirectory());
    const one = await caches.take(request({ sharing: 'locked' }));
    let waits = 0;
    const onWait = async (): Promise<void> => void waits++;
    const next = caches.take(request({ sharing: 'locked', onWait }));
    const given = new AbortController();
    const stopped = caches.take(request({ sharing: 'locked', signal: given.signal }));
    given.abort(new Error('stopped'));
    await expect(stopped).rejects.toThrow('stopped');
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(waits).toBe(1);
    await one.release();
    const two = await next;
    expect(two.directory).toBe(one.directory);
    // Shared ones do not wait: they take another.
    const shared = await caches.take(request());
    expect(shared.directory).not.toBe(two.directory);
    await two.release();
    await shared.release();
  });

  it('never have two locked holders, also when all come at once', async () => {
    const caches = new CacheMounts(await temporaryDirectory());
    let holders = 0;
    const use = async (): Promise<void> => {
      const held = await caches.take(request({ sharing: 'locked' }));
      expect(++holders).toBe(1);
      await new Promise((resolve) => setTimeout(resolve, 5));
      holders--;
      await held.release();
    };
    await Promise.all(Array.from({ length: 6 }, use));
    expect(await caches.list()).toHaveLength(1);
  });

  it('of a process that is gone are free, and are cleaned unless they are in use', async () => {
    const caches = new CacheMounts(await temporaryDirectory());
    const one = await caches.take(request({ sharing: 'locked' }));
    await writeFile(join(one.directory, 'file'), 'x'.repeat(10_000));
    const [stored] = await caches.list('app');
    expect(await stored?.remove()).toBe(false);
    await one.release();
    const instance = join(one.directory, '..');
    await writeFile(join(instance, 'users', 'slipway-1-1-exclusive-00'), '');
    const two = await caches.take(request({ sharing: 'locked' }));
    expect(two.directory).toBe(one.directory);
    await two.release();
    const [again] = await caches.list();
    expect(again).toMatchObject({ scope: 'app', id: '/root/.cache' });
    expect(await again?.size()).toBeGreaterThan(10_000);
    expect(await again?.remove()).toBe(true);
    expect(await caches.list()).toEqual([]);
    const fresh = await caches.take(request());
    expect(await readdir(fresh.directory)).toEqual([]);
    await fresh.release();
  });

  it('that could not be filled are not there', async () => {
    const caches = new CacheMounts(await temporaryDirectory());
    const fill = async (): Promise<void> => {
      throw new Error('no seed');
    };
    await expect(caches.take(request({ seed: 's', fill }))).rejects.toThrow('no seed');
    expect(await caches.list()).toEqual([]);
  });
});

describe('the socket to an SSH agent', () => {
  it('hands everything on, in a directory with a long name, and closes with the step', async () => {
    const directory = join(await temporaryDirectory(), 'x'.repeat(150));
    await mkdir(directory);
    const path = join(await temporaryDirectory(), 'agent');
    const agent = createServer((socket) => socket.on('data', (said) => socket.write(`heard ${said}`)));
    await new Promise<void>((resolve) => agent.listen(path, resolve));
    const stop = await forwardAgent(path, { directory, name: '0', mode: 0o600, uid: 5, gid: 6 });
    process.chdir(directory);
    try {
      const said = new Promise<string>((resolve) => {
        const caller = connect({ path: './0' }, () => caller.write('hello'));
        caller.once('data', (data) => resolve(data.toString()));
      });
      expect(await said).toBe('heard hello');
      expect((await stat('0')).uid).toBe(5);
    } finally {
      process.chdir('/');
      await stop();
      agent.close();
    }
    expect(await readdir(directory)).toEqual([]);
  });
});
