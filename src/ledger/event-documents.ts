/**
 * What an event shows of a document: its values by name, without what is secret. A document that is not named here shows only that it
 * changed: what is new in the ledger is not shown to all who may see events before somebody has said so. Pure.
 */
import type { ChangedDocument } from './history.js';

export type Value = string | number | boolean | null | readonly unknown[];

export interface ValueChange {
  /** `formation.scale.web` */
  readonly name: string;
  readonly is: 'added' | 'changed' | 'removed';
  /** Neither of them for what is secret. */
  readonly before?: Value;
  readonly after?: Value;
}

interface Shown {
  /** What the values' names begin with. */
  readonly name: string;
  /** What of its values is shown. All without it. */
  readonly only?: RegExp;
  /** What is said to have changed, and not how. */
  readonly secret?: RegExp;
}

type Rule = readonly [path: RegExp, shown: (match: readonly string[]) => Shown];

const RULES: readonly Rule[] = [
  [
    /^(app|formation|placement|strategy|freezes|volumes|source|lock|maintenance|retention|domains)\.json$/,
    ([, name = '']) => ({ name }),
  ],
  // Sealed in the ledger, and nobody's to read in an event.
  [/^config\.json$/, () => ({ name: 'config', secret: /^/ })],
  [/^certificates\.json$/, () => ({ name: 'certificates', only: /^automatic$/ })],
  [
    /^releases\/(\d+)\.json$/,
    ([, number]) => ({
      name: `v${number}`,
      only: /^(kind|image\.|source$|message$|rollbackOf$|hosts$|domains$|description$)/,
    }),
  ],
  [/^outcomes\/(\d+)\.json$/, ([, number]) => ({ name: `v${number}.outcome`, only: /^(state|reason)$/ })],
  [/^marks\/(\d+)\.json$/, ([, number]) => ({ name: `v${number}.bad`, only: /^reason$/ })],
  [/^pins\/(\d+)\.json$/, ([, number]) => ({ name: `v${number}.pinned`, only: /^by$/ })],
  [/^(live|gone)$/, ([, name = '']) => ({ name })],
  [/^users\/(.+)\.json$/, ([, name]) => ({ name: `user.${name}`, only: /^(administrator|mayCreateApps)$/ })],
  [/^access\/(.+)\.json$/, ([, app]) => ({ name: `access.${app}` })],
  [/^keys\/[0-9a-f]+\.json$/, () => ({ name: 'key', only: /^(fingerprint|user|type|comment)$/ })],
  [
    /^tokens\/([0-9a-f]+)\.json$/,
    ([, id]) => ({
      name: `token.${id}`,
      only: /^(name|ofUser|apps|role|admin|mayCreateApps|expiresAt|revokedAt)$/,
    }),
  ],
  [/^hosts\/(.+)\.json$/, ([, host]) => ({ name: `host.${host}` })],
];

/** By name. */
export function valueChanges(change: ChangedDocument): ValueChange[] {
  const shown = shownOf(change.path);
  if (shown === undefined) {
    const name = change.path.replace(/\.json$/, '').replaceAll('/', '.');
    return [{ name, is: kindOf(change.before, change.after) }];
  }
  const before = valuesOf(change.before);
  const after = valuesOf(change.after);
  const names = [...new Set([...before.keys(), ...after.keys()])].sort();
  return names.flatMap((name): ValueChange[] => {
    if (shown.only !== undefined && !shown.only.test(name)) return [];
    const [old, next] = [before.get(name), after.get(name)];
    if (JSON.stringify(old) === JSON.stringify(next)) return [];
    const full = [shown.name, name].filter((part) => part !== '').join('.');
    const is = kindOf(old, next);
    if (shown.secret?.test(name)) return [{ name: full, is }];
    return [
      {
        name: full,
        is,
        ...(old === undefined ? {} : { before: old }),
        ...(next === undefined ? {} : { after: next }),
      },
    ];
  });
}

function shownOf(path: string): Shown | undefined {
  for (const [pattern, shown] of RULES) {
    const match = pattern.exec(path);
    if (match !== null) return shown(match);
  }
  return undefined;
}

function kindOf(before: unknown, after: unknown): ValueChange['is'] {
  if (before === undefined) return 'added';
  return after === undefined ? 'removed' : 'changed';
}

/** `{scale: {web: 2}}` → `scale.web` → 2. Lists are values. A text that is no JSON is the value of the document. */
function valuesOf(content: string | undefined): Map<string, Value> {
  const values = new Map<string, Value>();
  if (content === undefined) return values;
  const visit = (value: unknown, name: string): void => {
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      for (const [key, inner] of Object.entries(value)) visit(inner, name === '' ? key : `${name}.${key}`);
    else values.set(name, value as Value);
  };
  try {
    visit(JSON.parse(content), '');
  } catch {
    values.set('', content.trim());
  }
  return values;
}
