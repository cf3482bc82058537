/** A host that is reached over TCP with TLS: a real engine that wants a client certificate. */
import { readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { reportOf } from '../../deploy/hosts/look.js';
import type { DockerTarget } from '../../deploy/targets/docker.js';
import { Engine } from '../../deploy/targets/engine.js';
import type { TlsView } from '../../src/api/host-views.js';
import { homePaths } from '../../src/config.js';
import { toSlipwayError } from '../../src/errors.js';
import { dockerMissing, startDocker, type TestDocker, TURN_TIMEOUT_MS } from '../support/docker.js';
import { freePort } from '../support/ports.js';
import { type CertificateFiles, TestAuthority } from '../support/test-authority.js';
import { pushImage, server } from './support/images.js';
import { runOneOff } from './support/one-off.js';
import { type PlatformHosts, platformHosts } from './support/platform-hosts.js';
import { startRegistry, type TestRegistry } from './support/registry.js';

const missing = dockerMissing();
if (missing !== undefined) console.warn(`skipped: ${missing}`);

describe.skipIf(missing !== undefined)('a host by TLS', () => {
  let docker: TestDocker;
  let registry: TestRegistry;
  let address: string;
  let ours: TlsView;
  let others: TlsView;
  let platform: PlatformHosts;

  beforeAll(async () => {
    const [authority, other] = await Promise.all([TestAuthority.make(), TestAuthority.make()]);
    const tls = await authority.certificate('server');
    ours = await contents(await authority.certificate('client'));
    others = await contents(await other.certificate('client'));
    const tcpPort = await freePort();
    [docker, registry] = await Promise.all([startDocker({ tcpPort, tls }), startRegistry()]);
    address = `tcp://127.0.0.1:${tcpPort}`;
  }, TURN_TIMEOUT_MS);
  afterAll(async () => {
    await docker?.stop();
    await registry?.stop();
  }, 60_000);
  beforeEach(async () => {
    platform = await platformHosts(registry.host);
  });

  const add = (tls: TlsView | undefined, check = true): ReturnType<PlatformHosts['changes']['add']> =>
    platform.changes.add(
      { name: 'beta', address, labels: {}, check, ...(tls === undefined ? {} : { tls }) },
      'alice',
    );
  const refused = async (
    promise: Promise<unknown>,
  ): Promise<[code: string, message: string, hint: string]> => {
    const error = toSlipwayError(
      await promise.then(
        () => new Error('it passed'),
        (thrown: unknown) => thrown,
      ),
    );
    return [error.code, error.message, error.hint ?? ''];
  };

  it('runs a command with its input, output and exit code', async () => {
    await add(ours);
    const target = (await platform.hosts.get('beta')).target as DockerTarget;
    const image = await pushImage(docker, registry.host, 'apps/hello', { script: server('hello') });
    await target.pull(image);
    expect(await runOneOff(target, image)).toEqual({ exitCode: 4, output: 'got: said' });
    expect(await target.listOneOffs()).toEqual([]);
  });

  it('is added with the files of its CA, and runs what it is told to', async () => {
    const { host, warnings } = await add(ours);
    expect(warnings).toEqual([]);
    expect(host).toMatchObject({ name: 'beta', address, tls: true });
    expect(JSON.stringify(host)).not.toContain('PRIVATE KEY');
    const target = (await platform.hosts.get('beta')).target as DockerTarget;
    const image = await pushImage(docker, registry.host, 'apps/hello', { script: server('hello') });
    await target.pull(image);
    const instance = { process: 'web', number: 1 };
    const spec = { app: 'hello', release: 1, deployment: 'd1', instance, image, env: {} };
    const container = await target.start(spec);
    expect((await target.list()).map(({ id, host: on }) => [id, on])).toEqual([[container.id, 'beta']]);
    await target.remove(container.id);
    const { good, findings } = await reportOf(await platform.hosts.get('beta'), platform.parts.credentials);
    expect([good, findings.find(({ what }) => what === 'disk')]).toMatchObject([true, { result: 'unknown' }]);
  });

  it('that another CA has signed is not spoken to', async () => {
    const mixed = { ...ours, ca: others.ca };
    const [code, message, hint] = await refused(add(mixed));
    expect([code, message]).toEqual(['engine_unavailable', expect.stringMatching(/^on beta: .*certificate/)]);
    expect(hint).toContain('--tls-ca');
    expect((await platform.hosts.list()).map(({ name }) => name)).toEqual(['local']);
  });

  it('lets nobody in whose certificate another CA has signed', async () => {
    const [code, message, hint] = await refused(add({ ...others, ca: ours.ca }));
    expect([code, message]).toEqual(['engine_unavailable', expect.stringMatching(/^on beta: .*alert/)]);
    expect(hint).toContain('client certificate');
  });

  it('says that it wants TLS when it is spoken to in clear', async () => {
    const [code, , hint] = await refused(add(undefined));
    expect([code, hint]).toEqual(['engine_unavailable', expect.stringContaining('it wants TLS')]);
  });

  it('is never spoken to in clear when its files are gone', async () => {
    await add(ours);
    await rm(join(homePaths(platform.home).hostCredentials, 'beta'), { recursive: true });
    const again = await platformHosts(registry.host);
    await again.parts.book.add({ name: 'beta', address, labels: {}, tls: true }, 'alice');
    const { target } = await again.hosts.get('beta');
    expect((await refused(target.list()))[1]).toContain('its TLS files are not on this machine');
  });

  it.each<[string, (files: TlsView) => TlsView, string]>([
    ['no CA', (files) => ({ ...files, ca: 'x' }), 'the TLS CA is not PEM that can be read'],
    ['no certificate', (files) => ({ ...files, cert: files.key }), 'the TLS certificate is not PEM'],
    ['no key', (files) => ({ ...files, key: files.cert }), 'the TLS key is not PEM'],
    [
      'another key',
      (files) => ({ ...files, key: others.key }),
      'the TLS key is not the one of the TLS certificate',
    ],
  ])('with %s is refused before anything is tried', async (_what, change, message) => {
    const [code, said] = await refused(add(change(ours), false));
    expect([code, said]).toEqual(['bad_request', expect.stringContaining(message)]);
  });

  it('that accepts connections and says nothing is given up after seconds', async () => {
    const silent = createServer(() => undefined);
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as { port: number };
    const engine = new Engine(`tcp://127.0.0.1:${port}`, { name: 'gamma', tls: ours });
    const [code, message, hint] = await refused(
      engine.call('answer', (api, signal) => api.bytes({ path: '/_ping', signal })),
    );
    silent.close();
    expect([code, message]).toEqual([
      'engine_unavailable',
      'the Docker Engine cannot be reached: no connection within 5 s',
    ]);
    expect(hint).toContain('slipway hosts:check gamma');
  });
});

async function contents({ ca, cert, key }: CertificateFiles): Promise<TlsView> {
  const [a, b, c] = await Promise.all([ca, cert, key].map((path) => readFile(path, 'utf8')));
  return { ca: a ?? '', cert: b ?? '', key: c ?? '' };
}
