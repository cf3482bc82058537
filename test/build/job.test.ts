/** The builder's job with a real ledger, real records, git, registry and sandbox; only the queue is a list. */
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { openBuilderStore } from '../../src/build/builder-store.js';
import { CacheExports } from '../../src/build/cache/cache-exports.js';
import { GitRemotes } from '../../src/build/context/git-remotes.js';
import { type BuilderTools, buildNext } from '../../src/build/job.js';
import { type Config, homePaths, loadConfig } from '../../src/config.js';
import { destroyApp, requestCancel } from '../../src/endings.js';
import { ALL_FAST, NONE_FAST } from '../../src/fast-paths.js';
import { AppRepositories, NO_OID } from '../../src/git/app-repository.js';
import { ObjectPool } from '../../src/git/object-pool.js';
import { openOutside } from '../../src/git/outside/open.js';
import { ImageGate } from '../../src/housekeeping/retention/image-gate.js';
import { Ledger } from '../../src/ledger/ledger.js';
import { setSource } from '../../src/ledger/source-settings.js';
import { Vault } from '../../src/ledger/vault.js';
import { createLogger } from '../../src/log.js';
import type { CommitSource, Deployment, PushOptions } from '../../src/model/deployment.js';
import { DeploymentStore } from '../../src/records/deployments.js';
import { readOutcomes } from '../../src/records/step-outcomes.js';
import { RegistryClient } from '../../src/registry/client.js';
import { asDigest } from '../../src/registry/image.js';
import { parseReference } from '../../src/registry/reference.js';
import { TestBuilder } from '../support/builder.js';
import { temporaryDirectory } from '../support/directories.js';
import { GitServer } from '../support/git-server.js';
import { commitFiles as commitElsewhere, newRepository, plainGit } from '../support/remote-repository.js';
import { commitFile, commitFiles, git } from '../support/repository.js';
import { until } from '../support/until.js';

const NO_OPTIONS: PushOptions = { detach: false, noCache: false, buildOnly: false };
const QUICK = 'FROM busybox\nRUN echo built > /built\n';
const SLOW = 'FROM busybox\nRUN echo started; sleep 1000\n';
const APP = 'shop';

/** Whoever has a role in an app that goes: here that is nobody. */
const NOBODY = { endApp: async () => {} };

let builder: TestBuilder;
let config: Config;
let tools: BuilderTools & { readonly rollouts: string[] };
const never = new AbortController().signal;

beforeAll(async () => {
  builder = await TestBuilder.start();
});
afterAll(async () => {
  await builder?.stop();
});

beforeEach(async () => {
  const home = await temporaryDirectory();
  const { host } = builder.registry;
  config = loadConfig({ SLIPWAY_HOME: home, SLIPWAY_REGISTRY: host, SLIPWAY_MIRRORS: `docker.io=${host}` });
  const paths = homePaths(home);
  await mkdir(paths.appRepositories, { recursive: true });
  const repositories = new AppRepositories(paths, git);
  const ledger = new Ledger(paths, git, await Vault.open(paths.secretKey), {
    createRepository: (app, branch) => repositories.ensure(app, branch),
  });
  await ledger.createApp(APP, { deployBranch: 'main' }, 'alice');
  const log = createLogger('test', 'silent');
  const registry = RegistryClient.fromConfig(config, log);
  const objects = new ObjectPool();
  onTestFinished(() => {
    registry.close();
    objects.close();
  });
  const rollouts: string[] = [];
  tools = {
    config,
    log,
    git,
    objects,
    remotes: new GitRemotes({ git, directory: join(paths.store, 'git'), rules: {} }),
    ledger,
    hostBook: { list: async () => [] },
    outside: openOutside({ ...config, outboundAllow: ['127.0.0.0/8'] }, { git, repositories, ledger }),
    repositories,
    registry,
    rollouts,
    store: new DeploymentStore(home),
    queues: { enqueueBuild: async () => true, enqueueRollout: async (app) => rollouts.push(app) > 0 },
    builderStore: builder.store,
    sandbox: builder.sandbox,
    by: 'this builder',
  };
});

async function push(
  dockerfile: string,
  options: Partial<PushOptions> = {},
  others: Readonly<Record<string, string>> = {},
): Promise<Deployment> {
  const files = { Dockerfile: dockerfile, ...others };
  const newOid = await commitFiles(tools.repositories.path(APP), files);
  return tools.store.create(APP, {
    kind: 'push',
    who: 'alice',
    push: { ref: 'refs/heads/main', oldOid: NO_OID, newOid, options: { ...NO_OPTIONS, ...options } },
  });
}

