/** Everything that the mounts of a RUN need while it runs: taken here, given back when the step has ended. */
import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { BindMount, CacheMount, Mount, RunStep } from '../../dockerfile/step.js';
import { SlipwayError } from '../../errors.js';
import { mountedOverlay } from '../../layers/overlay.js';
import type { BuilderStore } from '../builder-store.js';
import { hashOf } from '../cache/keys.js';
import type { RunSettings } from '../run-settings.js';
import { Cleanup } from '../sandbox/cleanup.js';
import { runCommand } from '../sandbox/command.js';
import { isAtOrBelow } from '../sandbox/inside-view.js';
import type { StepMount } from '../sandbox/step.js';
import { CacheMounts, type HeldCache } from './cache-mounts.js';
import { freshenFor } from './freshen.js';
import { type Materialised, materialise } from './materialise.js';
import { inMountOrder } from './mount-keys.js';
import type { MountSource } from './mount-sources.js';
import { stepSecrets } from './secrets.js';
import { forwardAgent } from './ssh-agent.js';

export interface MountTools {
  readonly store: BuilderStore;
  readonly settings: RunSettings;
  readonly sources: ReadonlyMap<Mount, MountSource>;
  /** On the file system of the lay-outs; removed by the caller when the step has ended. */
  readonly scratch: string;
  /** Lay-outs below the step that hold files of the context. */
  readonly contextLayouts: readonly string[];
  readonly note: (text: string) => Promise<void>;
  readonly signal: AbortSignal;
}

export interface PreparedMounts extends AsyncDisposable {
  readonly mounts: readonly StepMount[];
  /** Variables beside those of the step, which they go before. */
  readonly env: ReadonlyMap<string, string>;
  /** What must not be seen in the output. */
  readonly secrets: readonly Uint8Array[];
  /** Where these may be written down: in memory. Absent without secrets. */
  readonly memory?: string;
  /** Directories that take writes which are thrown away: they count as the step's. */
  readonly writes: readonly string[];
  /** Directories of cache mounts. */
  readonly caches: readonly string[];
}

/** A copy of a seed may take as long as a step. */
const SEED_TIMEOUT_MS = 15 * 60_000;

/** Throws `secret_missing`, `source_missing`, or the signal's reason while it waits for a locked cache. */
export async function prepareMounts(step: RunStep, tools: MountTools): Promise<PreparedMounts> {
  const preparing = new Preparing(step, tools);
  try {
    return await preparing.all();
  } catch (error) {
    await preparing.cleanup.run();
    throw error;
  }
}

class Preparing {
  readonly cleanup: Cleanup = new Cleanup();
  readonly #step: RunStep;
  readonly #tools: MountTools;
  readonly #writes: string[] = [];
  readonly #opened = new Map<BindMount, Materialised>();

  constructor(step: RunStep, tools: MountTools) {
    this.#step = step;
    this.#tools = tools;
  }

  async all(): Promise<PreparedMounts> {
    const { settings, scratch } = this.#tools;
    const { mounts: wanted } = this.#step;
    const secretMounts = wanted.filter((mount) => mount.kind === 'secret');
    const secrets = await stepSecrets(secretMounts, settings, join(scratch, 'secrets'), this.cleanup);
    const ready = new Map<string, StepMount>(secrets.mounts.map((mount) => [mount.target, mount]));
    const env = new Map(secrets.env);
    const caches = await this.#caches(wanted.filter((mount) => mount.kind === 'cache'));
    for (const mount of wanted) if (mount.kind === 'bind') this.#opened.set(mount, await this.#open(mount));
    await this.#freshen(caches);
    const mounts: StepMount[] = [];
    for (const [index, mount] of inMountOrder(wanted).entries()) {
      const made = await this.#mount(mount, index, caches, ready);
      if (made !== undefined) mounts.push(made);
    }
    const agent = wanted.find((mount) => mount.kind === 'ssh');
    if (agent !== undefined) env.set('SSH_AUTH_SOCK', agent.target);
    const { cleanup } = this;
    return {
      mounts,
      env,
      secrets: secrets.values,
      ...(secrets.memory === undefined ? {} : { memory: secrets.memory }),
      writes: this.#writes,
      caches: [...caches.values()].map(({ directory }) => directory),
      [Symbol.asyncDispose]: async () => {
        const [failure] = await cleanup.run();
        if (failure !== undefined) throw failure;
      },
    };
  }

