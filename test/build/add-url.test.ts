/** ADD of a URL: what becomes of it, when it is asked for again, and which addresses it cannot reach. */
import { readdir } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { AddressGuard } from '../../src/build/add/address-guard.js';
import { shownUrl } from '../../src/build/add/download.js';
import { cleanStore } from '../../src/build/cache/clean-store.js';
import { parseCidr } from '../../src/build/sandbox/cidr.js';
import { sha256, tar } from '../native/tar.js';
import { type Built, TestBuilder } from '../support/builder.js';
import { filesOf, type ImageFile } from '../support/image-files.js';

const LOOPBACK = [{ start: 0x7f000000, bits: 8 }];
const LAST_MODIFIED = 'Wed, 21 Oct 2015 07:28:00 GMT';

let builder: TestBuilder;
let server: Server;
let base: string;
let asked: string[];
/** What the server does with a request. */
let respond: (request: IncomingMessage, response: ServerResponse) => void;

beforeAll(async () => {
  builder = await TestBuilder.start();
  server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    respond(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
beforeEach(() => {
  asked = [];
  respond = (_request, response) => response.end('text');
});
afterEach(() => server.closeAllConnections());
afterAll(async () => {
  server?.close();
  await builder?.stop();
});

async function build(line: string, options: Parameters<TestBuilder['build']>[1] = {}): Promise<Built> {
  const commit = await builder.commit({ Dockerfile: `FROM scratch\n${line}\n` });
  return builder.build(commit, { downloadAllow: LOOPBACK, ...options });
}

async function files(line: string): Promise<ReadonlyMap<string, ImageFile>> {
  return filesOf((await build(line)).image, builder.store);
}

describe('ADD of a URL', () => {
  it('is a file of the last part of its path, 0600, with the time of the server', async () => {
    respond = (_request, response) => response.setHeader('last-modified', LAST_MODIFIED).end('text');
    const added = await files(`ADD ${base}/a%20b/c%20d.txt?query /x/`);
    expect(added.get('x/c d.txt')).toMatchObject({ text: 'text', mode: 0o600, uid: 0, mtime: 1_445_412_480 });
  });

  it('takes the name, the owner and the mode that it is given', async () => {
    const added = await files(`ADD --chown=5:6 --chmod=755 ${base}/name /x/y`);
    expect(added.get('x/y')).toMatchObject({ text: 'text', mode: 0o755, uid: 5, gid: 6, mtime: 0 });
  });

  it('is unpacked only with --unpack=true', async () => {
    const archive = gzipSync(tar([{ path: 'in', data: 'in' }]));
    respond = (_request, response) => response.end(archive);
    expect((await files(`ADD ${base}/a.tgz /`)).get('a.tgz')).toMatchObject({ size: archive.length });
    expect((await files(`ADD --unpack=true ${base}/a.tgz /x`)).get('x/in')?.text).toBe('in');
  });

  it('follows redirects, and not for ever', async () => {
    respond = ({ url }, response) =>
      url === '/end' ? response.end('end') : response.writeHead(302, { location: '/end' }).end();
    expect((await files(`ADD ${base}/start /x`)).get('x')?.text).toBe('end');
    respond = (_request, response) => response.writeHead(302, { location: '/loop' }).end();
    await expect(build(`ADD ${base}/loop /x`)).rejects.toMatchObject({
      code: 'step_failed',
      where: 'Dockerfile:2',
    });
  });

  it('is asked for with what is known of it, and cached as long as it is the same', async () => {
    let etag = '"1"';
    respond = ({ headers }, response) => {
      response.setHeader('etag', etag);
      if (headers['if-none-match'] === etag) response.writeHead(304).end();
      else response.end(`text of ${etag}`);
    };
    const line = `ADD ${base}/etag /x`;
    expect((await build(line)).steps.cached).toBe(0);
    expect((await build(line)).steps.cached).toBe(1);
    etag = '"2"';
    expect((await build(line)).steps.cached).toBe(0);
    expect((await files(line)).get('x')?.text).toBe('text of "2"');
    expect(asked).toHaveLength(4);
  });

  it('is fetched anew when the cleaning of the store took it', async () => {
    const line = `ADD ${base}/cleaned /x`;
    await build(line);
    await cleanStore(builder.store, { bytes: 0, keepMs: 0 });
    expect(await readdir(join(builder.store.directory, 'downloads'))).toEqual([]);
    expect((await files(line)).get('x')?.text).toBe('text');
  });

  it('is cached by its bytes where the server says nothing of them', async () => {
    const line = `ADD ${base}/plain /x`;
    await build(line);
    expect((await build(line)).steps.cached).toBe(1);
    respond = (_request, response) => response.end('other');
    expect((await build(line)).steps.cached).toBe(0);
  });

  it('must have its checksum, and is then never asked for again', async () => {
    const line = `ADD --checksum=${sha256(Buffer.from('sum'))} ${base}/sum /x`;
    await expect(build(line)).rejects.toMatchObject({
      code: 'step_failed',
      message: expect.stringContaining('checksum'),
    });
    respond = (_request, response) => response.end('sum');
    expect((await files(line)).get('x')?.text).toBe('sum');
    asked = [];
    expect((await build(line)).steps.cached).toBe(1);
    expect((await build(line.replace('/x', '/y'))).steps.cached).toBe(0);
    expect(asked).toEqual([]);
  });

  it('fails for what the server refuses, and its own words leave out the password', async () => {
    respond = (_request, response) => response.writeHead(404).end();
    const withPassword = base.replace('http://', 'http://user:secret@');
    const error = await build(`ADD ${withPassword}/none /x`).catch((thrown: Error) => thrown);
    expect(error).toMatchObject({ code: 'step_failed', temporary: false });
    expect((error as Error).message).toContain(`${base}/none answers 404`);
    expect(shownUrl(`${withPassword}/none`)).toBe(`${base}/none`);
  });

  it('has an end: in bytes and in time', async () => {
    respond = (_request, response) => response.end(Buffer.alloc(2000));
    await expect(build(`ADD ${base}/big /x`, { limits: { stepDiskBytes: 1000 } })).rejects.toMatchObject({
      code: 'step_limit',
    });
    respond = (_request, response) => response.write('one byte, and then nothing');
    await expect(build(`ADD ${base}/slow /x`, { limits: { stepTimeoutMs: 300 } })).rejects.toMatchObject({
      code: 'step_timeout',
    });
  });
});

describe('what ADD cannot reach', () => {
  it.each(['127.0.0.1', 'localhost', '[::1]', '0.0.0.0', '2130706433', '[::ffff:127.0.0.1]'])(
    'this machine as %s',
    async (host) => {
      const url = base.replace('127.0.0.1', host);
      await expect(build(`ADD ${url}/f /x`, { downloadAllow: [] })).rejects.toMatchObject({
        code: 'forbidden',
        where: 'Dockerfile:2',
      });
      expect(asked).toEqual([]);
    },
  );

  it('what is not allowed, by a redirect of what is', async () => {
    respond = (_request, response) =>
      response.writeHead(302, { location: 'http://169.254.169.254/latest/meta-data' }).end();
    await expect(build(`ADD ${base}/f /x`)).rejects.toMatchObject({ code: 'forbidden' });
    respond = (_request, response) => response.writeHead(302, { location: 'file:///etc/passwd' }).end();
    await expect(build(`ADD ${base}/f /x`)).rejects.toMatchObject({ code: 'step_failed' });
  });

  it('addresses that are not public, unless they are allowed', async () => {
    const guard = await AddressGuard.open([]);
    const closed = ['10.1.2.3', '172.16.0.1', '192.168.1.1', '100.64.0.1', '169.254.169.254', '224.0.0.1'];
    const closed6 = [
      '::',
      'fe80::1',
      'fc00::1',
      'ff02::1',
      '64:ff9b::a01:203',
      '2002:a01:203::',
      '::ffff:a01:203',
    ];
    for (const address of [...closed, ...closed6, 'name']) expect(guard.allows(address), address).toBe(false);
    for (const address of ['1.1.1.1', '2606:4700:4700::1111', '64:ff9b::101:101'])
      expect(guard.allows(address), address).toBe(true);
    const cidr = parseCidr('10.1.0.0/16');
    const open = await AddressGuard.open(cidr === undefined ? [] : [cidr]);
    expect([open.allows('10.1.2.3'), open.allows('10.2.2.3')]).toEqual([true, false]);
  });
});