async function nowOf({ id }: Deployment): Promise<Deployment> {
  return (await tools.store.get(APP, id)) ?? expect.unreachable();
}

const logOf = async ({ id }: Deployment): Promise<string> =>
  readFile(tools.store.logPath(APP, id), 'utf8').catch(() => '');

const started = (deployment: Deployment): Promise<unknown> =>
  until(async () => (await logOf(deployment)).includes('| started'));

async function releases(): Promise<readonly { number: number; deploymentId: string; digest: string }[]> {
  const state = await tools.ledger.read(APP);
  return state.releases.map(({ number, deploymentId, image }) => ({
    number,
    deploymentId,
    digest: image.digest,
  }));
}

async function nothingIsLeft(): Promise<void> {
  for (const part of ['layers', 'blobs'])
    expect(await readdir(join(builder.store.directory, part, 'tmp'))).toEqual([]);
  expect(await readFile('/proc/self/mountinfo', 'utf8')).not.toContain(builder.store.directory);
}

describe('a push that is built', () => {
  it('becomes a release of an image that is in the registry, and is handed to the deployer', async () => {
    const deployment = await push(QUICK);
    await buildNext(tools, APP, never);
    const built = await nowOf(deployment);
    expect(built).toMatchObject({ state: 'ready', release: 1, steps: { total: 1 } });
    expect(built.phases.map(({ name }) => name)).toEqual(['build', 'push']);
    expect(await releases()).toEqual([{ number: 1, deploymentId: deployment.id, digest: built.digest }]);
    expect(tools.rollouts).toEqual([APP]);
    for (const tag of [`git-${deployment.push?.newOid.slice(0, 12)}`, deployment.id, `v${built.release}`]) {
      const reference = parseReference(`${builder.registry.host}/apps/${APP}:${tag}`);
      const resolved = await tools.registry.resolve(reference, {
        platform: { os: 'linux', architecture: 'amd64' },
      });
      expect(resolved.digest).toBe(built.digest);
    }
  });

  it('becomes a release of the processes that it declares, with its subject and author', async () => {
    await tools.ledger.changeFormation(
      APP,
      (now) => ({ ...now, scale: { worker: 3 } }),
      'scale worker=3',
      'bob',
    );
    await push(
      QUICK,
      {},
      {
        Procfile: 'worker: node worker.js\nrelease: bin/migrate && true\n',
        'app.json': '{"formation": {"worker": {"quantity": 1, "memory": "64m"}}}',
      },
    );
    await buildNext(tools, APP, never);
    const [release] = (await tools.ledger.read(APP)).releases;
    expect(release).toMatchObject({
      message: 'a change',
      author: 'alice',
      processes: [
        { type: 'web', scale: 1 },
        {
          type: 'worker',
          command: ['node', 'worker.js'],
          scale: 3,
          resources: { memoryBytes: 64 * 1024 * 1024 },
        },
      ],
      releasePhase: ['/bin/sh', '-c', 'bin/migrate && true'],
    });
  });

  it.each([
    ['Procfile', 'web: a\nweb b\n', 'procfile_invalid', 'Procfile:2: "web b" is not "type: command"'],
    ['app.json', '{"formation": []}', 'app_json_invalid', 'app.json:1: formation must be an object: {…}'],
    ['Procfile', 'x'.repeat(70_000), 'procfile_invalid', 'Procfile: it is larger than 65536 bytes'],
  ])('with a malformed %s is refused before anything is built', async (name, text, code, reason) => {
    const deployment = await push(SLOW, {}, { [name]: text });
    await buildNext(tools, APP, never);
    expect(await nowOf(deployment)).toMatchObject({ state: 'failed', code, reason });
    expect(await logOf(deployment)).not.toContain('RUN');
  });

  it('is of what was set while its release was being made', async () => {
    let looks = 0;
    const list = async (): Promise<[]> => {
      looks += 1;
      const stopped = { at: new Date().toISOString(), by: 'alice' };
      if (looks === 2)
        await tools.ledger.changeFormation(APP, (now) => ({ ...now, stopped }), 'stop', 'alice');
      return [];
    };
    await push(QUICK);
    await buildNext({ ...tools, hostBook: { list } }, APP, never);
    const [made] = (await tools.ledger.read(APP)).releases;
    expect(made?.processes).toEqual([{ type: 'web', scale: 0, whenStarted: 1 }]);
  });

  it('says in its log what is done, as a pusher reads it', async () => {
    const deployment = await push(QUICK);
    await buildNext(tools, APP, never);
    expect((await logOf(deployment)).replace(/[0-9.]+ (s|MB|kB)\b/g, 'N')).toMatch(
      new RegExp(
        [
          `-----> Building ${deployment.push?.newOid.slice(0, 7)}`,
          ' {7}FROM busybox',
          ' {9}busybox is sha256:[0-9a-f]{64}',
          ' {7}\\[1/1\\] RUN echo built > /built',
          ' {9}(CACHED|not cached: [^\\n]*\\n {9}done in N)',
          ' {7}1 step, [01] cached: sha256:[0-9a-f]{64}',
          '-----> Pushing the image',
          ' {7}sent N, N were there',
        ].join('\\n'),
      ),
    );
  });

  it.each([
    ['as a whole', ALL_FAST],
    ['step by step', NONE_FAST],
  ])(
    'is cached for a builder on another machine, %s, and tells of each step what became of it',
    async (_how, fast) => {
      const text = `FROM busybox\nRUN echo ${Date.now()} > /shared\n`;
      let blobs: readonly unknown[] = [];
      const onMachine = async (): Promise<Deployment> => {
        const builderStore = await openBuilderStore(await temporaryDirectory(), config.limits, fast);
        const exports = new CacheExports(builderStore, tools.log);
        const deployment = await push(text);
        await buildNext({ ...tools, builderStore, exports }, APP, never);
        await exports.settled();
        blobs = await builderStore.blobs.list();
        return nowOf(deployment);
      };
      const step = { step: 1, total: 1, stage: '0', line: 2, text: text.split('\n')[1] };
      const first = await onMachine();
      expect(await readOutcomes(tools.store.stepsPath(APP, first.id))).toEqual([
        { ...step, result: 'executed', reason: 'it has not been built before', ms: expect.any(Number) },
      ]);
      const second = await onMachine();
      expect(second).toMatchObject({ steps: { cached: 1, total: 1 }, digest: first.digest });
      expect(await readOutcomes(tools.store.stepsPath(APP, second.id))).toEqual([
        { ...step, result: 'cached', savedMs: expect.any(Number), from: 'registry' },
      ]);
      expect(await logOf(second)).toContain('CACHED (registry)');
      expect(blobs).toEqual([]);
    },
  );

  it('ends as built, without a release, when build-only was asked for', async () => {
    const deployment = await push(QUICK, { buildOnly: true });
    await buildNext(tools, APP, never);
    expect(await nowOf(deployment)).toMatchObject({ state: 'built', digest: expect.any(String) });
    expect(await releases()).toEqual([]);
    expect(tools.rollouts).toEqual([]);
    expect(await logOf(deployment)).toContain('=====> Built sha256:');
  });

  it('is the newest: those that waited before it are superseded by it', async () => {
    const older = [await push(SLOW), await push(SLOW)];
    const newest = await push(QUICK);
    await buildNext(tools, APP, never);
    for (const each of older)
      expect(await nowOf(each)).toMatchObject({
        state: 'superseded',
        reason: `superseded by build ${newest.id}`,
      });
    expect((await nowOf(newest)).state).toBe('ready');
  });

  it('is nothing to do when nobody pushed', async () => {
    await buildNext(tools, APP, never);
    expect(tools.rollouts).toEqual([]);
  });
});

