/** Which config vars two releases have differently. */
import type { Ledger } from './ledger.js';

type Sealed = Readonly<Record<string, string>>;

export interface ConfigDifference {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly string[];
}

/** By name, sorted; never a value. The same value has another ciphertext each time it is set. */
export function configDifference(
  ledger: Pick<Ledger, 'revealConfig'>,
  app: string,
  from: Sealed,
  to: Sealed,
): ConfigDifference {
  const has = (config: Sealed, name: string): boolean => Object.hasOwn(config, name);
  const names = [...new Set([...Object.keys(from), ...Object.keys(to)])].sort();
  const plain = (name: string, sealed = ''): string | undefined =>
    ledger.revealConfig(app, { [name]: sealed })[name];
  const differs = (name: string): boolean => {
    try {
      return from[name] !== to[name] && plain(name, from[name]) !== plain(name, to[name]);
    } catch {
      // A value that cannot be decrypted any more must not stand in the way of a rollback to one that can.
      return true;
    }
  };
  return {
    added: names.filter((name) => !has(from, name)),
    removed: names.filter((name) => !has(to, name)),
    changed: names.filter((name) => has(from, name) && has(to, name) && differs(name)),
  };
}

/** All of them, sorted. */
export function differingNames({ added, removed, changed }: ConfigDifference): string[] {
  return [...added, ...removed, ...changed].sort();
}
