import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkContainer } from '../../deploy/checks.js';
import { redactor } from '../../deploy/redact.js';
import type { Container } from '../../deploy/targets/container.js';
import { DockerTarget } from '../../deploy/targets/docker.js';
import { Engine } from '../../deploy/targets/engine.js';
import { toSlipwayError } from '../../src/errors.js';
import type { Check } from '../../src/model/check.js';
import type { ReleaseImage } from '../../src/model/release.js';
import { dockerMissing, startDocker, type TestDocker, TURN_TIMEOUT_MS } from '../support/docker.js';
import { type ImageWish, pushImage, server } from './support/images.js';
import { freePort, startRegistry, type TestRegistry } from './support/registry.js';

const missing = dockerMissing();
if (missing !== undefined) console.warn(`skipped: ${missing}`);

describe.skipIf(missing !== undefined)('a Docker Engine as a target', () => {
  let docker: TestDocker;
  let registry: TestRegistry;
  let target: DockerTarget;
  const signal = new AbortController().signal;
  const redact = redactor({ TOKEN: 'correct horse' });
  let releases = 0;

  beforeAll(async () => {
    [docker, registry] = await Promise.all([startDocker({ tcpPort: await freePort() }), startRegistry()]);
    target = targetOf(docker.host);
  }, TURN_TIMEOUT_MS);
  afterAll(async () => {
    await docker?.stop();
    await registry?.stop();
  }, 60_000);

  const targetOf = (host: string, options: { memoryBytes?: number; platform?: string } = {}): DockerTarget =>
    new DockerTarget({
      host: 'local',
      engine: new Engine(host),
      platform: options.platform ?? 'testtest',
      registry: { host: registry.host },
      ...(options.memoryBytes === undefined ? {} : { memoryBytes: options.memoryBytes }),
    });
  const image = (wish: ImageWish): Promise<ReleaseImage> =>
    pushImage(docker, registry.host, 'apps/hello', wish);
  const start = async (
    wish: ImageWish,
    { on = target, env = {} as Record<string, string>, process = 'web', app = 'hello' } = {},
  ): Promise<Container> => {
    const made = await image(wish);
    await on.pull(made);
    releases += 1;
    return on.start({
      app,
      release: releases,
      deployment: 'd1',
      instance: { process, number: 1 },
      image: made,
      env,
    });
  };
  const check = (
    container: Container,
    timeoutMs = 10_000,
    on = target,
    checks: readonly Check[] = [],
  ): Promise<string> =>
    checkContainer(on, container, { checks, host: 'hello.localhost', timeoutMs, redact, signal });
  const failure = (
    promise: Promise<unknown>,
  ): Promise<{ code: string; message: string; hint: string | undefined }> =>
    promise.then(
      (value) => {
        throw new Error(`it passed: ${JSON.stringify(value)}`);
      },
      (error: unknown) => {
        const { code, message, hint } = toSlipwayError(error);
        return { code, message, hint };
      },
    );

  /** What a server at that address says to a container. */
  const ask = async (from: Container, address: string): Promise<string> => {
    const command = `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 2 ${address} 8080`;
    return (await target.execute(from.id, ['/bin/sh', '-c', command])).output;
  };
  /** Where a container finds a name, if it does. */
  const addressOf = async (from: Container, name: string): Promise<string | undefined> => {
    const { output } = await target.execute(from.id, [
      'nslookup',
      '-timeout=1',
      '-retry=1',
      name,
      '127.0.0.11',
    ]);
    return /Name:\s+\S+\s+Address(?: 1)?:\s+(\d+\.\d+\.\d+\.\d+)/.exec(output)?.[1];
  };

  it('pulls an image once and runs it by digest, reachable at its address', async () => {
    const made = await image({ script: server('hello') });
    expect(await target.pull(made)).toBe(true);
    expect(await target.pull(made)).toBe(false);
    const spec = {
      app: 'pulled',
      release: 1,
      deployment: 'd1',
      instance: { process: 'web', number: 1 },
      image: made,
      env: { GREETING: 'a b' },
    };
    const container = await target.start(spec);
    expect(await check(container)).toBe('GET / answered 200');
    const { host, port } = container.address!;
    expect(await (await fetch(`http://${host}:${port}/`)).text()).toBe('hello\n');
    const [document] = JSON.parse(await docker.docker(['inspect', container.id])) as [
      { Config: { Env: string[]; Image: string }; HostConfig: Record<string, unknown> },
    ];
    expect(document.Config.Image).toBe(`${registry.host}/apps/hello@${made.digest}`);
    expect(document.Config.Env).toContain('GREETING=a b');
    expect(document.Config.Env).toContain('PORT=8080');
    expect(document.HostConfig.RestartPolicy).toMatchObject({ Name: 'no' });
    expect(document.HostConfig.LogConfig).toEqual({
      Type: 'json-file',
      Config: { 'max-size': '10m', 'max-file': '3' },
    });
    await target.keep(container.id);
    expect(await docker.docker(['inspect', '-f', '{{.HostConfig.RestartPolicy.Name}}', container.id])).toBe(
      'unless-stopped',
    );
  });

  it('says which image is missing from the registry', async () => {
    const gone = { repository: 'apps/hello', digest: `sha256:${'0'.repeat(64)}` };
    expect(await failure(target.pull(gone))).toMatchObject({
      code: 'image_not_found',
      message: expect.stringContaining(gone.digest),
    });
  });

  it('keeps containers of different apps from reaching each other', async () => {
    const one = await start({ script: server('one') }, { app: 'one' });
    const two = await start({ script: server('two') }, { app: 'two' });
    await Promise.all([check(one), check(two)]);
    const { host } = one.address!;
    expect(await ask(one, host)).toContain('one');
    expect(await ask(two, '127.0.0.1')).toContain('two');
    expect(await ask(two, host)).not.toContain('one');
    expect(await addressOf(two, 'one')).toBeUndefined();
  });

  it('lets the processes of one app find each other by type and number, and no other app', async () => {
    const web = await start({ script: server('the shop') }, { app: 'shop' });
    const worker = await start({ script: server('the worker') }, { app: 'shop', process: 'worker' });
    const stranger = await start({ script: server('a stranger') }, { app: 'stranger', process: 'worker' });
    await Promise.all([check(web), check(worker), check(stranger)]);
    expect(await addressOf(web, 'worker')).toBe(worker.address?.host);
    expect(await addressOf(web, 'worker.1')).toBe(worker.address?.host);
    expect(await addressOf(worker, 'web')).toBe(web.address?.host);
    expect(await ask(web, worker.address!.host)).toContain('the worker');
    expect(await addressOf(stranger, 'web')).toBeUndefined();
    expect(await addressOf(stranger, 'worker')).toBe(stranger.address?.host);
  });

  it('makes one network per app, however many start at once, and many of them in one block', async () => {
    const made = await image({ script: server('many') });
    await target.pull(made);
    const spec = { release: 1, deployment: 'd1', image: made, env: {} };
    const names = ['many-a', 'many-b', 'many-c', 'many-d'];
    const started = await Promise.all(
      names.flatMap((app) =>
        [1, 2].map((number) => target.start({ ...spec, app, instance: { process: 'web', number } })),
      ),
    );
    const networks = (await target.networks()).map(({ name }) => name);
    for (const app of names)
      expect(networks.filter((name) => name === `slipway-testtest-${app}.bridge`)).toHaveLength(1);
    const blocks = await docker.docker([
      'network',
      'inspect',
      '-f',
      '{{index .Labels "slipway.block"}}',
      ...names.map((app) => `slipway-testtest-${app}.bridge`),
    ]);
    // A block of the tests' engine has room for two.
    expect(new Set(blocks.split('\n')).size).toBeLessThan(names.length);
    await Promise.all(started.map(({ id }) => target.remove(id)));
  });

  it('removes a network only when no container is on it, not even one that has stopped', async () => {
    const only = await start({ script: 'exit 0' }, { app: 'leaving' });
    const network = { name: 'slipway-testtest-leaving.bridge' };
    await target.wait(only.id, {});
    expect(await target.removeNetwork(network)).toBe(false);
    await target.remove(only.id);
    expect(await target.removeNetwork(network)).toBe(true);
    expect((await target.networks()).map(({ name }) => name)).not.toContain(network.name);
  });

  it('knows the containers on the network that all apps had before', async () => {
    const legacy = 'slipway-testtest';
    const labels = Object.entries({
      platform: 'testtest',
      app: 'elder',
      release: '1',
      deployment: 'd1',
      process: 'web',
      instance: '1',
      port: '8080',
    }).flatMap(([name, value]) => ['--label', `slipway.${name}=${value}`]);
    const subnet = ['--subnet', '10.214.250.0/24', '--label', 'slipway.platform=testtest'];
    await docker.docker(['network', 'create', ...subnet, legacy]);
    const where = ['--network', legacy, '--ip', '10.214.250.7'];
    await docker.docker([
      'run',
      '-d',
      '--pull=never',
      ...labels,
      ...where,
      'slipway-test-base:1',
      'sleep',
      '1000',
    ]);
    const [elder] = await target.list('elder');
    expect(elder?.address).toEqual({ host: '10.214.250.7', port: 8080 });
    expect(await target.networks()).toContainEqual({ name: legacy, isProbe: false });
    expect(await target.removeNetwork({ name: legacy })).toBe(false);
    await target.remove(elder!.id);
    expect(await target.removeNetwork({ name: legacy })).toBe(true);
  });

  it('starting the same instance again replaces what a cut-off rollout left', async () => {
    const first = await start({ script: server('first') });
    releases -= 1;
    const second = await start({ script: server('second') });
    expect(second.name).toBe(first.name);
    await expect(target.get(first.id)).rejects.toMatchObject({ code: 'not_found' });
  });

  it('sees only the containers of its own platform', async () => {
    const theirs = await start(
      { script: server('theirs') },
      { on: targetOf(docker.host, { platform: 'otherone' }) },
    );
    await docker.docker([
      'run',
      '--pull=never',
      '-d',
      '--name',
      'foreign',
      'slipway-test-base:1',
      'sleep',
      '1000',
    ]);
    const ids = (await target.list()).map((container) => container.id);
    expect(ids.length).toBeGreaterThan(0);
    expect(ids).not.toContain(theirs.id);
    await expect(target.get(theirs.id)).rejects.toMatchObject({ code: 'not_found' });
  });

  it('fails at once when the container exits, with its code and last lines', async () => {
    const container = await start({ script: 'echo starting; echo "no DATABASE_URL" >&2; exit 3' });
    expect(await failure(check(container, 60_000))).toMatchObject({
      code: 'unhealthy',
      message: expect.stringContaining('code 3'),
    });
    // Two pipes: which line the engine reads first is its affair.
    expect((await target.lastLines(container.id, 30)).sort()).toEqual(['no DATABASE_URL', 'starting']);
    expect(await target.lastLines(container.id, 1)).toHaveLength(1);
  });

  it('fails at once when the container exits during its checks', async () => {
    const container = await start({ script: 'sleep 1; exit 4' });
    expect((await failure(check(container, 60_000))).message).toContain('code 4');
  });

  it('says that a container was killed for want of memory', async () => {
    const small = targetOf(docker.host, { memoryBytes: 16 * 1024 * 1024 });
    const container = await start({ script: 'sleep 0.3; tail -c 200000000 /dev/zero' }, { on: small });
    const { message, hint } = await failure(check(container, 60_000, small));
    expect(message).toContain('out of memory');
    expect(hint).toContain('memory');
    expect(await small.inspect(container.id)).toMatchObject({ outOfMemory: true });
  });

  it('says that a command does not exist', async () => {
    expect(await failure(start({ command: ['/no/such/program'] }))).toMatchObject({
      code: 'unhealthy',
      message: expect.stringContaining('/no/such/program'),
      hint: expect.stringContaining('ENTRYPOINT'),
    });
  });

  it('takes an answer of 500 for unhealthy and of 404 for healthy', async () => {
    const answering = (status: string): string =>
      `while true; do printf 'HTTP/1.1 ${status}\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n' | nc -l -p $PORT >/dev/null; done`;
    expect(await check(await start({ script: answering('404 Not Found') }))).toBe('GET / answered 404');
    expect((await failure(check(await start({ script: answering('500 Broken') }), 1500))).message).toContain(
      'answers 500',
    );
  });

  it('does not take an HTTP server for another kind once it only closes its connections', async () => {
    const script = `printf 'HTTP/1.1 500 Broken\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n' | nc -l -p $PORT >/dev/null;
      while true; do nc -l -p $PORT -e true; done`;
    expect((await failure(check(await start({ script }), 2500))).message).toContain(
      'does not answer any more',
    );
  });

  it('takes a port that does not speak HTTP for healthy', async () => {
    const container = await start({
      script: 'while true; do echo "+OK ready" | nc -l -p $PORT >/dev/null; done',
    });
    expect(await check(container)).toBe('port 8080 takes connections');
  });

  it('explains PORT and EXPOSE when nothing listens', async () => {
    const silent = await start({ script: 'exec sleep 1000', expose: [] });
    const { message, hint } = await failure(check(silent, 700));
    expect(message).toContain('nothing listens on port 8080');
    expect(hint).toContain('EXPOSE');
    const exposed = await start({ script: 'exec sleep 1000', expose: ['9000', '3000/tcp', '53/udp'] });
    expect((await failure(check(exposed, 700))).hint).toContain('0.0.0.0:3000');
  });

  it('listens where a PORT config var says', async () => {
    const container = await start({ script: server('moved') }, { env: { PORT: '4321' } });
    expect(container.address?.port).toBe(4321);
    await check(container);
  });

  it('does not believe a check that passes now and then', async () => {
    const toggle = 'if test -e /tmp/seen; then /bin/busybox rm /tmp/seen; exit 1; else touch /tmp/seen; fi';
    const healthcheck = `--interval=1h CMD ${toggle}`;
    const flapping = await start({ script: 'exec sleep 1000', healthcheck });
    expect((await failure(check(flapping, 3000))).code).toBe('unhealthy');
  });

  it('does not wait for the first interval of a HEALTHCHECK', async () => {
    const healthcheck = '--interval=1h CMD test -f /tmp/ready';
    const container = await start({ script: 'sleep 1; touch /tmp/ready; exec sleep 1000', healthcheck });
    expect(await check(container)).toBe('HEALTHCHECK passed');
  });

  it('fails at once when the engine calls the container unhealthy, with the last output of the check', async () => {
    const healthcheck = '--interval=1s --retries=1 CMD echo "the cache is cold"; exit 1';
    const container = await start({ script: 'exec sleep 1000', healthcheck });
    expect(await failure(check(container, 60_000))).toMatchObject({
      code: 'unhealthy',
      message: expect.stringContaining('the cache is cold'),
    });
  });

  it('gives up a HEALTHCHECK that never passes, with its last output', async () => {
    const healthcheck = '--interval=1h CMD echo "not yet"; exit 1';
    const container = await start({ script: 'exec sleep 1000', healthcheck });
    expect((await failure(check(container, 1500))).message).toContain('not yet');
  });

  it('runs a command of the app as its check, and shows nothing of its secrets', async () => {
    const ready = {
      command: ['/bin/sh', '-c', 'test -f /tmp/ready || { echo "$TOKEN is not ready"; exit 9; }'],
    };
    const well = await start({ script: 'sleep 1; touch /tmp/ready; exec sleep 1000' });
    expect(await check(well, 10_000, target, [ready])).toMatch(/^command .* passed$/);
    const ill = await start({ script: 'exec sleep 1000' }, { env: { TOKEN: 'correct horse' } });
    const { message } = await failure(check(ill, 1500, target, [ready]));
    expect(message).toMatch(/of web\.1 did not pass: exit code 9: \*\*\* is not ready; \d+ looks/);
    const slow = { command: ['sleep', '20'], timeout: 0.5, attempts: 2, wait: 0 };
    expect((await failure(check(ill, 60_000, target, [slow]))).message).toMatch(
      /took longer than 0\.5 s; 2 looks/,
    );
    const absent = { command: ['/no/such/program'], attempts: 1 };
    expect((await failure(check(ill, 60_000, target, [absent]))).message).toContain('/no/such/program');
  });

  it('waits for a line of the log, beside other checks, and fails at once when the container dies', async () => {
    const script = `echo warming up; sleep 1; echo "v7: Listening on $PORT"; ${server('lines')}`;
    const container = await start({ script });
    const lines = [{ log: 'Listening on 8080' }, { path: '/index.html', content: 'lines' }, { uptime: 2 }];
    expect(await check(container, 10_000, target, lines)).toBe(
      'log line "Listening on 8080", GET /index.html answered 200, web has lived 2 s',
    );
    const token = { TOKEN: 'correct horse' };
    const silent = await start({ script: 'echo "$TOKEN"; exec sleep 1000' }, { env: token });
    expect((await failure(check(silent, 1000, target, [{ log: 'Ready' }]))).message).toBe(
      'the check log line "Ready" of web.1 did not pass: it has not written it; last: ***, after 1 s',
    );
    const dying = await start({ script: 'sleep 1; exit 4' });
    expect(
      (await failure(check(dying, 60_000, target, [{ log: 'Ready' }, { uptime: 30 }]))).message,
    ).toContain('code 4');
  });

  it('is reached on a published port when its engine is reached over TCP', async () => {
    const remote = targetOf(docker.tcpHost!, { platform: 'faraway2' });
    const container = await start({ script: server('published') }, { on: remote });
    expect(await check(container, 10_000, remote)).toBe('GET / answered 200');
    const { host, port } = container.address!;
    expect(host).toBe('127.0.0.1');
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('published\n');
    const deaf = await start({ script: 'exec sleep 1000' }, { on: remote });
    // The engine's own proxy takes the connection; that proves nothing.
    expect((await failure(check(deaf, 1500, remote))).message).toContain('nothing');
    const listening = [{ listening: true as const }];
    expect((await failure(check(deaf, 1500, remote, listening))).message).toContain(
      'closes connections at once',
    );
    expect(await check(container, 10_000, remote, listening)).toBe('connection to the port passed');
    await remote.stop(deaf.id, 100);
  });

  it('stops by the signal that the image names, and kills only after the grace', async () => {
    const obedient = await start({
      script: `trap 'echo bye; exit 0' USR1; while true; do sleep 0.1; done`,
      stopSignal: 'SIGUSR1',
    });
    const events = await target.events(signal);
    await target.stop(obedient.id, 60_000);
    const actions: string[] = [];
    for await (const event of events) {
      if (event.id !== obedient.id) continue;
      actions.push(event.action);
      if (event.action === 'destroy') break;
    }
    expect(actions).toEqual(['die', 'destroy']);
    const deaf = await start({ script: `trap '' TERM; while true; do sleep 0.1; done` });
    await target.stop(deaf.id, 1000);
    await expect(target.get(deaf.id)).rejects.toMatchObject({ code: 'not_found' });
    await target.stop(deaf.id, 1000);
  });

  it('gives every container its address back after the engine was killed and started again', async () => {
    const containers = await Promise.all(['a', 'b', 'c'].map((name) => start({ script: server(name) })));
    const lost = target.events(signal).then(async (events) => {
      for await (const _ of events);
    });
    lost.catch(() => undefined);
    for (const container of containers) await target.keep(container.id);
    await docker.restart({ kill: true });
    await expect(
      lost.then(
        () => 'ended',
        () => 'ended',
      ),
    ).resolves.toBe('ended');
    for (const container of containers) {
      // An engine that was killed ends the containers that it finds running, and takes them for stopped by hand.
      if ((await target.get(container.id)).state !== 'running') await target.restart(container.id);
      expect((await target.get(container.id)).address).toEqual(container.address);
      await check(container);
    }
  }, 120_000);

  it('tells when the engine is gone, and where it should be', async () => {
    await docker.pause();
    try {
      expect(await failure(target.list())).toMatchObject({
        code: 'engine_unavailable',
        hint: expect.stringContaining('DOCKER_HOST'),
      });
      expect(await failure(target.events(signal))).toMatchObject({ code: 'engine_unavailable' });
    } finally {
      await docker.resume();
    }
  }, 60_000);
});