describe('a commit from elsewhere', () => {
  const elsewhere = async (): Promise<{ work: string; remote: string }> => {
    const work = await newRepository(await temporaryDirectory(), { Dockerfile: QUICK });
    const server = await GitServer.start(work);
    onTestFinished(() => server.stop());
    return { work, remote: server.url };
  };
  const accept = (from: CommitSource, newOid: string): Promise<Deployment> =>
    tools.store.create(APP, {
      kind: 'push',
      who: 'alice',
      push: { ref: 'refs/heads/main', oldOid: NO_OID, newOid, options: NO_OPTIONS, from },
    });

  it('is fetched, pinned, and built like one that was pushed', async () => {
    const { work, remote } = await elsewhere();
    const commit = plainGit(['rev-parse', 'HEAD'], work);
    const deployment = await accept({ remote, ref: 'refs/heads/main' }, commit);
    await buildNext(tools, APP, never);
    expect(await nowOf(deployment)).toMatchObject({ state: 'ready', release: 1 });
    expect(await logOf(deployment)).toContain(`-----> Fetching refs/heads/main of ${remote}\n`);
    expect(await tools.repositories.pins(APP)).toEqual(new Map([[deployment.id, commit]]));
    expect((await tools.ledger.read(APP)).releases[0]?.source).toBe(commit);
  });

  it('is deployed also when the branch here has moved meanwhile: there it was decided what it is', async () => {
    const { work, remote } = await elsewhere();
    const commit = plainGit(['rev-parse', 'HEAD'], work);
    const deployment = await accept({ remote, ref: 'refs/heads/main' }, commit);
    const other = await commitFile(tools.repositories.path(APP), 'Dockerfile', SLOW);
    await tools.repositories.moveBranch(APP, 'main', undefined, other);
    await buildNext(tools, APP, never);
    expect((await nowOf(deployment)).state).toBe('ready');
  });

  it('that its branch has left behind is superseded, so that an old message takes nothing back', async () => {
    const { work, remote } = await elsewhere();
    const old = plainGit(['rev-parse', 'HEAD'], work);
    const now = await commitElsewhere(work, { Dockerfile: `${QUICK}ENV A=b\n` });
    plainGit(['update-server-info'], work);
    const deployment = await accept({ remote, ref: 'refs/heads/main' }, old);
    await buildNext(tools, APP, never);
    expect(await nowOf(deployment)).toMatchObject({
      state: 'superseded',
      reason: `refs/heads/main of ${remote} is at ${now.slice(0, 7)} by now, not at ${old.slice(0, 7)}`,
    });
    expect(await releases()).toEqual([]);
  });

  it('that cannot be fetched fails with the reason', async () => {
    const { remote } = await elsewhere();
    const deployment = await accept({ remote, ref: 'refs/heads/absent' }, 'a'.repeat(40));
    await buildNext(tools, APP, never);
    expect(await nowOf(deployment)).toMatchObject({ state: 'failed', code: 'context_invalid' });
    expect(await logOf(deployment)).toContain('refs/heads/absent cannot be fetched');
  });
});

