/** A host that is reached by SSH only: a real sshd in front of a real engine's socket, and a registry that only we see. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { reportOf, statusOfHost } from '../../deploy/hosts/look.js';
import { LedgerHosts } from '../../deploy/hosts/open.js';
import type { Container } from '../../deploy/targets/container.js';
import type { DockerTarget } from '../../deploy/targets/docker.js';
import type { HostWish } from '../../src/api/host-views.js';
import { homePaths } from '../../src/config.js';
import { toSlipwayError } from '../../src/errors.js';
import { dockerMissing, startDocker, type TestDocker, TURN_TIMEOUT_MS } from '../support/docker.js';
import { sshdMissing, startSshd, type TestSshd } from '../support/sshd.js';
import { until } from '../support/until.js';
import { pushImage, server } from './support/images.js';
import { runOneOff } from './support/one-off.js';
import { type PlatformHosts, platformHosts } from './support/platform-hosts.js';
import { startRegistry, type TestRegistry } from './support/registry.js';

const missing = dockerMissing() ?? sshdMissing();
if (missing !== undefined) console.warn(`skipped: ${missing}`);

describe.skipIf(missing !== undefined)('a host by SSH', () => {
  let docker: TestDocker;
  let registry: TestRegistry;
  let sshd: TestSshd;
  let platform: PlatformHosts;
  let address: string;

  beforeAll(async () => {
    [docker, registry, sshd] = await Promise.all([startDocker(), startRegistry(), startSshd()]);
    address = `${sshd.address}${docker.host.slice('unix://'.length)}`;
  }, TURN_TIMEOUT_MS);
  afterAll(async () => {
    await docker?.stop();
    await registry?.stop();
    await sshd?.stop();
  }, 60_000);

  beforeEach(async () => {
    platform = await platformHosts(registry.host);
    await sshd.authorize(await platform.parts.credentials.publicKey());
  });
  afterEach(async () => {
    await platform.hosts.close();
    expect(await sshProcesses(platform.home)).toEqual([]);
  });

  const wish = async (more: Partial<HostWish> = {}): Promise<HostWish> => ({
    name: 'alpha',
    address,
    labels: { zone: 'eu' },
    fingerprint: await sshd.fingerprint(),
    check: true,
    ...more,
  });
  const added = async (): Promise<DockerTarget> => {
    await platform.changes.add(await wish(), 'alice');
    return (await platform.hosts.get('alpha')).target as DockerTarget;
  };
  const refused = (promise: Promise<unknown>): Promise<{ code: string; message: string; hint?: string }> =>
    promise.then(
      (value) => {
        throw new Error(`it passed: ${JSON.stringify(value)}`);
      },
      (error: unknown) => {
        const { code, message, hint } = toSlipwayError(error);
        return { code, message, ...(hint === undefined ? {} : { hint }) };
      },
    );
  const run = async (target: DockerTarget, text: string): Promise<Container> => {
    const image = await pushImage(docker, registry.host, 'apps/hello', { script: server(text) });
    expect(await target.pull(image)).toBe(true);
    const instance = { process: 'web', number: 1 };
    return target.start({ app: 'hello', release: 1, deployment: 'd1', instance, image, env: {} });
  };
  const names = async (): Promise<string[]> => (await platform.hosts.list()).map(({ name }) => name);

  it('is added only with the fingerprint that its key has, and otherwise leaves nothing', async () => {
    const { fingerprint, ...unconfirmed } = await wish();
    expect(await refused(platform.changes.add(unconfirmed, 'alice'))).toEqual({
      code: 'bad_request',
      message: `nobody has confirmed the host key of 127.0.0.1: ${fingerprint} (ED25519)`,
      hint: expect.stringContaining(`slipway hosts:add alpha ${address} --fingerprint ${fingerprint}`),
    });
    const other = `SHA256:${'A'.repeat(43)}`;
    expect(await refused(platform.changes.add(await wish({ fingerprint: other }), 'alice'))).toMatchObject({
      code: 'bad_request',
      message: `the host key of 127.0.0.1 is ${fingerprint} (ED25519), not "${other}"`,
    });
    expect(await names()).toEqual(['local']);
    expect(await readdir(homePaths(platform.home).hostCredentials)).toEqual(['id_ed25519', 'id_ed25519.pub']);
  });

  it('is written down with the port that it pulls from, and what opens it is the owner’s only', async () => {
    const { host, warnings } = await platform.changes.add(await wish(), 'alice');
    expect(warnings).toEqual([]);
    expect(host).toMatchObject({ name: 'alpha', address, labels: { zone: 'eu' }, addedBy: 'alice' });
    expect(host.pullPort).toBeGreaterThanOrEqual(30_000);
    const directory = homePaths(platform.home).hostCredentials;
    for (const path of ['.', 'alpha']) expect((await stat(join(directory, path))).mode & 0o777).toBe(0o700);
    for (const path of ['id_ed25519', 'alpha/known_hosts'])
      expect((await stat(join(directory, path))).mode & 0o777).toBe(0o600);
    expect(await names()).toEqual(['alpha', 'local']);
    const twin = await wish({ name: 'beta', address: address.replace('127.0.0.1', 'localhost') });
    expect(await refused(platform.changes.add(twin, 'alice'))).toMatchObject({
      code: 'conflict',
      message: 'this is the engine of alpha',
    });
  });

  it('does nothing by a second name that was added without a look, and takes nothing away with it', async () => {
    const target = await added();
    const container = await run(target, 'hello');
    const twin = await wish({
      name: 'beta',
      address: address.replace('127.0.0.1', 'localhost'),
      check: false,
    });
    expect((await platform.changes.add(twin, 'alice')).host).toMatchObject({ name: 'beta', unchecked: true });
    const { target: second } = await platform.hosts.get('beta');
    expect(await refused(second.list())).toEqual({
      code: 'engine_unavailable',
      message: 'this is the engine of alpha, and nothing is done there as beta',
      hint: 'one engine has one name; take this one away: slipway hosts:remove beta --force',
    });
    expect(await platform.changes.remove('beta', 'alice')).toEqual({
      name: 'beta',
      problem: 'this is the engine of alpha, and nothing is done there as beta',
    });
    expect((await target.list()).map(({ id }) => id)).toEqual([container.id]);
    await target.remove(container.id);
  });

  it('runs a command with its input, output and exit code', async () => {
    const target = await added();
    const image = await pushImage(docker, registry.host, 'apps/hello', { script: server('hello') });
    await target.pull(image);
    expect(await runOneOff(target, image)).toEqual({ exitCode: 4, output: 'got: said' });
    expect(await target.listOneOffs()).toEqual([]);
  });

  it('is shared by a second deployer, which pulls through the forward of the first, and then by its own', async () => {
    const target = await added();
    await target.ping({});
    const second = new LedgerHosts(platform.parts);
    try {
      const theirs = (await second.get('alpha')).target as DockerTarget;
      await theirs.ping({ timeoutMs: 5_000 });
      const pulled = async (text: string): Promise<boolean> =>
        theirs.pull(await pushImage(docker, registry.host, 'apps/shared', { script: server(text) }));
      expect(await pulled('one')).toBe(true);
      await target.ping({ timeoutMs: 5_000 });
      await platform.hosts.close();
      await until(() =>
        pulled('two').then(
          () => true,
          () => false,
        ),
      );
    } finally {
      await second.close();
    }
  });

  it('looks well from all sides', async () => {
    await added();
    const host = await platform.hosts.get('alpha');
    const report = await reportOf(host, platform.parts.credentials);
    expect(report.findings.map(({ what, result }) => `${what} ${result}`)).toEqual([
      'connection good',
      'engine good',
      'disk good',
      'clock good',
      'registry good',
    ]);
    expect(report.good).toBe(true);
    expect(await statusOfHost(host)).toMatchObject({
      name: 'alpha',
      version: expect.any(String),
      containers: 0,
    });
    await registry.pause();
    const without = await reportOf(host, platform.parts.credentials);
    await registry.resume();
    expect([without.good, without.findings.at(-1)]).toMatchObject([
      false,
      { what: 'registry', result: 'bad' },
    ]);
  });

  it('pulls through the connection, runs a container that is reached at its address, and tells what happens', async () => {
    const target = await added();
    const stop = new AbortController();
    const seen: string[] = [];
    const following = (async () => {
      for await (const { action } of await target.events(stop.signal)) seen.push(action);
    })().catch(() => undefined);
    const container = await run(target, 'hello');
    expect(container).toMatchObject({ host: 'alpha', address: { host: '127.0.0.1' } });
    const url = `http://127.0.0.1:${container.address!.port}/`;
    await until(async () => (await fetch(url).catch(() => undefined))?.ok === true);
    expect(await (await fetch(url)).text()).toBe('hello\n');
    const { pullPort } = await platform.parts.book.get('alpha');
    expect(await docker.docker(['inspect', '-f', '{{.Config.Image}}', container.id])).toMatch(
      new RegExp(`^127\\.0\\.0\\.1:${pullPort}/apps/hello@sha256:`),
    );
    expect((await target.list('hello')).map(({ id }) => id)).toEqual([container.id]);
    await until(() => seen.includes('start'));
    await target.remove(container.id);
    await until(() => seen.includes('destroy'));
    stop.abort();
    await following;
  });

  it('is back after its connection was cut, events and pulls too', async () => {
    const target = await added();
    const events = await target.events(new AbortController().signal);
    const ended = (async () => {
      for await (const _event of events);
    })().catch(() => undefined);
    await sshd.cut();
    await ended;
    await until(async () =>
      target.ping({}).then(
        () => true,
        () => false,
      ),
    );
    const container = await run(target, 'again');
    expect(await target.list()).toHaveLength(1);
    await target.remove(container.id);
  });

  it('that is off fails at once with a reason, and works again when it is back', async () => {
    const target = await added();
    await sshd.end();
    expect(await refused(target.list())).toMatchObject({
      code: 'engine_unavailable',
      hint: 'what is wrong with it: slipway hosts:check alpha; to go on without it: slipway hosts:cordon alpha',
    });
    const report = await reportOf(await platform.hosts.get('alpha'), platform.parts.credentials);
    expect(report).toMatchObject({ good: false, findings: [{ what: 'connection', result: 'bad' }] });
    expect(report.findings[0]?.says).toMatch(
      /^the Docker Engine cannot be reached: ssh: (?!ssh: )[^(]*refused$/i,
    );
    await sshd.start();
    await until(async () =>
      target.ping({}).then(
        () => true,
        () => false,
      ),
    );
  });

  it('that shows another host key is not spoken to', async () => {
    const target = await added();
    await sshd.end();
    await sshd.changeHostKey();
    await sshd.start();
    await until(async () =>
      refused(target.list()).then(({ message }) => message.includes('Host key verification failed')),
    );
    const report = await reportOf(await platform.hosts.get('alpha'), platform.parts.credentials);
    expect(report.findings[0]).toMatchObject({
      result: 'bad',
      hint: expect.stringContaining('another host key'),
    });
  });

  it.each<[string, (engine: string) => Partial<HostWish>, () => Promise<void>, RegExp, RegExp]>([
    [
      'that does not know our key',
      () => ({}),
      () => sshd.authorize(''),
      /Permission denied/,
      /authorized_keys/,
    ],
    [
      'without an engine',
      () => ({ address: `${sshd.address}/run/no-engine.sock` }),
      async () => undefined,
      /cannot be reached/,
      /no engine listens on that socket/,
    ],
  ])('%s is not added, and the error says what to do', async (_what, more, before, message, hint) => {
    await before();
    const error = await refused(platform.changes.add(await wish(more(address)), 'alice'));
    expect(error).toMatchObject({
      code: 'engine_unavailable',
      message: expect.stringMatching(/^on alpha: /),
    });
    expect(error.message).toMatch(message);
    expect(error.hint).toMatch(hint);
    expect(await names()).toEqual(['local']);
    await expect(access(join(homePaths(platform.home).hostCredentials, 'alpha'))).rejects.toThrow();
    const unseen = await platform.changes.add(await wish({ ...more(address), check: false }), 'alice');
    expect(unseen.host.name).toBe('alpha');
  });

  it('that is removed loses the containers of this platform only, and all that opened it', async () => {
    const target = await added();
    const container = await run(target, 'mine');
    const foreign = await docker.docker(['run', '-d', 'slipway-test-base:1', '/bin/sleep', '1000']);
    expect(await platform.changes.remove('alpha', 'alice')).toEqual({ name: 'alpha', containers: 1 });
    const left = await docker.docker(['ps', '-aq', '--no-trunc']);
    expect([left.includes(container.id), left.includes(foreign)]).toEqual([false, true]);
    await docker.docker(['rm', '-f', foreign]);
    expect(await names()).toEqual(['local']);
    await expect(access(join(homePaths(platform.home).hostCredentials, 'alpha'))).rejects.toThrow();
    expect(await sshProcesses(platform.home)).toEqual([]);
    await added();
    await sshd.end();
    const removed = await platform.changes.remove('alpha', 'alice');
    await sshd.start();
    expect(removed).toMatchObject({ name: 'alpha', problem: expect.stringContaining('cannot be reached') });
    expect(await names()).toEqual(['local']);
  });

  it('keeps its connection while labels and cordons change', async () => {
    const target = await added();
    await platform.parts.book.relabel('alpha', { disk: 'ssd' }, 'alice');
    await platform.parts.book.cordon('alpha', undefined, 'alice');
    await platform.parts.book.cordon('local', undefined, 'alice');
    const local = (await platform.hosts.get('local')).target;
    await platform.parts.book.uncordon('local', 'alice');
    expect((await platform.hosts.get('alpha')).target).toBe(target);
    expect((await platform.hosts.get('local')).target).toBe(local);
  });

  it('is let go of by a deployer that is killed, so that the next one can have its port', async () => {
    await added();
    const { pullPort } = await platform.parts.book.get('alpha');
    await platform.hosts.close();
    const files = {
      keyFile: await platform.parts.credentials.keyFile(),
      knownHostsFile: platform.parts.credentials.knownHostsFile('alpha'),
    };
    const tunnel = new URL('../../dist/deploy/hosts/tunnel.js', import.meta.url);
    const spec = {
      name: 'alpha',
      address: { kind: 'ssh', user: 'root', host: '127.0.0.1', port: sshd.port, socket: '/run/none.sock' },
      socketPath: join(platform.home, 'run', 'other.sock'),
      pulls: { port: pullPort, registry: registry.host, turn: `slipway-testtest-pulls-alpha-${pullPort}` },
    };
    const program = `import { SshTunnel } from ${JSON.stringify(tunnel.href)};
      const log = { warn: console.error, info: () => undefined };
      const tunnel = new SshTunnel({ ...${JSON.stringify(spec)}, files: async () => (${JSON.stringify(files)}), log });
      await tunnel.ready(AbortSignal.timeout(20000));
      console.log('open');
      setInterval(() => undefined, 1000);`;
    const deployer = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(deployer.stdout, 'data');
    expect(await sshProcesses(platform.home)).toHaveLength(1);
    const exited = once(deployer, 'exit');
    deployer.kill('SIGKILL');
    await exited;
    await until(async () => (await sshProcesses(platform.home)).length === 0);
    const { target } = await platform.hosts.get('alpha');
    await until(async () =>
      target.ping({}).then(
        () => true,
        () => false,
      ),
    );
  });
});

/** Command lines of the ssh processes that use this home. */
async function sshProcesses(home: string): Promise<string[]> {
  const lines = await Promise.all(
    (await readdir('/proc'))
      .filter((entry) => /^\d+$/.test(entry))
      .map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
  );
  return lines.filter((line) => /^(?:\S*\/)?(?:ssh|setpriv)\0/.test(line) && line.includes(home));
}
