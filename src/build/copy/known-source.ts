/**
 * A stage or an image to copy from, of which it is known what was selected before: a cached step never fetches it, lays
 * it out or mounts it.
 */
import { SlipwayError } from '../../errors.js';
import type { CachedSelection } from '../cache/cached.js';
import type { CopySource, PathSelector, Selection, SourceEntry } from './copy-source.js';

/** What selectors found in this tree. */
export interface KnownSelections {
  get(selector: PathSelector): Promise<readonly CachedSelection[] | undefined>;
  put(selector: PathSelector, found: readonly CachedSelection[]): Promise<void>;
  /** Two looks at the same tree differ: neither is to be believed again. */
  forget(selector: PathSelector): Promise<void>;
}

export class KnownSource implements CopySource {
  readonly #known: KnownSelections;
  readonly #open: () => Promise<CopySource>;

  /** `open` looks at the files themselves. */
  constructor(known: KnownSelections, open: () => Promise<CopySource>) {
    this.#known = known;
    this.#open = open;
  }

  async select(selector: PathSelector): Promise<readonly Selection[]> {
    const known = await this.#known.get(selector);
    if (known !== undefined) {
      return known.map(
        (one, index): Selection => ({
          ...one,
          entries: () => this.#entries(selector, one, index),
        }),
      );
    }
    const found = await (await this.#open()).select(selector);
    await this.#known.put(
      selector,
      found.map(({ name, path, content }) => ({ name, path, content })),
    );
    return found;
  }

  async content(entry: SourceEntry): ReturnType<CopySource['content']> {
    return (await this.#open()).content(entry);
  }

  async #entries(
    selector: PathSelector,
    known: CachedSelection,
    index: number,
  ): Promise<readonly SourceEntry[]> {
    const found = (await (await this.#open()).select(selector))[index];
    if (found?.content === known.content && found.name === known.name) return found.entries();
    await this.#known.forget(selector);
    throw new SlipwayError('layer_invalid', `the cache names other files at "${known.path}" than there are`, {
      hint: 'the entry is removed now: build again',
      temporary: true,
    });
  }
}