describe('an app that is a directory of its repository', () => {
  it('is built from that alone, with its own Procfile, and what changes elsewhere builds nothing', async () => {
    const files = {
      Dockerfile: 'FROM nothing-of-this\n',
      'services/api/Dockerfile':
        'FROM busybox\nCOPY . /app\nRUN test -f /app/file && test ! -e /app/services\n',
      'services/api/file': 'x\n',
      'services/api/Procfile': 'worker: sleep 1\n',
    };
    await setSource(tools.ledger, APP, { path: 'services/api', watch: [] }, 'alice');
    const work = await newRepository(await temporaryDirectory(), files);
    const server = await GitServer.start(work);
    onTestFinished(() => server.stop());
    const build = async (): Promise<Deployment> => {
      plainGit(['update-server-info'], work);
      const newOid = plainGit(['rev-parse', 'HEAD'], work);
      const from = { remote: server.url, ref: 'refs/heads/main' };
      const push = { ref: 'refs/heads/main', oldOid: NO_OID, newOid, options: NO_OPTIONS, from };
      const deployment = await tools.store.create(APP, { kind: 'push', who: 'alice', push });
      await buildNext(tools, APP, never);
      return nowOf(deployment);
    };
    const first = await build();
    expect(first).toMatchObject({ state: 'ready' });
    expect(await logOf(first)).toContain(', services/api\n');
    const [release] = (await tools.ledger.read(APP)).releases;
    expect(release?.processes.map(({ type }) => type)).toEqual(['web', 'worker']);
    await commitElsewhere(work, { README: 'x\n' });
    expect(await build()).toMatchObject({ digest: first.digest, steps: { cached: 2, total: 2 } });
    await commitElsewhere(work, { 'services/api/Dockerfile': 'FROM busybox\nRUN false\n' });
    const failed = await build();
    expect([failed.state, await logOf(failed)]).toEqual(['failed', expect.stringContaining('Dockerfile:2')]);
    expect(await logOf(failed)).toContain('2 | >>> RUN false');
    await setSource(tools.ledger, APP, { path: 'absent', watch: [] }, 'alice');
    expect(await build()).toMatchObject({ state: 'failed', reason: expect.stringContaining('absent') });
  });
});

