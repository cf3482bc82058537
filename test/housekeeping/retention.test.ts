/** Sweeps with a real ledger, real records and a real registry. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { access, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { homePaths } from '../../src/config.js';
import { AppRepositories } from '../../src/git/app-repository.js';
import { sweepDestroyed } from '../../src/housekeeping/retention/destroyed.js';
import { ImageGate } from '../../src/housekeeping/retention/image-gate.js';
import type { RetentionParts } from '../../src/housekeeping/retention/parts.js';
import { Sweeper, sweepApp } from '../../src/housekeeping/retention/sweep.js';
import { emptyTrash } from '../../src/housekeeping/trash.js';
import { Ledger } from '../../src/ledger/ledger.js';
import { Vault } from '../../src/ledger/vault.js';
import { createLogger } from '../../src/log.js';
import { readLog } from '../../src/logs/log-reader.js';
import type { OutcomeState } from '../../src/model/release.js';
import { keptReleases } from '../../src/model/retention.js';
import { DeploymentStore } from '../../src/records/deployments.js';
import { RegistryClient } from '../../src/registry/client.js';
import { asDigest, type Digest } from '../../src/registry/image.js';
import { type MadeImage, makeImage } from '../registry/scripted.js';
import { HeldClock } from '../support/clock.js';
import { temporaryDirectory } from '../support/directories.js';
import { startRegistry, type TestRegistry } from '../support/registry.js';
import { releaseDraft } from '../support/release-draft.js';
import { commitFile, git } from '../support/repository.js';

const DAY_MS = 24 * 60 * 60_000;
const signal = new AbortController().signal;
const log = createLogger('test', 'silent');

let server: TestRegistry;
let client: RegistryClient;
let home: string;
let parts: RetentionParts & { ledger: Ledger; store: DeploymentStore; repositories: AppRepositories };
let clock: HeldClock;
/** The repository of the test's app is new in the registry. */
let app: string;
/** The commit of each app. */
const sources = new Map<string, string>();
const sourceOf = (name: string): string => sources.get(name) ?? '';

beforeAll(async () => {
  server = await startRegistry();
  client = new RegistryClient({ pushAllowed: [server.host] });
});
afterAll(async () => {
  client.close();
  await server.stop();
});

beforeEach(async () => {
  home = await temporaryDirectory();
  clock = new HeldClock(Date.now());
  const paths = homePaths(home);
  const repositories = new AppRepositories(paths, git);
  const ledger = new Ledger(paths, git, await Vault.open(paths.secretKey), {
    createRepository: (name, branch) => repositories.ensure(name, branch),
  });
  parts = {
    ledger,
    repositories,
    store: new DeploymentStore(home, clock),
    registry: client,
    registryHost: server.host,
    gate: new ImageGate(paths.run),
    policy: { keepReleases: 2, keepRecordsMs: 30 * DAY_MS, compressLogsMs: 7 * DAY_MS },
  };
  app = await newApp();
});

async function newApp(): Promise<string> {
  const name = `a${randomBytes(6).toString('hex')}`;
  await parts.ledger.createApp(name, { deployBranch: 'main' }, 'alice');
  sources.set(name, await commitFile(parts.repositories.path(name), 'Dockerfile', 'FROM scratch\n'));
  return name;
}

/** Of a base that all share, a layer of `content`, and a config. */
const image = (content: string): MadeImage =>
  makeImage([Buffer.from('the base of all'), Buffer.from(content)]);

async function push(made: MadeImage, tags: readonly string[], name = app): Promise<void> {
  const directory = await temporaryDirectory();
  const layers = made.layers.map(async ({ descriptor, bytes }) => {
    const file = join(directory, descriptor.digest);
    await writeFile(file, bytes);
    return { descriptor, file };
  });
  await client.pushImage({
    registry: server.host,
    repository: `apps/${name}`,
    layers: await Promise.all(layers),
    config: made.config,
    manifest: made.manifest,
    tags,
  });
}

/** A push that was built and released, as builder and deployer leave it. Undefined: it is waiting for its rollout. */
async function release(made: MadeImage, outcome?: OutcomeState, name = app): Promise<number> {
  const written = await writeRelease(made, name);
  await push(made, [`git-${sourceOf(name).slice(0, 12)}`, written.id, `v${written.number}`], name);
  await endRelease(written, outcome, name);
  return written.number;
}

