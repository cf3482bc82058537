/** What the last build of each scope started from: likely the next one does too, and what its tags mean now can be asked ahead. */
import type { RememberedBase } from './remembered-build.js';

const KEPT_SCOPES = 1000;

export class LikelyBases {
  /** In order of use. */
  readonly #bases = new Map<string, readonly RememberedBase[]>();

  of(scope: string): readonly RememberedBase[] {
    return this.#bases.get(scope) ?? [];
  }

  were(scope: string, bases: readonly RememberedBase[]): void {
    this.#bases.delete(scope);
    this.#bases.set(scope, bases);
    const [longestUnused] = this.#bases.keys();
    if (this.#bases.size > KEPT_SCOPES && longestUnused !== undefined) this.#bases.delete(longestUnused);
  }
}