  async #mount(
    mount: Mount,
    index: number,
    caches: ReadonlyMap<string, HeldCache>,
    secrets: ReadonlyMap<string, StepMount>,
  ): Promise<StepMount | undefined> {
    switch (mount.kind) {
      case 'bind':
        return this.#bind(mount, index);
      case 'cache':
        return {
          kind: 'bind',
          target: mount.target,
          source: caches.get(cacheKey(mount))?.directory ?? '',
          type: 'directory',
          readOnly: mount.readOnly,
          own: this.#holdsOthers(mount.target),
        };
      case 'tmpfs': {
        const { target, sizeBytes } = mount;
        return { kind: 'tmpfs', target, ...(sizeBytes === undefined ? {} : { sizeBytes }) };
      }
      case 'secret':
        return mount.target === undefined ? undefined : secrets.get(mount.target);
      case 'ssh': {
        const agent = this.#tools.settings.sshAgent(mount.id);
        if (agent === undefined) {
          if (!mount.required) return undefined;
          throw new SlipwayError(
            'secret_missing',
            `the step needs the SSH agent "${mount.id}", and the build was given none`,
            { hint: `build with: slipway build --ssh ${mount.id}` },
          );
        }
        const directory = join(this.#tools.scratch, 'agents');
        await mkdir(directory, { recursive: true, mode: 0o700 });
        const { target, mode, uid, gid } = mount;
        const name = String(index);
        this.cleanup.defer(await forwardAgent(agent, { directory, name, mode, uid, gid }));
        const source = join(directory, name);
        return { kind: 'bind', target, source, type: 'file', readOnly: true, own: false, noExec: true };
      }
    }
  }

  async #bind(mount: BindMount, index: number): Promise<StepMount> {
    const { target, readWrite } = mount;
    const { path, type } = this.#opened.get(mount) ?? (await this.#open(mount));
    const bind = { kind: 'bind', target, readOnly: !readWrite } as const;
    // Another mount in it needs a mount point, which the shared files cannot get.
    if (!readWrite && !this.#holdsOthers(target)) return { ...bind, source: path, type, own: false };
    const own = join(this.#tools.scratch, `bind-${index}`);
    await mkdir(own, { mode: 0o700 });
    this.#writes.push(own);
    if (type === 'file') {
      const source = join(own, 'file');
      await copyFile(path, source);
      return { ...bind, source, type, own: false };
    }
    const upper = join(own, 'upper');
    const overlay = await mountedOverlay({
      scratch: await this.#directory(`over-${index}`),
      lowers: [path],
      upper,
    });
    this.cleanup.defer(async () => {
      await overlay[Symbol.asyncDispose]();
    });
    return { ...bind, source: overlay.path, type, own: true };
  }

  /** What builds in a cache by times must not take files that changed for old ones. */
  async #freshen(caches: ReadonlyMap<string, HeldCache>): Promise<void> {
    const { sources, contextLayouts, signal } = this.#tools;
    const layouts = [...contextLayouts, ...[...this.#opened.values()].flatMap(({ layout }) => layout ?? [])];
    const inputs = hashOf([contextLayouts, [...sources.values()].map(({ content }) => content)]);
    const written = this.#step.mounts.filter((mount) => mount.kind === 'cache' && !mount.readOnly);
    const keys = new Set(written.map((mount) => cacheKey(mount as CacheMount)));
    const held = [...caches].flatMap(([key, cache]) => (keys.has(key) ? [cache] : []));
    await freshenFor(held, inputs, layouts, signal);
  }

  /** Whether something else is mounted in it. */
  #holdsOthers(target: string): boolean {
    const { mounts, files } = this.#step;
    const targets = [...mounts.map((mount) => mount.target ?? ''), ...files.map(({ path }) => path)];
    return targets.some((other) => other !== target && isAtOrBelow(other, target));
  }

  async #directory(name: string): Promise<string> {
    const path = join(this.#tools.scratch, name);
    await mkdir(path, { mode: 0o700 });
    return path;
  }

  /** Each cache once, in an order that all steps share: two that wait for each other's never meet. */
  async #caches(mounts: readonly CacheMount[]): Promise<ReadonlyMap<string, HeldCache>> {
    const { store, settings, note, signal } = this.#tools;
    if (mounts.length > 0) await settings.beforeCaches?.(signal);
    const byKey = new Map<string, CacheMount>();
    const alone = new Set<string>();
    for (const mount of mounts) {
      const key = cacheKey(mount);
      // Nobody may change its links while mounts are made in it.
      if (this.#holdsOthers(mount.target)) alone.add(key);
      const other = byKey.get(key);
      if (other === undefined || other.sharing === 'shared') byKey.set(key, mount);
    }
    const caches = new CacheMounts(store.directory);
    const held = new Map<string, HeldCache>();
    for (const [key, mount] of [...byKey].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const seed = this.#tools.sources.get(mount);
      const { id, mode, uid, gid } = mount;
      const sharing = alone.has(key) && mount.sharing === 'shared' ? 'locked' : mount.sharing;
      const cache = await caches.take({
        ...{ scope: settings.cacheScope, id, sharing, mode, uid, gid, signal },
        ...(seed === undefined
          ? {}
          : { seed: seed.content, fill: (directory) => this.#fill(mount, directory) }),
        onWait: () => note(`waits for the cache mount ${id}, which another step has locked`),
      });
      this.cleanup.defer(() => cache.release());
      held.set(key, cache);
    }
    return held;
  }

  async #fill(mount: CacheMount, directory: string): Promise<void> {
    const { path, type } = await this.#open(mount);
    if (type === 'file') {
      throw new SlipwayError('source_missing', `the cache mount at ${mount.target} begins with a file`, {
        hint: 'a cache is a directory: name one as its source',
      });
    }
    const copied = await runCommand('cp', ['-a', '--reflink=auto', '--', `${path}/.`, directory], {
      timeoutMs: SEED_TIMEOUT_MS,
    });
    if (copied.exitCode !== 0) {
      throw new SlipwayError('unavailable', `a new cache could not be filled: ${copied.stderr.trim()}`);
    }
  }

  #open(mount: BindMount | CacheMount): Promise<Materialised> {
    const { store, sources, signal } = this.#tools;
    const source = sources.get(mount);
    if (source === undefined) throw new SlipwayError('internal', `nobody looked at ${mount.target}`);
    return source.open((selection, from) => materialise(selection, from, store, signal));
  }
}

function cacheKey({ id, from, source }: CacheMount): string {
  return JSON.stringify([id, from ?? null, from === undefined ? '' : source]);
}
