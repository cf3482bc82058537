/** What a name after FROM, `--from` or `from=` means: a named context goes before a stage, a stage before an image. */

import type { BuildPlan, NamedContext, Origin, StageBase } from './build-plan.js';
import { invalid, quoted } from './problems.js';
import type { CopyInstruction } from './syntax.js';

/** What names are looked up in. */
export type NameScope = Pick<BuildPlan, 'stageNames' | 'contexts'>;

/** What `--build-context` put in the place of the name; undefined when nothing did. */
export function namedContext(name: string, { contexts }: NameScope): StageBase | undefined {
  if (contexts.size === 0 || /^(scratch|context)$/i.test(name)) return undefined;
  const wanted = familiarName(name);
  for (const [key, context] of contexts) {
    if (key !== name.toLowerCase() && familiarName(key) !== wanted) continue;
    return baseOf(key, context);
  }
  return undefined;
}

function baseOf(name: string, context: NamedContext): StageBase {
  if (context.kind === 'directory') return { kind: 'context', name };
  return context.reference === 'scratch'
    ? { kind: 'scratch' }
    : { kind: 'image', reference: context.reference };
}

/** `docker.io/library/alpine:latest` → `alpine`: ways to write one image are one name. */
function familiarName(name: string): string {
  return name
    .toLowerCase()
    .replace(/^(index\.)?docker\.io\//, '')
    .replace(/^library\/(?=[^/]+$)/, '')
    .replace(/:latest$/, '');
}

/**
 * What `COPY --from` names: an earlier stage by name or index, else an image. Undefined for the build context.
 * Throws `dockerfile_invalid` for the stage itself or a later one.
 */
export function copySource(
  { from }: CopyInstruction,
  index: number,
  scope: NameScope,
  where: string,
): Origin | undefined {
  return from === undefined ? undefined : originOf(from, `COPY --from=${from}`, index, scope, where);
}

/** What the `from` of a mount names. Throws `dockerfile_invalid`. */
export function mountOrigin(from: string, index: number, scope: NameScope, where: string): Origin {
  return originOf(from, `RUN --mount=from=${from}`, index, scope, where);
}

function originOf(from: string, shown: string, index: number, scope: NameScope, where: string): Origin {
  const names = scope.stageNames;
  const isIndex = /^\d+$/.test(from);
  const named = isIndex || index === 0 ? -1 : names.lastIndexOf(from.toLowerCase(), index - 1);
  const stage = isIndex ? Number(from) : named;
  const isEarlier = stage >= 0 && stage < index;
  const replaced = namedContext((isEarlier ? names[stage] : undefined) ?? from, scope);
  if (replaced !== undefined) return filled(replaced, shown, where);
  if (isEarlier) return { kind: 'stage', index: stage };
  if (isIndex) {
    const earlier =
      index === 0 ? 'there is no stage before this one' : `the stages before this one are 0 to ${index - 1}`;
    throw invalid(where, `${shown}: there is no earlier stage ${from}`, earlier);
  }
  const later = names.indexOf(from.toLowerCase(), index);
  if (later === index) throw invalid(where, `${shown}: a stage cannot use itself`, 'name an earlier stage');
  if (later > index) {
    throw invalid(
      where,
      `${shown}: that stage comes later in the file`,
      `move stage ${from} before this one`,
    );
  }
  if (from === 'scratch') return filled({ kind: 'scratch' }, shown, where);
  if (/\s/.test(from)) throw invalid(where, `${shown}: ${quoted(from)} is neither a stage nor an image`);
  return { kind: 'image', reference: from };
}

function filled(base: StageBase, shown: string, where: string): Origin {
  if (base.kind !== 'scratch') return base;
  throw invalid(where, `${shown}: scratch holds no files`, 'name a stage or an image');
}