interface Written {
  readonly id: string;
  readonly number: number;
}

async function writeRelease(made: MadeImage, name = app): Promise<Written> {
  const options = { detach: false, noCache: false, buildOnly: false };
  const ref = { ref: 'refs/heads/main', oldOid: '0'.repeat(40), newOid: sourceOf(name), options };
  const { id } = await parts.store.create(name, { kind: 'push', who: 'alice', push: ref });
  const claim = (await parts.store.claim(name, id, 'build', 'builder'))?.token ?? '';
  const draft = releaseDraft(
    name,
    { source: sourceOf(name), deploymentId: id },
    { image: { repository: `apps/${name}`, digest: made.digest } },
  );
  const { number } = await parts.ledger.appendRelease(name, draft, 'alice');
  const built = {
    type: 'built',
    at: clock.now(),
    claim,
    digest: made.digest,
    steps: { cached: 0, total: 1 },
  } as const;
  await parts.store.append(name, id, built, { type: 'release', at: clock.now(), claim, number });
  return { id, number };
}

async function endRelease({ id, number }: Written, outcome?: OutcomeState, name = app): Promise<void> {
  if (outcome === undefined) return;
  await parts.ledger.recordOutcome(name, number, { state: outcome, at: new Date().toISOString() });
  const rollout = (await parts.store.claim(name, id, 'rollout', 'deployer'))?.token ?? '';
  await parts.store.end(name, id, { state: outcome, claim: rollout });
}

const isThere = async (made: MadeImage, name = app): Promise<boolean> =>
  (await client.headManifest({ registry: server.host, repository: `apps/${name}` }, made.digest)) !==
  undefined;
const sweep = (dryRun = false): ReturnType<typeof sweepApp> => sweepApp(parts, app, { dryRun, signal });

