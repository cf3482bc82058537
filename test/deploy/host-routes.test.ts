/** What the web process asks of a real deployer's socket about hosts; none of them has an engine here. */
import { once } from 'node:events';
import { access, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { HostChanges } from '../../deploy/hosts/change.js';
import type { LedgerHosts } from '../../deploy/hosts/open.js';
import { hostRoutes } from '../../deploy/hosts/routes.js';
import { serveRuntime } from '../../deploy/serve.js';
import { DeployerClient } from '../../src/api/deployer-client.js';
import type { HostWish } from '../../src/api/host-views.js';
import { homePaths } from '../../src/config.js';
import { freePort } from '../support/ports.js';
import { type PlatformHosts, platformHosts } from './support/platform-hosts.js';

let platform: PlatformHosts;
let client: DeployerClient;
let stop: () => Promise<void>;

beforeEach(async () => {
  platform = await platformHosts('127.0.0.1:5000');
  const { hosts, parts } = platform;
  const socketPath = homePaths(platform.home).deployerSocket;
  const more = (server: Parameters<typeof hostRoutes>[0]): void => hostRoutes(server, hosts, parts);
  stop = await serveRuntime({ socketPath, hosts, more, log: parts.log });
  client = new DeployerClient(socketPath);
});
afterEach(async () => {
  await stop();
  await platform.hosts.close();
});

const wish = async (more: Partial<HostWish> = {}): Promise<HostWish> => ({
  name: 'alpha',
  address: `tcp://127.0.0.1:${await freePort()}`,
  labels: { zone: 'eu' },
  check: false,
  ...more,
});

it('adds without a look, lists with the reason of silence, checks and removes', async () => {
  const { host, warnings } = await client.addHost(await wish(), 'alice');
  expect(host).toMatchObject({ name: 'alpha', labels: { zone: 'eu' }, addedBy: 'alice' });
  expect(warnings).toEqual([expect.stringContaining('without TLS')]);
  expect(await client.hosts()).toEqual([
    { name: 'alpha', address: host.address, problem: expect.stringContaining('ECONNREFUSED') },
    { name: 'local', address: 'unix:///nonexistent/docker.sock', problem: expect.stringContaining('ENOENT') },
  ]);
  expect(await client.checkHost('alpha')).toEqual({
    name: 'alpha',
    good: false,
    findings: [
      {
        what: 'connection',
        result: 'bad',
        says: expect.stringMatching(/^the Docker Engine cannot be reached: .*ECONNREFUSED/),
        hint: 'nothing listens there: is the Docker Engine running?',
      },
    ],
  });
  expect(await client.removeHost('alpha', 'bob')).toMatchObject({
    name: 'alpha',
    problem: expect.any(String),
  });
  expect(await client.hosts()).toHaveLength(1);
});

it('does not add what it cannot reach, and says why', async () => {
  const unreachable = await wish({ check: true });
  await expect(client.addHost(unreachable, 'alice')).rejects.toMatchObject({
    code: 'engine_unavailable',
    message: expect.stringMatching(/^on alpha: /),
    hint: 'nothing listens there: is the Docker Engine running?',
  });
  expect(await client.hosts()).toHaveLength(1);
});

it('keeps what opens a host that is in the ledger, though the first connection fails', async () => {
  const { hosts, parts, home } = platform;
  const answers: Record<string, unknown> = {
    '/info': { ID: 'one', Name: 'one', DockerRootDir: '/one', ServerVersion: '26.1' },
  };
  const engine = createServer((request, response) => {
    response.end(JSON.stringify(answers[request.url ?? ''] ?? {}));
  }).listen(0, '127.0.0.1');
  await once(engine, 'listening');
  try {
    const { port } = engine.address() as { port: number };
    const failing = {
      list: () => hosts.list(),
      get: () => Promise.reject(new Error('another record cannot be read')),
    } as unknown as LedgerHosts;
    const changes = new HostChanges(parts, failing);
    const address = `tcp://127.0.0.1:${port}`;
    await changes.add(await wish({ address, check: true }), 'alice');
    expect((await parts.book.get('alpha')).address).toBe(address);
    await access(join(homePaths(home).hostCredentials, 'alpha'));
  } finally {
    engine.closeAllConnections();
    engine.close();
  }
});

it('adds one of several that are added at once under the same name', async () => {
  const wishes = await Promise.all(Array.from({ length: 5 }, () => wish()));
  const tries = await Promise.allSettled(wishes.map((each) => client.addHost(each, 'alice')));
  expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  for (const tried of tries)
    if (tried.status === 'rejected') expect(tried.reason).toMatchObject({ code: 'conflict' });
});

it('refuses names that are paths, whoever asks', async () => {
  for (const name of ['../alpha', 'a/b', '.', 'A'])
    await expect(client.addHost(await wish({ name }), 'alice')).rejects.toMatchObject({
      code: 'invalid_name',
    });
});

it('has one key pair, made when it is first asked for', async () => {
  const [first, second] = await Promise.all([client.hostKey(), client.hostKey()]);
  expect(first.publicKey).toMatch(/^ssh-ed25519 \S+ slipway-testtest$/);
  expect(second).toEqual(first);
  const path = join(homePaths(platform.home).hostCredentials, 'id_ed25519.pub');
  expect((await readFile(path, 'utf8')).trim()).toBe(first.publicKey);
});

it('ends a preparation with the error, as the last line', async () => {
  const answer = await client.prepareHost({ address: `ssh://root@127.0.0.1:${await freePort()}` });
  let text = '';
  for await (const part of answer) text += String(part);
  expect(
    text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown),
  ).toEqual([
    {
      error: {
        code: 'engine_unavailable',
        message: expect.stringMatching(/^no SSH server answers at 127.0.0.1:\d+$/),
        hint: expect.stringContaining('sshd runs there'),
      },
    },
  ]);
});