describe('a push of what was built before', () => {
  const build = async (
    text: string,
    from = tools,
    options: Partial<PushOptions> = {},
    others: Readonly<Record<string, string>> = {},
  ): Promise<Deployment> => {
    const deployment = await push(text, options, others);
    await buildNext(from, APP, never);
    return nowOf(deployment);
  };
  /** Without what only says which commit it is, and how long anything took. */
  const told = async (deployment: Deployment): Promise<string> =>
    (await logOf(deployment)).replace(/Building \w+|[0-9.]+ (s|MB|kB)\b/g, 'N');
  const unlistable = (): Pick<BuilderTools, 'git'> => {
    const refusing = Object.create(git) as typeof git;
    refusing.spawn = (args, call) => {
      if (args[0] === 'ls-tree') throw new Error('the tree is listed');
      return git.spawn(args, call);
    };
    return { git: refusing };
  };
  const text = (word: string): string => `FROM busybox\nWORKDIR /app\nCOPY . .\nRUN echo ${word} > made\n`;

  it('is one look-up: its tree is not even listed, and it tells what a build would tell', async () => {
    await build(text('one'));
    const walked = await build(text('one'), {
      ...tools,
      builderStore: { ...builder.store, fast: NONE_FAST },
    });
    const known = await build(text('one'), { ...tools, ...unlistable() });
    expect(known).toMatchObject({ state: 'ready', digest: walked.digest, steps: { cached: 3, total: 3 } });
    expect(await told(known)).toBe(await told(walked));
    const outcomes = await readOutcomes(tools.store.stepsPath(APP, known.id));
    expect(outcomes).toEqual(await readOutcomes(tools.store.stepsPath(APP, walked.id)));
  });

  it('is one look-up as well where only what is ignored has changed, and nothing else', async () => {
    const forgetful = (): typeof tools => {
      const steps = Object.assign(Object.create(builder.store.steps), { get: async () => undefined });
      return { ...tools, builderStore: { ...builder.store, steps } };
    };
    const files = { '.dockerignore': 'notes\n', notes: 'one', seen: 'one' };
    const first = await build(text('three'), tools, {}, files);
    const known = await build(text('three'), forgetful(), {}, { ...files, notes: 'two' });
    expect(known).toMatchObject({ state: 'ready', digest: first.digest, steps: { cached: 3, total: 3 } });
    const walked = { ...tools, builderStore: { ...builder.store, fast: NONE_FAST } };
    expect(await told(known)).toBe(
      await told(await build(text('three'), walked, {}, { ...files, notes: 'two' })),
    );
    // From now on by its tree alone.
    const again = await build(text('three'), { ...tools, ...unlistable() }, {}, { ...files, notes: 'two' });
    expect(again).toMatchObject({ digest: first.digest, steps: { cached: 3 } });
    const cachedOf = async (
      other: Readonly<Record<string, string>>,
      dockerfile = text('three'),
    ): Promise<unknown> => (await build(dockerfile, forgetful(), {}, { ...files, ...other })).steps?.cached;
    expect(await cachedOf({ seen: 'two' })).toBe(0);
    expect(await cachedOf({ '.dockerignore': 'notes\nother\n' })).toBe(0);
    expect(await cachedOf({ '.dockerignore': '' })).toBe(0);
    expect(await cachedOf({}, `${text('three')}# changed\n`)).toBe(0);
    expect(await cachedOf({ 'Dockerfile.dockerignore': 'notes\n' })).toBe(0);
  });

  it('is built again where that is asked for, or where a layer of it is gone', async () => {
    const first = await build(text('two'));
    const again = await build(text('two'), tools, { noCache: true });
    expect(again.steps).toEqual({ cached: 0, total: 3 });
    const state = await tools.ledger.read(APP);
    expect(state.releases.at(-1)?.image.digest).toBe(again.digest);
    for (const { digest } of await builder.store.blobs.list()) await builder.store.blobs.remove(digest);
    expect((await build(text('two'))).steps?.cached).toBe(0);
    expect(first.digest).toBeDefined();
  });

  it('is what was built last, when it was built anew because that was asked for', async () => {
    const dockerfile = 'FROM busybox\nRUN cat /proc/sys/kernel/random/uuid > /made\n';
    const files = { '.dockerignore': 'notes\n', notes: 'one' };
    const first = await build(dockerfile, tools, {}, files);
    const anew = await build(dockerfile, tools, { noCache: true }, files);
    expect(anew.digest).not.toBe(first.digest);
    for (const notes of ['one', 'two'])
      expect(await build(dockerfile, tools, {}, { ...files, notes })).toMatchObject({
        digest: anew.digest,
        steps: { cached: 1, total: 1 },
      });
  });

  it('is built again when the base image is another', async () => {
    const base = async (word: string): Promise<void> => {
      const { image, bases } = await builder.build(
        await builder.commit({ Dockerfile: `FROM busybox\nRUN echo ${word} > /base\n` }),
      );
      await tools.registry.pushImage({
        registry: builder.registry.host,
        repository: 'library/moving',
        layers: image.layers.map((layer) => ({
          descriptor: { mediaType: layer.mediaType, digest: asDigest(layer.digest), size: layer.sizeBytes },
          file: () => bases.blob(layer),
        })),
        config: image.config,
        manifest: image.manifest,
        tags: ['latest'],
      });
    };
    const dockerfile = 'FROM moving\nRUN cp /base /copy\n';
    await base('first');
    const first = await build(dockerfile);
    expect(await build(dockerfile)).toMatchObject({ digest: first.digest, steps: { cached: 1 } });
    await base('second');
    const moved = await build(dockerfile);
    expect(moved.steps).toEqual({ cached: 0, total: 1 });
    expect(moved.digest).not.toBe(first.digest);
  });

  it('is built again when it asks the outside: a secret that is in a key may be another one', async () => {
    const dockerfile =
      'FROM busybox\nRUN --mount=type=secret,id=TOKEN,cachekey=hash,env=TOKEN echo "$TOKEN" | wc -c > /made\n';
    await tools.ledger.setConfig(APP, { TOKEN: 'one' }, 'alice');
    await build(dockerfile);
    expect((await build(dockerfile)).steps).toEqual({ cached: 1, total: 1 });
    await tools.ledger.setConfig(APP, { TOKEN: 'another' }, 'alice');
    expect((await build(dockerfile)).steps).toEqual({ cached: 0, total: 1 });
  });
});