describe('a sweep of the registry', () => {
  it('removes images of old and failed releases, counts what they alone had, and says first what it would do', async () => {
    const [one, two, three, four] = ['one', 'two!', 'three', 'four'].map(image) as [
      MadeImage,
      MadeImage,
      MadeImage,
      MadeImage,
    ];
    for (const made of [one, two, three]) await release(made, 'live');
    await release(four, 'failed');
    const sizeOf = (made: MadeImage): number => made.config.length + (made.layers[1]?.bytes.length ?? 0);
    const would = await sweep(true);
    expect(would).toMatchObject({
      keep: 2,
      kept: [
        { number: 3, as: 'live' },
        { number: 2, as: 'newest' },
      ],
      going: [1, 4],
      registry: { images: 2, bytes: sizeOf(one) + sizeOf(four), state: 'done' },
    });
    expect(await Promise.all([one, four].map((made) => isThere(made)))).toEqual([true, true]);
    expect((await parts.ledger.read(app)).releases.some(({ gone }) => gone)).toBe(false);

    expect(await sweep()).toEqual(would);
    expect(await Promise.all([one, two, three, four].map((made) => isThere(made)))).toEqual([
      false,
      true,
      true,
      false,
    ]);
    expect((await sweep()).registry).toEqual({ images: 0, bytes: 0, state: 'done' });
  });

  it('leaves an image that an older release shares with a kept one', async () => {
    const [same, other] = [image('same'), image('other')];
    for (const made of [same, other, other, same]) await release(made, 'live');
    expect((await sweep()).going).toEqual([1, 2]);
    expect([await isThere(same), await isThere(other)]).toEqual([true, true]);
  });

  it('leaves pinned releases, and what waits for its rollout', async () => {
    const made = ['one', 'two', 'three', 'four'].map(image);
    for (const each of made.slice(0, 3)) await release(each, 'live');
    await parts.ledger.pin(app, 1, 'alice');
    await release(made[3]!);
    expect((await sweep()).going).toEqual([]);
    await parts.ledger.setKeep(app, 1, 'alice');
    expect((await sweep()).going).toEqual([2]);
    expect(await Promise.all(made.map((each) => isThere(each)))).toEqual([true, false, true, true]);
  });

  it("leaves what somebody else's tag names, and the caches that builders share", async () => {
    const [tagged, cached] = [image('tagged'), image('cached')];
    await release(tagged, 'live');
    await push(tagged, ['approved']);
    await push(cached, ['slipway-cache']);
    for (const content of ['two', 'three']) await release(image(content), 'live');
    const { going, registry } = await sweep();
    expect([going, registry.images]).toEqual([[1], 0]);
    expect([await isThere(tagged), await isThere(cached)]).toEqual([true, true]);
  });

  it("touches no image that this platform's records do not name", async () => {
    const foreign = image('foreign');
    await push(foreign, ['v1', 'v77']);
    for (const content of ['one', 'two', 'three']) await release(image(content), 'live');
    expect((await sweep()).registry.images).toBe(1);
    expect(await isThere(foreign)).toBe(true);
  });

  it('keeps an image that was built only for as long as its records', async () => {
    const only = image('only');
    const options = { detach: false, noCache: false, buildOnly: true };
    const ref = { ref: 'refs/heads/main', oldOid: '0'.repeat(40), newOid: sourceOf(app), options };
    const { id } = await parts.store.create(app, { kind: 'push', who: 'alice', push: ref });
    const claim = (await parts.store.claim(app, id, 'build', 'builder'))?.token ?? '';
    await push(only, [id]);
    await parts.store.append(app, id, {
      type: 'built',
      at: clock.now(),
      claim,
      digest: only.digest,
      steps: { cached: 0, total: 1 },
    });
    await parts.store.end(app, id, { state: 'built', claim });
    expect((await sweep()).registry.images).toBe(0);
    parts = { ...parts, policy: { ...parts.policy, keepRecordsMs: 0 } };
    expect(await sweep()).toMatchObject({ registry: { images: 1 }, records: { deployments: 1 } });
    expect(await isThere(only)).toBe(false);
    expect(await parts.store.get(app, id)).toBeUndefined();
  });

  it('waits for who pushes an image, and who pushes for it: the same tree built again is never lost', async () => {
    const old = image('old');
    await release(old, 'live');
    for (const content of ['two', 'three']) await release(image(content), 'live');
    {
      // A builder has pushed the old image again and has not written its release yet.
      await using _pushing = await parts.gate.push(app);
      expect((await sweep()).registry).toEqual({ images: 0, bytes: 0, state: 'busy' });
      await release(old);
    }
    expect((await sweep()).registry.images).toBe(0);
    expect(await isThere(old)).toBe(true);

    const removing = await parts.gate.remove(app);
    let begun = false;
    const pushing = parts.gate.push(app).then((gate) => {
      begun = true;
      return gate;
    });
    await (await parts.gate.push('another'))[Symbol.asyncDispose]();
    expect(begun).toBe(false);
    await removing?.[Symbol.asyncDispose]();
    await (await pushing)[Symbol.asyncDispose]();
    expect(begun).toBe(true);
  });

  it('sees what was decided while it was under way', async () => {
    const [one, two] = [image('one'), image('two')];
    await release(one, 'live');
    await release(two, 'live');
    for (const content of ['three', 'four']) await release(image(content), 'live');
    // Between the look at the registry and the removal the old images become releases again.
    const gate = parts.gate;
    let again = false;
    parts = {
      ...parts,
      gate: Object.assign(Object.create(gate) as ImageGate, {
        remove: async (name: string) => {
          if (!again) {
            again = true;
            await release(one);
            await release(two);
          }
          return gate.remove(name);
        },
      }),
    };
    expect((await sweep()).registry.images).toBe(0);
    expect(again).toBe(true);
    expect([await isThere(one), await isThere(two)]).toEqual([true, true]);
  });

  it('goes on at an app whose neighbour is damaged, and says when the registry removes nothing', async () => {
    await release(image('one'), 'live');
    const other = await newApp();
    for (const content of ['one', 'two', 'three']) await release(image(content), 'live', other);
    const listApps = async (): Promise<string[]> => ['gone', app, other];
    const damaged = new Sweeper(
      {
        ...parts,
        ledger: {
          listApps,
          read: (name) => parts.ledger.read(name),
          letGo: (name, keep) => {
            if (name === app) throw new Error('damaged');
            return parts.ledger.letGo(name, keep);
          },
        },
      },
      log,
    );
    await expect(damaged.sweepAll(signal)).rejects.toMatchObject({ message: '1 apps were not swept' });
    expect(await isThere(image('one'), other)).toBe(false);

    for (const content of ['two', 'three']) await release(image(content), 'live');
    const asked: Digest[] = [];
    const deleteManifest = async (_place: unknown, digest: Digest): Promise<'refused'> => {
      asked.push(digest);
      return 'refused';
    };
    const registry = {
      listTags: client.listTags.bind(client),
      headManifest: client.headManifest.bind(client),
      blobsOf: client.blobsOf.bind(client),
      deleteManifest,
    };
    expect((await sweepApp({ ...parts, registry }, app, { dryRun: false })).registry.state).toBe('refused');
    expect(asked).toEqual([image('one').digest]);
    expect(await isThere(image('one'))).toBe(true);
  });
});

