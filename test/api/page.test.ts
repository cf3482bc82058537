/** The page's files: what the web process sends for them, and with which headers. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadPage } from '../../src/page.js';
import { temporaryDirectory } from '../support/directories.js';
import { type Answer, Platform } from './support/platform.js';

let platform: Platform;

beforeAll(async () => {
  const directory = await temporaryDirectory();
  await mkdir(join(directory, 'assets'));
  await writeFile(join(directory, 'index.html'), '<!doctype html>the page');
  await writeFile(join(directory, 'assets', 'main-abc.js'), 'run()');
  await writeFile(join(directory, 'assets', 'main-abc.js.gz'), gzipSync('run()'));
  await writeFile(join(directory, 'secret.txt'), 'not of the page');
  const page = await loadPage(directory);
  platform = await Platform.start({ page: page! });
});
afterAll(() => platform.stop());

function get(path: string, headers: Record<string, string> = {}): Promise<Answer> {
  return platform.call('GET', path, { as: 'nobody', headers });
}

describe('the page', () => {
  test('is at every address that it has a view for, and needs no token itself', async () => {
    for (const path of ['/', '/apps/hello', '/apps/hello/builds/b1', '/hosts', '/queue', '/events']) {
      const answer = await get(path);
      expect([path, answer.status, answer.text]).toEqual([path, 200, '<!doctype html>the page']);
      expect(answer.headers['cache-control']).toBe('no-cache');
    }
    expect((await get('/nothing')).status).toBe(404);
  });

  test('may run nothing but its own script, and be in no frame', async () => {
    const policy = String((await get('/')).headers['content-security-policy']).split('; ');
    expect(policy).toEqual(
      expect.arrayContaining([
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
      ]),
    );
    expect(policy.join()).not.toMatch(/unsafe|https?:|\*/);
    expect((await get('/')).headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'same-origin',
      'cross-origin-opener-policy': 'same-origin',
    });
  });

  test('has files that may be kept for ever, compressed for who takes that', async () => {
    const plain = await get('/assets/main-abc.js');
    expect([plain.status, plain.text, plain.headers['content-encoding']]).toEqual([200, 'run()', undefined]);
    expect(plain.headers['cache-control']).toContain('immutable');
    expect(plain.headers['content-type']).toContain('text/javascript');
    const zipped = await get('/assets/main-abc.js', { 'accept-encoding': 'br, gzip;q=0.8' });
    expect([zipped.status, zipped.headers['content-encoding'], zipped.headers.vary]).toEqual([
      200,
      'gzip',
      'accept-encoding',
    ]);
  });

  test('is not sent again to who has it', async () => {
    const tag = String((await get('/')).headers.etag);
    const again = await get('/', { 'if-none-match': tag });
    expect([again.status, again.text]).toEqual([304, '']);
  });

  test.each([
    '/secret.txt',
    '/assets/../secret.txt',
    '/assets/%2e%2e/secret.txt',
    '/index.html.gz',
    '/assets/',
  ])('has no other files: %s', async (path) => {
    expect((await get(path)).status).toBe(404);
  });

  test('is not there when it was not built', async () => {
    expect(await loadPage(await temporaryDirectory())).toBeUndefined();
    expect(await loadPage('/nowhere')).toBeUndefined();
  });
});
