/** What the reconciler found otherwise than the ledger says, counted since this deployer started: for the platform's metrics. */
import type { DriftView } from '../src/api/deployer-client.js';

export class Drift {
  #counts: DriftView = { passes: 0, failures: 0, stopped: 0, missing: 0, discarded: 0, strays: 0 };

  /** Of one app, found by a pass or after a death. */
  add(found: Partial<DriftView>): void {
    const names = Object.keys(this.#counts) as (keyof DriftView)[];
    this.#counts = Object.fromEntries(
      names.map((name) => [name, this.#counts[name] + (found[name] ?? 0)]),
    ) as unknown as DriftView;
  }

  get counts(): DriftView {
    return this.#counts;
  }
}