describe('a builder that takes over from one that died', () => {
  it('builds what that one had claimed, and what that one still writes does not count', async () => {
    const deployment = await push(QUICK);
    const dead = await tools.store.claim(APP, deployment.id, 'build', 'a dead builder');
    await buildNext(tools, APP, never);
    await tools.store.end(APP, deployment.id, { state: 'failed', ...(dead && { claim: dead.token }) });
    expect(await nowOf(deployment)).toMatchObject({ state: 'ready', release: 1 });
  });

  it('finds the release that it had appended, and makes no second one', async () => {
    const deployment = await push(QUICK);
    await tools.ledger.appendRelease(
      APP,
      {
        kind: 'deploy',
        image: { repository: `apps/${APP}`, digest: `sha256:${'1'.repeat(64)}` },
        source: deployment.push?.newOid ?? '',
        config: {},
        processes: [{ type: 'web', scale: 1 }],
        deploymentId: deployment.id,
        description: 'deploy',
      },
      'alice',
    );
    await buildNext(tools, APP, never);
    expect(await nowOf(deployment)).toMatchObject({ state: 'ready', release: 1 });
    expect(await releases()).toHaveLength(1);
  });

  it('ends what that one had claimed when a newer push waits', async () => {
    const older = await push(SLOW);
    await tools.store.claim(APP, older.id, 'build', 'a dead builder');
    const newest = await push(QUICK);
    await buildNext(tools, APP, never);
    expect(await nowOf(older)).toMatchObject({
      state: 'superseded',
      reason: `superseded by build ${newest.id}`,
    });
    expect((await nowOf(newest)).state).toBe('ready');
  });
});

describe('a build that is stopped', () => {
  it('ends as cancelled when somebody asks, and leaves nothing behind', async () => {
    const deployment = await push(SLOW);
    const job = buildNext(tools, APP, never);
    await started(deployment);
    await requestCancel(tools, APP, deployment.id, 'bob');
    await job;
    expect(await nowOf(deployment)).toMatchObject({ state: 'cancelled', reason: 'cancelled by bob' });
    expect(await logOf(deployment)).toMatch(/ ! {5}cancelled by bob\n$/);
    expect(await releases()).toEqual([]);
    await nothingIsLeft();
  });

  it('ends as failed when it takes longer than a build may', async () => {
    const deployment = await push(SLOW);
    const limits = { ...config.limits, buildTimeoutMs: 700 };
    await buildNext({ ...tools, config: { ...config, limits } }, APP, never);
    expect(await nowOf(deployment)).toMatchObject({ state: 'failed', code: 'build_timeout' });
    expect(await logOf(deployment)).toContain(
      ' !     the build took longer than 0.70 s\n !     make it faster, or have the operator raise SLIPWAY_LIMIT_BUILD_TIMEOUT_MS\n',
    );
    await nothingIsLeft();
  });

  it('writes nothing once its lease is lost, and is built by the next', async () => {
    const deployment = await push(SLOW);
    const lease = new AbortController();
    const job = buildNext(tools, APP, lease.signal);
    await started(deployment);
    const before = { journal: await nowOf(deployment), log: await logOf(deployment) };
    lease.abort(new Error('lock lost'));
    await job;
    expect({ journal: await nowOf(deployment), log: await logOf(deployment) }).toEqual(before);
    await nothingIsLeft();
  });

  it('stops, and writes nothing, when another builder claims it', async () => {
    const deployment = await push(SLOW);
    const job = buildNext(tools, APP, never);
    await started(deployment);
    const before = await logOf(deployment);
    const other = await tools.store.claim(APP, deployment.id, 'build', 'another builder');
    await job;
    expect(await nowOf(deployment)).toMatchObject({ state: 'building', claim: { token: other?.token } });
    expect(await logOf(deployment)).toBe(before);
    await nothingIsLeft();
  });

  it('stops when its app is destroyed', async () => {
    const deployment = await push(SLOW);
    const job = buildNext(tools, APP, never);
    await started(deployment);
    await destroyApp({ ...tools, people: NOBODY }, APP, 'alice');
    await job;
    expect(await tools.ledger.appExists(APP)).toBe(false);
    await nothingIsLeft();
  });
});

