import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Deployer, openDeployer } from '../../deploy/deployer.js';
import { DeployerClient } from '../../src/api/deployer-client.js';
import { homePaths } from '../../src/config.js';
import { createLogger } from '../../src/log.js';
import { dockerMissing, TURN_TIMEOUT_MS } from '../support/docker.js';
import { until } from '../support/until.js';
import { HAPROXY_MISSING } from './support/edge.js';
import { server } from './support/images.js';
import { World } from './support/world.js';

const missing = dockerMissing() ?? HAPROXY_MISSING;
if (missing !== undefined) console.warn(`skipped: ${missing}`);

describe.skipIf(missing !== undefined)('a deployer process', () => {
  const { signal } = new AbortController();
  let world: World;
  let deployer: Deployer;

  const open = (): Promise<Deployer> => openDeployer(world.config, createLogger('test', 'silent'));

  beforeAll(async () => {
    world = await World.open();
    deployer = await open();
  }, TURN_TIMEOUT_MS);
  afterAll(async () => {
    await deployer?.close();
    await world?.close();
  }, 60_000);

  it('rolls out what waits, and tells the web process what runs and what it writes', async () => {
    await world.createApp('hello');
    const image = await world.image({ script: `echo listening; ${server('hello')}` });
    const { id } = await world.release('hello', image);
    await deployer.deployNext('hello', signal);
    expect((await world.deployment('hello', id)).state).toBe('live');
    expect(await world.get('hello')).toEqual({ status: 200, body: 'hello' });
    const client = new DeployerClient(homePaths(world.config.home).deployerSocket);
    expect(await client.processes('hello')).toMatchObject({
      processes: [{ process: 'web.1', release: 1, state: 'running', host: 'local', restarts: 0 }],
      silent: [],
    });
    let output = '';
    for await (const chunk of await client.logs('hello', { lines: 10, follow: false })) output += chunk;
    expect(output).toBe('web.1 v1: listening\n');
    // The head comes at once, though nothing is written for now.
    (await client.logs('hello', { lines: 0, follow: true })).destroy();
  });

  it('finds its apps again when it is started anew', async () => {
    await deployer.close();
    await world.docker.docker(['stop', '-t', '0', ...(await world.docker.docker(['ps', '-q'])).split('\n')]);
    deployer = await open();
    await until(async () => (await world.get('hello').catch(() => undefined))?.status === 200);
  });

  it('takes an app down as soon as it is told of its end', async () => {
    await world.ledger.destroyApp('hello', 'alice');
    await deployer.deployNext('hello', signal);
    expect((await world.get('hello')).status).toBe(404);
    expect(await world.docker.docker(['ps', '-aq'])).toBe('');
  });
});
