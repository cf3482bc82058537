/** A real builder for tests: store, sandbox, registry with a busybox base image, and commits made from plain files. */
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type LayerEntry, openLayerWriter } from '../../native/index.js';
import { buildImage } from '../../src/build/build.js';
import type { BuildRequest, BuildResult, BuildTools } from '../../src/build/build-request.js';
import { type BuilderStore, openBuilderStore } from '../../src/build/builder-store.js';
import type { BuildContext } from '../../src/build/context/context.js';
import { GitContext } from '../../src/build/context/git-context.js';
import { TreeListings } from '../../src/build/context/tree-listings.js';
import { assembleImage, LAYER_TYPE } from '../../src/build/image.js';
import { appImagePolicy } from '../../src/build/image-policy.js';
import { logEvents } from '../../src/build/log-events.js';
import { plainRunSettings } from '../../src/build/run-settings.js';
import type { Cidr } from '../../src/build/sandbox/cidr.js';
import { Sandbox } from '../../src/build/sandbox/runtime.js';
import { DEFAULT_LIMITS, type Limits } from '../../src/config.js';
import { Git } from '../../src/git/git.js';
import { ObjectReader } from '../../src/git/objects.js';
import { readLog } from '../../src/logs/log-reader.js';
import { BuildLog } from '../../src/logs/log-writer.js';
import { RegistryClient } from '../../src/registry/client.js';
import { asDigest } from '../../src/registry/image.js';
import { hostPlatform, type Mirror } from '../../src/registry/pull.js';
import { temporaryDirectory } from './directories.js';
import { startRegistry, type TestRegistry } from './registry.js';

/** A file's text; `{ text, mode }`; `{ bytes }`; or `{ link }`. Null removes it. */
export type Files = Readonly<
  Record<string, string | { text: string; mode: number } | { bytes: Buffer } | { link: string } | null>
>;

export interface Built extends BuildResult {
  readonly log: string;
}

export class TestBuilder {
  readonly git: Git = new Git();
  readonly listings: TreeListings = new TreeListings();
  readonly registry: TestRegistry;
  readonly client: RegistryClient;
  readonly store: BuilderStore;
  readonly sandbox: Sandbox;
  readonly directory: string;
  readonly #mirrors: readonly Mirror[];
  readonly #reader: ObjectReader;
  readonly #work: string;
  #builds = 0;

