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
    const { store, listen } = this.#tools;
    const known = await store.builds.get(this.#key);
    if (known === undefined) return undefined;
    const [bases, isHere] = await Promise.all([this.#sameBases(known), this.#areHere(known)]);
    if (bases === undefined || !isHere) return undefined;
    for (const event of known.told) await listen(event);
    const { layers, baseLayers } = known;
    const config = Buffer.from(known.config);
    const manifest = Buffer.from(known.manifest);
    const total = known.told.filter(({ type }) => type === 'step').length;
    return {
      image: {
        digest: known.digest,
        manifest,
        config,
        layers,
        baseLayers,
        document: JSON.parse(known.config),
      },
      bases,
      steps: { cached: total, total },
      stepKeys: known.stepKeys,
      asksOutside: false,
    };
  }

  async remember(result: BuildResult): Promise<void> {
    if (result.asksOutside) return;
    const bases = await result.bases.resolved();
    await this.#tools.store.builds.put(this.#key, remembered(result, bases, this.#told));
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