describe('whatever releases share', () => {
  it('all that a kept release needs is in the registry after any sweeps', async () => {
    const step = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({
          image: fc.integer({ min: 0, max: 4 }),
          end: fc.constantFrom<OutcomeState | undefined>('live', 'live', 'failed', undefined),
        }),
      },
      { weight: 2, arbitrary: fc.record({ pin: fc.integer({ min: 1, max: 6 }) }) },
      { weight: 1, arbitrary: fc.record({ keep: fc.integer({ min: 1, max: 3 }) }) },
      { weight: 3, arbitrary: fc.constant('sweep' as const) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 14 }), async (steps) => {
        app = await newApp();
        for (const each of [...steps, 'sweep' as const]) {
          if (each === 'sweep') {
            await sweep();
            const state = await parts.ledger.read(app);
            const kept = keptReleases(state, parts.policy.keepReleases);
            for (const { number, image: wanted } of state.releases) {
              if (!kept.has(number)) continue;
              const place = { registry: server.host, repository: wanted.repository };
              const blobs = await client.blobsOf(place, asDigest(wanted.digest));
              expect([number, blobs?.size]).toEqual([number, 3]);
              for (const blob of blobs?.keys() ?? []) expect(await client.hasBlob(place, blob)).toBe(true);
            }
          } else if ('image' in each) await release(image(`number ${each.image}`), each.end);
          else if ('keep' in each) await parts.ledger.setKeep(app, each.keep, 'alice');
          else await parts.ledger.pin(app, each.pin, 'alice').catch(() => undefined);
        }
      }),
      { numRuns: 12 },
    );
  });
});

it('builds that go on all the time lose no image to sweeps that go on all the time', async () => {
  parts = { ...parts, patienceMs: 1000 };
  let building = 3;
  // Few images, so that the same ones are let go and built again over and over.
  const builder = async (): Promise<void> => {
    const gate = new ImageGate(homePaths(home).run);
    for (let build = 0; build < 8; build += 1) {
      const made = image(`image ${Math.floor(Math.random() * 4)}`);
      let written: Written;
      {
        await using _pushing = await gate.push(app);
        await push(made, []);
        await sleep(20);
        written = await writeRelease(made);
      }
      expect(await isThere(made)).toBe(true);
      await endRelease(written, 'live');
    }
    building -= 1;
  };
  let removed = 0;
  const sweeper = async (): Promise<void> => {
    while (building > 0) {
      const { images } = (await sweep()).registry;
      removed += images;
      await sleep(5);
    }
  };
  await Promise.all([builder(), builder(), builder(), sweeper(), sweeper()]);
  const last = (await sweep()).registry;
  removed += last.images;
  const state = await parts.ledger.read(app);
  const kept = keptReleases(state, parts.policy.keepReleases);
  for (const { number, image: wanted } of state.releases)
    if (kept.has(number))
      expect([number, await isThere({ ...image(''), digest: wanted.digest })]).toEqual([number, true]);
  expect(removed).toBeGreaterThan(0);
});

