/** A platform that is restored from its repositories, its key and its registry runs again: real engine, registry and HAProxy. */
import { cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deployNext } from '../../deploy/deployer.js';
import { type ReconcileParts, reconcileAll } from '../../deploy/reconcile.js';
import { requestRollback } from '../../src/changes.js';
import { homePaths } from '../../src/config.js';
import { AppRepositories } from '../../src/git/app-repository.js';
import { Git } from '../../src/git/git.js';
import { Ledger } from '../../src/ledger/ledger.js';
import { Vault } from '../../src/ledger/vault.js';
import { DeploymentStore } from '../../src/records/deployments.js';
import { RegistryClient } from '../../src/registry/client.js';
import { imagesIn } from '../../src/restore/images.js';
import { restore } from '../../src/restore/restore.js';
import { temporaryDirectory } from '../support/directories.js';
import { dockerMissing, TURN_TIMEOUT_MS } from '../support/docker.js';
import { HAPROXY_MISSING } from './support/edge.js';
import { server } from './support/images.js';
import { World } from './support/world.js';

const missing = dockerMissing() ?? HAPROXY_MISSING;
if (missing !== undefined) console.warn(`skipped: ${missing}`);

describe.skipIf(missing !== undefined)('a restored platform', () => {
  let world: World;
  const signal = new AbortController().signal;

  beforeAll(async () => {
    world = await World.open();
  }, TURN_TIMEOUT_MS);
  afterAll(() => world?.close(), 60_000);

  it('runs what was live, with its config, and rolls back', async () => {
    await world.createApp('hello');
    const greeting = `trap 'exit 0' TERM; mkdir -p /www; echo $GREETING > /www/index.html; httpd -f -p $PORT -h /www & wait`;
    await world.rollOut(await world.release('hello', await world.image({ script: server('first') })));
    await world.ledger.setConfig('hello', { GREETING: 'second' }, 'alice');
    await world.rollOut(await world.release('hello', await world.image({ script: greeting })));
    expect((await world.get('hello')).body).toBe('second');

    const mirror = await temporaryDirectory();
    await mkdir(join(mirror, 'git'));
    await cp(homePaths(world.config.home).appRepositories, join(mirror, 'git', 'apps'), { recursive: true });
    const home = join(await temporaryDirectory(), 'home');
    const registry = RegistryClient.fromConfig(world.config);
    const restored = await restore({
      mirror,
      home,
      secretKey: homePaths(world.config.home).secretKey,
      hasImage: imagesIn(registry, world.registry.host),
      dryRun: false,
      force: false,
      git: new Git(),
    });
    registry.close();
    expect(restored).toMatchObject({
      isDone: true,
      apps: [{ app: 'hello', live: 2, withoutImage: [], problems: [] }],
    });

    // The machine is another one: nothing runs on it, and it has no image.
    const { docker } = world.docker;
    for (const { id } of await world.containers('hello')) await docker(['rm', '-f', id]);
    await docker(['image', 'prune', '-a', '-f']);
    const paths = homePaths(home);
    const git = new Git();
    const ledger = new Ledger(paths, git, await Vault.open(paths.secretKey));
    const store = new DeploymentStore(home);
    const parts: ReconcileParts = {
      ...world.deployer(),
      store,
      ledger,
      repositories: new AppRepositories(paths, git),
      appRepositories: paths.appRepositories,
    };
    await reconcileAll(parts, signal);
    expect((await world.get('hello')).body).toBe('second');
    expect(await world.states('hello')).toEqual(['v2 running']);

    const tools = {
      store,
      ledger,
      hostBook: { list: async () => [] },
      queues: { enqueueRollout: async () => true },
      limits: world.config.limits,
    };
    const back = await requestRollback(tools, 'hello', undefined, 'alice');
    await deployNext(parts, 'hello', signal);
    expect((await store.get('hello', back.id))?.state).toBe('live');
    expect((await world.get('hello')).body).toBe('first');
    await parts.retirements.idle();
  });
});
