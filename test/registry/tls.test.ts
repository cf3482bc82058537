import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import https from 'node:https';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readAll, Wire, type WireRequest } from '../../src/registry/wire.js';
import { temporaryDirectory } from '../support/directories.js';
import { type Scripted, startScripted } from './scripted.js';

const wire = new Wire(new Set());
let server: https.Server;
let secure: URL;
let plain: Scripted;

beforeAll(async () => {
  const directory = await temporaryDirectory();
  const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '1',
      '-subj',
      '/CN=localhost',
      '-keyout',
      key,
      '-out',
      cert,
    ],
    { stdio: 'ignore' },
  );
  server = https.createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (_request, response) =>
    response.end('secret'),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  secure = new URL(`https://localhost:${(server.address() as { port: number }).port}/v2/`);
  plain = await startScripted((_request, response) => void response.end('plain'));
});
afterAll(async () => {
  wire.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await plain.stop();
});

function get(url: URL): Promise<Buffer | undefined> {
  const request: WireRequest = {
    asked: { registry: url.host, where: `${url.host}/a:b` },
    method: 'GET',
    url,
    headers: { authorization: 'Basic secret' },
    idleMs: 5000,
    answerMs: 5000,
    totalMs: 5000,
  };
  return wire.exchange(request, ({ chunks }) => readAll(chunks, 100));
}

describe('TLS', () => {
  test('a certificate that nobody vouches for is refused for good, with how to trust it', async () => {
    await expect(get(secure)).rejects.toMatchObject({
      code: 'registry_unavailable',
      temporary: false,
      message: expect.stringContaining('is not trusted'),
      hint: expect.stringContaining('NODE_EXTRA_CA_CERTS'),
    });
  });

  test('a registry without TLS is refused for good, with the setting that allows it, and sees no credentials', async () => {
    await expect(get(new URL(`https://${plain.host}/v2/`))).rejects.toMatchObject({
      code: 'registry_unavailable',
      temporary: false,
      message: expect.stringContaining('does not speak TLS'),
      hint: expect.stringContaining('SLIPWAY_INSECURE_REGISTRIES'),
    });
    expect(plain.seen).toEqual([]);
  });
});