describe('a sweep of the records', () => {
  it('removes what ended long ago and made no kept release, with its pin, and nothing that is open', async () => {
    for (const content of ['one', 'two', 'three']) await release(image(content), 'live');
    const before = await parts.store.list(app);
    const [, , oldest] = before;
    await parts.repositories.pin(app, oldest!.id, sourceOf(app));
    await writeFile(parts.store.logPath(app, oldest!.id), randomBytes(20_000));
    await writeFile(parts.store.stepsPath(app, oldest!.id), 'x');
    const waiting = await parts.store.create(app, { kind: 'rollback', who: 'alice' });
    expect((await sweep()).records).toEqual({ deployments: 0, bytes: 0 });
    parts = { ...parts, policy: { ...parts.policy, keepRecordsMs: 0 } };
    const { records } = await sweep();
    expect(records.deployments).toBe(1);
    expect(records.bytes).toBeGreaterThanOrEqual(20_000);
    const left = (await parts.store.list(app)).map(({ id }) => id);
    expect(left).toEqual([waiting.id, ...before.slice(0, 2).map(({ id }) => id)]);
    expect(await readdir(join(homePaths(home).deployments, app))).toHaveLength(3);
    expect([...(await parts.repositories.pins(app)).keys()]).toEqual([]);
  });

  it('compresses what ended long ago, of kept releases too, and leaves what is open', async () => {
    for (const content of ['one', 'two']) await release(image(content), 'live');
    const waiting = await parts.store.create(app, { kind: 'rollback', who: 'alice' });
    const all = await parts.store.list(app);
    for (const { id } of all) await writeFile(parts.store.logPath(app, id), 'a line\n'.repeat(10_000));
    expect((await sweep()).compressed).toEqual({ logs: 0, bytes: 0 });
    parts = { ...parts, policy: { ...parts.policy, compressLogsMs: 0 } };
    expect((await sweep(true)).compressed).toEqual({ logs: 0, bytes: 0 });
    const { compressed } = await sweep();
    expect(compressed.logs).toBe(2);
    expect(compressed.bytes).toBeGreaterThan(100_000);
    for (const { id } of all) {
      const path = parts.store.logPath(app, id);
      expect(existsSync(path)).toBe(id === waiting.id);
      expect((await readLog(path, 7 * 9_999, 100)).data.toString()).toBe('a line\n');
    }
    expect((await sweep()).compressed).toEqual({ logs: 0, bytes: 0 });
  });
});

describe('a destroyed app', () => {
  it('takes its images along when it leaves the trash, but for what a new app of its name needs', async () => {
    const [own, shared, waiting] = [image('own'), image('shared'), image('waiting')];
    for (const made of [own, shared]) await release(made, 'live');
    await release(waiting);
    await parts.ledger.destroyApp(app, 'alice');
    await parts.store.setAside(app);
    const [name = ''] = await readdir(join(homePaths(home).appRepositories, '.trash'));
    await parts.ledger.createApp(app, { deployBranch: 'main' }, 'alice');
    sources.set(app, await commitFile(parts.repositories.path(app), 'Dockerfile', 'FROM scratch\n'));
    await release(shared, 'live');
    const swept: string[] = [];
    const empty = (keepMs: number): Promise<void> =>
      emptyTrash(homePaths(home).appRepositories, keepMs, signal, async (each) => {
        swept.push(each);
        const destroyed = await parts.ledger.readDestroyed(each);
        await sweepDestroyed(parts, destroyed!, signal);
      });
    await empty(DAY_MS);
    expect([swept, await isThere(own)]).toEqual([[], true]);
    await empty(0);
    expect(swept).toEqual([name]);
    expect(await Promise.all([own, shared, waiting].map((made) => isThere(made)))).toEqual([
      false,
      true,
      false,
    ]);
    expect(await readdir(join(homePaths(home).appRepositories, '.trash'))).toEqual([]);
  });
});

describe('the gate', () => {
  it('is not held by a process that was killed', async () => {
    const directory = join(homePaths(home).run, 'images', 'removing');
    await (await parts.gate.remove(app))?.[Symbol.asyncDispose]();
    const left = join(directory, `1-1-00+${app}`);
    await writeFile(left, '');
    await (await parts.gate.push(app))[Symbol.asyncDispose]();
    await expect(access(left)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('keeps nobody waiting who has given up', async () => {
    await using _removing = await parts.gate.remove(app);
    const reason = new Error('cancelled');
    await expect(parts.gate.push(app, AbortSignal.abort(reason))).rejects.toBe(reason);
    expect(await readdir(join(homePaths(home).run, 'images', 'pushing'))).toEqual([]);
  });
});
