/** Images on a host with a real engine: what a sweep takes, and what it never does. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sweepImages } from '../../deploy/sweep-images.js';
import { DockerTarget } from '../../deploy/targets/docker.js';
import { Engine } from '../../deploy/targets/engine.js';
import { destroyApp } from '../../src/endings.js';
import type { ReleaseImage } from '../../src/model/release.js';
import { dockerMissing, TURN_TIMEOUT_MS } from '../support/docker.js';
import { HAPROXY_MISSING } from './support/edge.js';
import { pushImage, server } from './support/images.js';
import { World } from './support/world.js';

const missing = dockerMissing() ?? HAPROXY_MISSING;
if (missing !== undefined) console.warn(`skipped: ${missing}`);

describe.skipIf(missing !== undefined)('a sweep of a host', () => {
  let world: World;
  const signal = new AbortController().signal;

  beforeAll(async () => {
    world = await World.open();
  }, TURN_TIMEOUT_MS);
  afterAll(() => world?.close(), 60_000);

  const image = (app: string, text: string): Promise<ReleaseImage> =>
    pushImage(world.docker, world.registry.host, `apps/${app}`, { script: server(text), ballastMib: 1 });
  const sweep = (dryRun = false): ReturnType<typeof sweepImages> =>
    sweepImages({ ...world.parts, keepReleases: 1 }, { dryRun, signal });
  const held = (...images: ReleaseImage[]): Promise<boolean[]> =>
    Promise.all(images.map((each) => world.target.has(each)));

  it('takes images of what was let go, and leaves what runs, what is kept and what is not ours', async () => {
    await world.createApp('hello');
    const [one, two, three] = [
      await image('hello', 'one'),
      await image('hello', 'two'),
      await image('hello', 'three'),
    ];
    const foreign = await image('another-platforms', 'foreign');
    await world.target.pull(foreign);
    for (const each of [one, two, three]) await world.rollOut(await world.release('hello', each));
    // A person's container of an image that was let go.
    await world.target.pull(one);
    const theirs = await world.docker.docker(['create', world.target.reference(one)]);

    expect((await sweep()).hosts).toEqual([{ host: 'local', images: 0, bytes: 0, apps: [] }]);
    const would = (await sweep(true)).hosts[0];
    expect(would?.apps).toEqual([{ app: 'hello', images: 1, bytes: expect.any(Number) }]);
    expect(would?.bytes).toBeGreaterThan(1_000_000);
    expect(await held(one, two, three, foreign)).toEqual([true, true, true, true]);

    await world.ledger.letGo('hello', 1);
    expect((await sweep()).hosts[0]).toEqual(would);
    expect(await held(one, two, three, foreign)).toEqual([true, false, true, true]);
    await world.docker.docker(['rm', theirs]);
    expect((await sweep()).hosts[0]?.images).toBe(1);
    expect(await held(one, three)).toEqual([false, true]);
    expect((await world.get('hello')).body).toBe('three');
  });

  it('leaves an image that is about to run again', async () => {
    await world.createApp('again');
    const [one, two] = [await image('again', 'one'), await image('again', 'two')];
    for (const each of [one, two]) await world.rollOut(await world.release('again', each));
    await world.ledger.letGo('again', 1);
    // The same tree was built again: its rollout waits.
    const waiting = await world.release('again', one);
    expect((await sweep()).hosts[0]?.images).toBe(0);
    expect(await held(one)).toEqual([true]);
    await world.rollOut(waiting);
    expect((await world.get('again')).body).toBe('one');
  });

  it('takes the images of an app that was destroyed', async () => {
    await world.createApp('gone');
    const one = await image('gone', 'one');
    await world.rollOut(await world.release('gone', one));
    const queues = { enqueueRollout: async () => true };
    const people = { endApp: async () => {} };
    await destroyApp({ store: world.store, ledger: world.ledger, queues, people }, 'gone', 'alice');
    await world.reconcile();
    await world.parts.retirements.idle();
    expect((await sweep()).hosts[0]?.apps).toEqual([{ app: 'gone', images: 1, bytes: expect.any(Number) }]);
    expect(await held(one)).toEqual([false]);
  });

  it('says which host does not answer, and sweeps the others', async () => {
    const target = new DockerTarget({
      host: 'away',
      engine: new Engine('unix:///nowhere/docker.sock'),
      platform: 'testtest',
      registry: world.config.registry,
    });
    const [local] = await world.parts.hosts.list();
    const hosts = { ...world.parts.hosts, list: async () => [local!, { name: 'away', target }] };
    await world.createApp('two-hosts');
    for (const text of ['one', 'two'])
      await world.rollOut(await world.release('two-hosts', await image('two-hosts', text)));
    await world.ledger.letGo('two-hosts', 1);
    const { hosts: swept } = await sweepImages(
      { ...world.parts, hosts, keepReleases: 1 },
      { dryRun: false, signal },
    );
    expect(swept).toEqual([
      expect.objectContaining({ host: 'local', images: 1 }),
      expect.objectContaining({
        host: 'away',
        images: 0,
        silent: expect.stringContaining('cannot be reached'),
      }),
    ]);
  });

  it('begins no pull without room for it', async () => {
    const small = new DockerTarget({
      host: 'local',
      engine: new Engine(world.docker.host),
      platform: 'testtest',
      registry: world.config.registry,
      freeBytes: Number.MAX_SAFE_INTEGER,
    });
    const one = await image('hello', 'no room');
    await expect(small.pull(one)).rejects.toMatchObject({
      code: 'disk_full',
      message: expect.stringContaining('too little room to pull an image'),
      where: expect.stringMatching(/\/data$/),
      hint: expect.stringContaining('SLIPWAY_PULL_FREE_BYTES'),
    });
    expect(await held(one)).toEqual([false]);
    await world.target.pull(one);
    // What is there already needs no room.
    expect(await small.pull(one)).toBe(false);
  });
});
