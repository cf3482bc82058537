/** What a rollout did on each host, one line for each: `a: pulled, started web.1, web.2, healthy`. */
import type { SlipwayError } from '../src/errors.js';
import { LOCAL_HOST } from '../src/model/host.js';
import { isSilence } from './everywhere.js';

export class HostReport {
  readonly #notes = new Map<string, string[]>();

  note(host: string, what: string): void {
    this.#notes.set(host, [...(this.#notes.get(host) ?? []), what]);
  }

  failed(host: string, error: SlipwayError): void {
    this.note(host, `${isSilence(error) ? 'unreachable' : 'failed'}: ${error.message}`);
  }

  /** `left`: the hosts that could not be cleared. */
  reverted(left: ReadonlyMap<string, SlipwayError>): void {
    for (const host of this.#notes.keys())
      this.note(host, left.has(host) ? 'cleared when it answers again' : 'reverted');
  }

  /** Empty when there is only the local engine, of which the log tells anyway. */
  lines(): string[] {
    if ([...this.#notes.keys()].every((host) => host === LOCAL_HOST)) return [];
    return [...this.#notes]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([host, notes]) => `${host}: ${notes.join(', ')}`);
  }
}