describe('a build that fails', () => {
  it('shows the Dockerfile around the line that failed, before the reason', async () => {
    const deployment = await push('FROM busybox\nENV A=1\nRUN exit 3\nENV B=1\n');
    await buildNext(tools, APP, never);
    expect(await logOf(deployment)).toMatch(
      / {10}2 \| {5}ENV A=1\n {10}3 \| >>> RUN exit 3\n {10}4 \| {5}ENV B=1\n {7}-+\n ! {5}Dockerfile:3: RUN exit 3: /,
    );
  });

  it('says why in the log and in its record, with the line', async () => {
    const deployment = await push('FROM busybox\nRUN exit 3\n');
    await buildNext(tools, APP, never);
    const reason = 'Dockerfile:2: RUN exit 3: the command ended with exit code 3';
    expect(await nowOf(deployment)).toMatchObject({ state: 'failed', code: 'step_failed', reason });
    expect(await logOf(deployment)).toContain(` !     ${reason}\n !     its output is above`);
    expect(tools.rollouts).toEqual([]);
  });

  it('is not begun when the branch has moved to what the push does not contain', async () => {
    const gitDir = tools.repositories.path(APP);
    const moved = await commitFile(gitDir, 'Dockerfile', 'FROM scratch\n');
    await git.run(['update-ref', 'refs/heads/main', moved], { gitDir });
    const deployment = await push(QUICK);
    await buildNext(tools, APP, never);
    expect(await nowOf(deployment)).toMatchObject({ state: 'failed', code: 'not_fast_forward' });
    expect(await logOf(deployment)).toContain('fetch and merge it, then push again');
  });

  it('fails with the reason when the registry goes away in the middle', async () => {
    const deployment = await push('FROM busybox\nRUN echo started; sleep 1; date > /now\n');
    const job = buildNext(tools, APP, never);
    await started(deployment);
    await builder.registry.halt('SIGKILL');
    try {
      await job;
    } finally {
      await builder.registry.resume();
    }
    expect(await nowOf(deployment)).toMatchObject({ state: 'failed', code: 'registry_unavailable' });
    expect(await releases()).toEqual([]);
    const again = await push('FROM busybox\nRUN echo started; sleep 1; date > /now\n');
    await buildNext(tools, APP, never);
    expect(await nowOf(again)).toMatchObject({ state: 'ready', steps: { cached: 1, total: 1 } });
  });

  it('shows no inner word of a fault of Slipway itself', async () => {
    const deployment = await push(QUICK);
    const registry = Object.create(tools.registry, {
      resolve: { value: () => Promise.reject(new TypeError('cannot read the secret of undefined')) },
    });
    await buildNext({ ...tools, registry }, APP, never);
    expect(await nowOf(deployment)).toMatchObject({
      state: 'failed',
      code: 'internal',
      reason: `Slipway failed (build ${deployment.id})`,
    });
    expect(await logOf(deployment)).not.toContain('secret');
  });
});

