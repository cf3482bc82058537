/** FROM a directory or a repository that `--build-context` named: all of it, as one layer on nothing. */
import type { StageState } from '../../dockerfile/step.js';
import { SlipwayError, toSlipwayError } from '../../errors.js';
import { translated } from '../../layers/failures.js';
import type { Layer } from '../../layers/layer.js';
import type { BuilderStore } from '../builder-store.js';
import { hashOf } from '../cache/keys.js';
import { type CopySource, plainSelector } from '../copy/copy-source.js';
import { Destination, EMPTY_TREE } from '../copy/destination.js';
import { planCopyLayer, writePlanned } from '../steps/copy-step.js';

/** `where` is the line of the FROM. No layer for a context without files. */
export async function contextBase(
  source: CopySource,
  where: string,
  { store, signal }: { readonly store: BuilderStore; readonly signal: AbortSignal },
): Promise<readonly Layer[]> {
  try {
    const [selection] = await source.select(plainSelector('.'));
    if (selection === undefined || (await selection.entries()).length < 2) return [];
    const key = hashOf(['a context as a base', selection.content]);
    const known = await store.steps.get(key);
    if (known !== undefined && (await store.blobs.has(known.layer.digest))) {
      await store.blobs.touch(known.layer.digest);
      return [known.layer];
    }
    const started = performance.now();
    const onto = new Destination(EMPTY_TREE, new Map());
    const step = { destination: '/' };
    const { layer } = await translated(store.directory, 'the layer', async () => {
      const plan = await planCopyLayer(step, [{ source, selection }], onto, undefined, signal);
      const to = { isLinked: false, onto, place: undefined, tree: undefined, noCache: false, store, signal };
      return writePlanned(plan, to);
    });
    await store.steps.put(key, { layer, ms: Math.round(performance.now() - started) });
    return [layer];
  } catch (thrown) {
    const error = toSlipwayError(thrown);
    if (error.code === 'internal') throw thrown;
    const { code, message, hint, temporary } = error;
    throw new SlipwayError(code, message, {
      where,
      ...(hint === undefined ? {} : { hint }),
      temporary,
      cause: error,
    });
  }
}

/** Every layer has its entry in the history. */
export function withBaseHistory(state: StageState, name: string, layers: readonly Layer[]): StageState {
  const history = layers.map(() => ({ created_by: `FROM ${name}`, comment: 'buildkit.dockerfile.v0' }));
  return { ...state, image: { ...state.image, history } };
}
