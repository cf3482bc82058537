/**
 * A whole build as one look-up: the same tree, Dockerfile, args and base images give the image that they gave before,
 * without a look at the tree. What a build asks the outside for (ADD of a URL or a repository, a secret in a key) is not
 * remembered.
 */
import { SlipwayError } from '../../errors.js';
import { parseReference } from '../../registry/reference.js';
import { BaseImages } from '../base-images.js';
import type { BuildRequest, BuildResult, BuildTools } from '../build-request.js';
import type { BuildListener } from '../progress.js';
import { type RememberedBuild, remembered, type ToldEvent, toldAgain } from './remembered-build.js';

export type MemoTools = Pick<BuildTools, 'store' | 'registry' | 'remote' | 'listen' | 'signal'> &
  Pick<BuildRequest, 'policy'>;

export class BuildMemo {
  readonly #key: string;
  readonly #tools: MemoTools;
  readonly #told: ToldEvent[] = [];

  /** `key` is from {@link buildKey}. */
  constructor(key: string, tools: MemoTools) {
    this.#key = key;
    this.#tools = tools;
  }

  /** Takes down what the build tells, for the next time. */
  readonly listen: BuildListener = (event) => {
    const again = toldAgain(event);
    if (again !== undefined) this.#told.push(again);
  };

  /** What the build gave before, told as a build in which everything is cached; undefined when it has to be built. */
  async recall(): Promise<BuildResult | undefined> {
    return (await this.#recallHere()) ?? (await this.#recallShared());
  }

  async remember(result: BuildResult): Promise<void> {
    if (result.asksOutside) return;
    const { store, remote } = this.#tools;
    const build = remembered(result, await result.bases.resolved(), this.#told);
    await store.builds.put(this.#key, build);
    remote?.recordBuild(this.#key, build);
  }

  async #recallHere(): Promise<BuildResult | undefined> {
    const known = await this.#tools.store.builds.get(this.#key);
    if (known === undefined) return undefined;
    const [bases, areHere] = await Promise.all([this.#sameBases(known), this.#areHere(known)]);
    if (bases === undefined || !areHere) return undefined;
    this.#tools.remote?.recordBuild(this.#key, known);
    return this.#retold(known, bases, {});
  }

  /** From another builder: its layers are in the registry, and stay there. */
  async #recallShared(): Promise<BuildResult | undefined> {
    const shared = await this.#tools.remote?.build(this.#key);
    const bases = shared && (await this.#sameBases(shared.build));
    if (shared === undefined || bases === undefined) return undefined;
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
    const { registry, store, policy, signal } = this.#tools;
    const images = new BaseImages(registry, store, policy, signal);
    const same = await Promise.all(
      bases.map(async ({ reference, platform, digest }) => {
        policy(parseReference(reference));
        return (await images.resolve(reference, platform)).digest === digest;
      }),
    ).catch((error: unknown) => {
      // The build itself says it better, with the line of the Dockerfile.
      if (error instanceof SlipwayError) return [false];
      throw error;
    });
    return same.every(Boolean) ? images : undefined;
  }

  /** The layers that the build made. They and its steps are marked as used, for the cleaning, and told to the other builders. */
  async #areHere({ layers, baseLayers, stepKeys }: RememberedBuild): Promise<boolean> {
    const { store, remote } = this.#tools;
    const used = stepKeys.map(async (key) => {
      const step = await store.steps.get(key);
      if (step !== undefined) remote?.recordStep(key, step);
    });
    const made = layers.slice(baseLayers).map(({ digest }) => store.blobs.use(digest));
    await Promise.all(used);
    return (await Promise.all(made)).every(Boolean);
  }
}