describe('mounts of an app', () => {
  const onMachine = async (text: string, builderTools: BuilderTools = tools): Promise<string> => {
    const builderStore = await openBuilderStore(await temporaryDirectory(), config.limits);
    const exports = new CacheExports(builderStore, tools.log);
    const deployment = await push(text);
    await buildNext({ ...builderTools, builderStore, exports }, APP, never);
    await exports.settled();
    expect((await nowOf(deployment)).state).toBe('ready');
    return logOf(deployment);
  };
  const caching = (word: string): string =>
    `FROM busybox\nRUN --mount=type=cache,target=/cache echo ${word} >> /cache/words; cat /cache/words\n`;

  it('get its config vars as secrets, which nobody sees', async () => {
    await tools.ledger.setConfig(APP, { TOKEN: 'correct-horse' }, 'alice');
    const mount = 'RUN --mount=type=secret,id=TOKEN,env=TOKEN --mount=type=secret,id=OTHER';
    const log = await onMachine(`FROM busybox\n${mount} echo "it is $TOKEN"; ls /run/secrets || echo none\n`);
    expect(log).toContain('it is ***');
    expect(log).toContain('| none');
    expect(log).not.toContain('correct-horse');
  });

  it('are not those of an app that had its name before, and its files are in no layer', async () => {
    const sharing = { ...tools, config: { ...config, shareCacheMounts: true } };
    const files = Object.fromEntries(Array.from({ length: 240 }, (_, at) => [`f${at}`, `text ${at}`]));
    const dockerfile =
      'FROM busybox\nRUN --mount=type=cache,target=/cache ls /cache; touch /cache/theirs\nCOPY . /app\n';
    const build = async (secret: string): Promise<Deployment> => {
      const exports = new CacheExports(builder.store, tools.log);
      const deployment = await push(dockerfile, {}, { ...files, secret });
      await buildNext({ ...sharing, exports }, APP, never);
      await exports.settled();
      return nowOf(deployment);
    };
    const layersOf = async ({ digest }: Deployment): Promise<number> =>
      (await tools.registry.resolve(parseReference(`${builder.registry.host}/apps/${APP}@${digest}`), {}))
        .layers.length;
    await build('theirs');
    // Its own next build lies over the layer of its first.
    expect(await layersOf(await build('theirs as well'))).toBe(4);
    await destroyApp({ ...tools, people: NOBODY }, APP, 'alice');
    await tools.ledger.createApp(APP, { deployBranch: 'main' }, 'bob');
    const own = await build('own');
    expect(own.state).toBe('ready');
    expect(await logOf(own)).not.toContain('| theirs');
    expect(await layersOf(own)).toBe(3);
  });

  it('share caches with its other builders when the operator wants that', async () => {
    const sharing = { ...tools, config: { ...config, shareCacheMounts: true } };
    const word = `first-${Date.now()}`;
    await onMachine(caching(word), sharing);
    const log = await onMachine(caching('second'), sharing);
    expect(log).toContain('cache mounts of another builder: /cache');
    expect(log).toMatch(new RegExp(`\\| ${word}\\n.*\\| second`));
    expect(await onMachine(caching('third'))).not.toContain(`| ${word}`);
  });
});

describe('room and the removal of images', () => {
  it('begins no build on a disk that is almost full, and says how much is needed where', async () => {
    tools = { ...tools, config: { ...config, buildFreeBytes: Number.MAX_SAFE_INTEGER } };
    const pushed = await push(QUICK);
    await buildNext(tools, APP, never);
    expect(await nowOf(pushed)).toMatchObject({ state: 'failed', code: 'disk_full' });
    const log = await logOf(pushed);
    expect(log).toContain(`${builder.store.directory}: there is too little room to build: `);
    expect(log).toContain('SLIPWAY_BUILD_FREE_BYTES');
    expect(log).not.toContain('Building');
    expect(await releases()).toEqual([]);
  });

  it('pushes no image while one of the app is removed, and lets none be removed until its release is written', async () => {
    const gate = new ImageGate(homePaths(config.home).run);
    const removing = await gate.remove(APP);
    const pushed = await push(QUICK);
    const building = buildNext(tools, APP, never);
    await until(async () => (await logOf(pushed)).includes('Pushing the image'));
    expect(await releases()).toEqual([]);
    await removing?.[Symbol.asyncDispose]();
    let wasHeld = false;
    const { ledger } = tools;
    const append = ledger.appendRelease.bind(ledger);
    ledger.appendRelease = async (...args) => {
      wasHeld = (await gate.remove(APP)) === undefined;
      return append(...args);
    };
    await building;
    expect(await nowOf(pushed)).toMatchObject({ state: 'ready' });
    expect(wasHeld).toBe(true);
    await using free = await gate.remove(APP);
    expect(free).toBeDefined();
  });
});