  private constructor(directory: string, registry: TestRegistry, store: BuilderStore, sandbox: Sandbox) {
    this.directory = directory;
    this.registry = registry;
    this.store = store;
    this.sandbox = sandbox;
    this.#mirrors = [{ from: 'docker.io', to: registry.host }];
    this.client = new RegistryClient({
      mirrors: this.#mirrors,
      pushAllowed: [registry.host],
    });
    this.#work = join(directory, 'work');
    execFileSync('git', ['init', '--quiet', '--initial-branch=main', this.#work]);
    this.#reader = new ObjectReader(this.gitDir);
  }

  static async start(storeDirectory?: string): Promise<TestBuilder> {
    const directory = await temporaryDirectory();
    const registry = await startRegistry();
    const store = await openBuilderStore(storeDirectory ?? join(directory, 'store'), DEFAULT_LIMITS);
    const sandbox = await Sandbox.probe({
      stateDir: store.sandboxDirectory,
      inMemory: true,
      networkAllow: [],
    });
    const builder = new TestBuilder(directory, registry, store, sandbox);
    await pushBusybox(builder.client, registry.host, directory);
    return builder;
  }

  get gitDir(): string {
    return join(this.#work, '.git');
  }

  async stop(): Promise<void> {
    this.#reader.close();
    this.client.close();
    await this.sandbox.close();
    await this.registry.stop();
    await rm(this.directory, { recursive: true, force: true });
  }

  /** Changes the files of the last commit and commits; returns the commit id. */
  async commit(files: Files): Promise<string> {
    for (const [path, content] of Object.entries(files)) {
      const at = join(this.#work, path);
      await rm(at, { recursive: true, force: true });
      if (content === null) continue;
      await mkdir(dirname(at), { recursive: true });
      if (typeof content === 'string') await writeFile(at, content);
      else if ('link' in content) await symlink(content.link, at);
      else if ('bytes' in content) await writeFile(at, content.bytes);
      else {
        await writeFile(at, content.text);
        await chmod(at, content.mode);
      }
    }
    const options = { cwd: this.#work, stdio: 'ignore' } as const;
    execFileSync('git', ['add', '--all', '--force'], options);
    const identity = ['-c', 'user.name=t', '-c', 'user.email=t@example.com'];
    execFileSync('git', [...identity, 'commit', '--quiet', '--allow-empty', '-m', 'change'], options);
    return execFileSync('git', ['rev-parse', 'HEAD'], { cwd: this.#work, encoding: 'utf8' }).trim();
  }

  /** A commit of `commit`. */
  context(commit: string, limits: Limits = DEFAULT_LIMITS): Promise<GitContext> {
    const source = { git: this.git, gitDir: this.gitDir, objects: this.#reader, listings: this.listings };
    return GitContext.open(commit, source, limits);
  }

  /** Builds a commit, or what there is in a context. A failure carries the log as `log`. */
  async build(
    from: string | BuildContext,
    options: Partial<Omit<BuildRequest, 'context'>> & {
      limits?: Partial<Limits>;
      downloadAllow?: readonly Cidr[];
      signal?: AbortSignal;
      store?: BuilderStore;
      /** Instead of the builder's own. */
      tools?: Partial<Pick<BuildTools, 'registry' | 'remote' | 'openGit' | 'onLayer' | 'stepsAtOnce'>>;
    } = {},
  ): Promise<Built> {
    const path = join(this.directory, `build-${++this.#builds}.log`);
    const limits = { ...DEFAULT_LIMITS, ...options.limits };
    const log = await BuildLog.open(path, limits);
    const text = async (): Promise<string> => (await readLog(path, 0, 1 << 28)).data.toString('utf8');
    try {
      const result = await buildImage(
        {
          context: typeof from === 'string' ? await this.context(from, limits) : from,
          dockerfile: 'Dockerfile',
          buildArgs: {},
          platform: hostPlatform(),
          noCache: false,
          policy: appImagePolicy(
            { registry: { host: this.registry.host }, mirrors: this.#mirrors, insecureRegistries: [] },
            'test',
          ),
          run: plainRunSettings('test'),
          scope: 'test',
          ...options,
        },
        {
          store: options.store ?? this.store,
          sandbox: this.sandbox,
          registry: this.client,
          limits,
          downloadAllow: options.downloadAllow ?? [],
          listen: logEvents(log),
          signal: options.signal ?? new AbortController().signal,
          ...options.tools,
        },
      );
      await log.close();
      return { ...result, log: await text() };
    } catch (error) {
      await log.close();
      throw Object.assign(error as Error, { log: await text() });
    }
  }
}

/** `FROM busybox`: the machine's own busybox-static, with a link for each of its applets. */
export async function pushBusybox(client: RegistryClient, host: string, directory: string): Promise<void> {
  const applets = execFileSync('/bin/busybox', ['--list'], { encoding: 'utf8' }).split('\n').filter(Boolean);
  const common = { uid: 0, gid: 0, mtime: 0 };
  const folder = (path: string, mode = 0o755): LayerEntry => ({ path, type: 'directory', mode, ...common });
  const file = (path: string, data: Uint8Array, mode = 0o644): LayerEntry => ({
    path,
    type: 'file',
    mode,
    data,
    ...common,
  });
  const entries: LayerEntry[] = [
    folder('bin'),
    file('bin/busybox', await readFile('/bin/busybox'), 0o755),
    ...applets
      .filter((name) => name !== 'busybox')
      .map(
        (name): LayerEntry => ({
          path: `bin/${name}`,
          type: 'symlink',
          mode: 0o777,
          linkname: 'busybox',
          ...common,
        }),
      ),
    folder('dev'),
    folder('etc'),
    file('etc/group', Buffer.from('root:x:0:\nnobody:x:65534:\napp:x:1000:\n')),
    file(
      'etc/passwd',
      Buffer.from(
        'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\napp:x:1000:1000::/home/app:/bin/sh\n',
      ),
    ),
    folder('proc'),
    folder('root', 0o700),
    folder('sys'),
    folder('tmp', 0o1777),
  ];
  const path = join(directory, 'busybox.layer');
  const writer = openLayerWriter({ path, compression: 'gzip' });
  await writer.write(entries);
  const written = await writer.finish();
  const layer = {
    diffId: written.diffId,
    digest: written.digest,
    sizeBytes: written.sizeBytes,
    mediaType: LAYER_TYPE,
  };
  const { architecture, os } = hostPlatform();
  const image = assembleImage(
    { architecture, os, config: { Cmd: ['sh'], Env: ['PATH=/bin'] }, history: [{ created_by: 'busybox' }] },
    [layer],
    0,
    1,
  );
  await client.pushImage({
    registry: host,
    repository: 'library/busybox',
    layers: [
      {
        descriptor: { mediaType: LAYER_TYPE, digest: asDigest(layer.digest), size: layer.sizeBytes },
        file: path,
      },
    ],
    config: image.config,
    manifest: image.manifest,
    tags: ['latest'],
  });
}
