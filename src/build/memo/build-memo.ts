/**
 * A whole build as one look-up: the same tree, Dockerfile, args and base images give the image that they gave before,
 * without a look at the tree; and so do the same files, where the trees differ only in what is ignored. What a build asks
 * the outside for (ADD of a URL or a repository, a secret in a key) is not remembered.
 */
import { SlipwayError } from '../../errors.js';
import { parseReference } from '../../registry/reference.js';
import { BaseImages } from '../base-images.js';
import type { BuildRequest, BuildResult, BuildTools } from '../build-request.js';
import { mayUse } from '../cache/cached.js';
import type { BuildListener } from '../progress.js';
import {
  type BuildIdentity,
  buildKey,
  type RememberedBuild,
  remembered,
  type ToldEvent,
  toldAgain,
} from './remembered-build.js';

export interface MemoTools
  extends Pick<BuildTools, 'store' | 'registry' | 'remote' | 'listen' | 'signal'>,
    Pick<BuildRequest, 'policy' | 'scope' | 'noCache'> {
  /** Earlier commits of the app were built here: likely is the build known here, or nowhere. */
  readonly isKnownHere: boolean;
}

export class BuildMemo {
  readonly #identity: BuildIdentity;
  readonly #tools: MemoTools;
  /** What tags mean is asked once. */
  readonly #bases: BaseImages;
  readonly #told: ToldEvent[] = [];
  /** By the tree, and by the files that the build sees. */
  readonly #keys: string[];
  #hasAskedOthers = false;
  #isRecalled = false;

  constructor(identity: BuildIdentity, tools: MemoTools) {
    this.#identity = identity;
    this.#keys = [buildKey(identity)];
    this.#tools = tools;
    const { registry, store, policy, scope, noCache, signal } = tools;
    this.#bases = new BaseImages(registry, store, policy, signal);
    if (noCache) return;
    for (const { reference, platform } of store.likelyBases.of(scope))
      this.#bases.resolve(reference, platform).catch(() => undefined);
  }

  /** Takes down what the build tells, for the next time. */
  readonly listen: BuildListener = (event) => {
    const again = toldAgain(event);
    if (again !== undefined) this.#told.push(again);
  };

  /** What the build gave before, told as a build in which everything is cached; undefined when it has to be looked at. */
  async recall(): Promise<BuildResult | undefined> {
    if (this.#tools.noCache) return undefined;
    const here = await this.#recallHere(this.#treeKey);
    return here === undefined && !this.#tools.isKnownHere ? this.#recallShared() : here;
  }

  /** The same, once the build has looked: `files` names all that it sees, where that is not the whole tree. */
  async recallFiles(files: string | undefined): Promise<BuildResult | undefined> {
    const key = files === undefined ? undefined : buildKey({ ...this.#identity, tree: files });
    if (key !== undefined) this.#keys.push(key);
    if (this.#tools.noCache) return undefined;
    const here = key === undefined ? undefined : await this.#recallHere(key);
    return here ?? this.#recallShared();
  }

  async remember(result: BuildResult): Promise<void> {
    if (result.asksOutside || this.#isRecalled) return;
    const { store, remote, scope } = this.#tools;
    const build = remembered(result, await result.bases.resolved(), this.#told);
    await Promise.all(this.#keys.map((key) => store.builds.put(key, build)));
    store.likelyBases.were(scope, build.bases);
    remote?.recordBuild(this.#treeKey, build);
  }

  get #treeKey(): string {
    return this.#keys[0] as string;
  }

  async #recallHere(key: string): Promise<BuildResult | undefined> {
    const { store, remote, scope } = this.#tools;
    const known = await store.builds.get(key);
    if (known === undefined) return undefined;
    const [bases, areHere] = await Promise.all([this.#sameBases(known), this.#areHere(known)]);
    if (bases === undefined || !areHere) return undefined;
    remote?.recordBuild(this.#treeKey, known);
    store.likelyBases.were(scope, known.bases);
    const [result] = await Promise.all([
      this.#retold(known, bases, {}),
      key === this.#treeKey ? undefined : store.builds.put(this.#treeKey, known),
    ]);
    return result;
  }

  /** From another builder: its layers are in the registry, and stay there. */
  async #recallShared(): Promise<BuildResult | undefined> {
    if (this.#hasAskedOthers) return undefined;
    this.#hasAskedOthers = true;
    const { remote } = this.#tools;
    const shared = await remote?.build(this.#treeKey);
    if (remote === undefined || shared === undefined) return undefined;
    const [bases, isThere] = await Promise.all([
      this.#sameBases(shared.build),
      remote.useBuild(this.#treeKey, shared),
    ]);
    if (bases === undefined || !isThere) return undefined;
    const { build, place } = shared;
    for (const layer of build.layers.slice(build.baseLayers)) bases.know(layer, place);
    return this.#retold(build, bases, { from: 'registry' });
  }

  /** `from` is where the steps' results are, if not on this machine. */
  async #retold(
    known: RememberedBuild,
    bases: BaseImages,
    from: { readonly from?: 'registry' },
  ): Promise<BuildResult> {
    this.#isRecalled = true;
    for (const event of known.told)
      await this.#tools.listen(event.type === 'cached' ? { ...event, ...from } : event);
    const { digest, layers, baseLayers, config, manifest, stepKeys } = known;
    const total = known.told.filter(({ type }) => type === 'step').length;
    return {
      image: {
        digest,
        manifest: Buffer.from(manifest),
        config: Buffer.from(config),
        layers,
        baseLayers,
        document: JSON.parse(config),
      },
      bases,
      steps: { cached: total, total },
      stepKeys,
      asksOutside: false,
    };
  }

  /** The tags that the build started from still mean the same images. */
  async #sameBases({ bases }: RememberedBuild): Promise<BaseImages | undefined> {
    const same = await Promise.all(
      bases.map(async ({ reference, platform, digest }) => {
        this.#tools.policy(parseReference(reference));
        return (await this.#bases.resolve(reference, platform)).digest === digest;
      }),
    ).catch((error: unknown) => {
      // The build itself says it better, with the line of the Dockerfile.
      if (error instanceof SlipwayError) return [false];
      throw error;
    });
    return same.every(Boolean) ? this.#bases : undefined;
  }

  /** The layers that the build made. They and its steps are marked as used, for the cleaning, and told to the other builders. */
  async #areHere({ layers, baseLayers, stepKeys }: RememberedBuild): Promise<boolean> {
    const { store, remote, scope } = this.#tools;
    const used = stepKeys.map(async (key) => {
      const step = await store.steps.get(key);
      if (step !== undefined && mayUse(step, { scope, thin: true })) remote?.recordStep(key, step);
    });
    const made = layers.slice(baseLayers).map(({ digest }) => store.blobs.use(digest));
    await Promise.all(used);
    return (await Promise.all(made)).every(Boolean);
  }
}
