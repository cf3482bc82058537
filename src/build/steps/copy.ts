/** COPY and ADD as a step: what the instruction selects is its key; the layer is written straight from the selection. */
import type { CopyStep } from '../../dockerfile/step.js';
import type { StageInstruction } from '../../dockerfile/syntax.js';
import { SlipwayError } from '../../errors.js';
import { keyPart } from '../cache/explain.js';
import { copyKey, hashOf } from '../cache/keys.js';
import { inside, type Owner } from '../copy/copy.js';
import { Destination, EMPTY_TREE } from '../copy/destination.js';
import type { LayerPlan } from '../copy/layer-plan.js';
import { resolveChown } from '../sandbox/user.js';
import type { StageTree } from '../stage-tree.js';
import { thinChange } from '../thin/thin-copy.js';
import { openArchives, type SelectedSource, selectSources } from './copy-sources.js';
import { entriesOf, type PlannedLayer, planCopyLayer, writeLayer, writePlanned } from './copy-step.js';
import { below, type Executed, type Execution, type StepPlace, type StepTools } from './execution.js';

export async function copyExecution(
  step: CopyStep,
  instruction: StageInstruction,
  place: StepPlace,
  tools: StepTools,
): Promise<Execution> {
  const { tree, where } = place;
  const { origins, store, signal } = tools;
  const epoch = step.from?.kind === 'stage' ? tools.epoch : undefined;
  const { destination, chown, chmod, link } = step;
  // As onto nothing and then stacked: the layers below have no part in it.
  if (link && chown !== undefined) checkNumeric(chown, where);
  const selected = await selectSources(step, () => origins.source(step.from), tools);
  const named = selected.map(
    ({ argument, selection }) =>
      [selected.length === 1 ? `"${argument}"` : `"${selection.path}"`, selection] as const,
  );
  return {
    key: copyKey({
      parent: link ? undefined : tree.identity,
      destination,
      selections: selected.map(({ selection: { name, content }, unpack }) => ({ name, content, unpack })),
      chown,
      chmod,
      instruction: step.add ? 'ADD' : 'COPY',
      ...(epoch === undefined ? {} : { epoch }),
    }),
    parts: [
      keyPart('the instruction', [instruction.text, destination, chown, chmod]),
      ...named.map(([name, selection]) => keyPart(name, selection.content)),
      ...(epoch === undefined ? [] : [keyPart('SOURCE_DATE_EPOCH', epoch)]),
      ...(link ? [] : [below(place)]),
    ],
    asksOutside: step.sources.some(({ kind }) => kind !== 'path'),
    ...(step.from === undefined
      ? { pathOf: new Map(named.map(([name, selection]) => [name, selection.path])) }
      : {}),
    run: async (): Promise<Executed> => {
      const scratches: string[] = [];
      const newScratch = async (): Promise<string> => {
        const scratch = await store.layers.newScratch();
        scratches.push(scratch);
        return scratch;
      };
      try {
        const onto = link ? new Destination(EMPTY_TREE, new Map()) : await tree.destination();
        const owner = chown === undefined ? undefined : await ownerOf(chown, link, tree);
        const plan = async (of: readonly SelectedSource[]): Promise<LayerPlan> =>
          planCopyLayer(step, of, onto, owner, signal);
        const { noCache } = tools;
        const place = tools.thin && !link ? placeOf(step, tree, tools.scope) : undefined;
        const to = { isLinked: link, onto, store, signal };
        const changed =
          place === undefined || noCache
            ? undefined
            : await writeChanged(selected, destination, plan, place, to);
        if (changed !== undefined) return changed;
        const whole = await plan(await openArchives(selected, tools, newScratch));
        return await writePlanned(whole, {
          ...to,
          place: whole.hides ? undefined : place,
          tree: selected.length === 1 ? selected[0]?.selection.tree : undefined,
          noCache,
        });
      } finally {
        for (const scratch of scratches) await store.layers.removeScratch(scratch);
      }
    },
  };
}

/** A thin layer that is planned from nothing but what differs from the source of the whole one, where that can be told. */
async function writeChanged(
  [one, ...others]: readonly SelectedSource[],
  destination: string,
  plan: (of: readonly SelectedSource[]) => Promise<LayerPlan>,
  place: string,
  { onto, store, signal }: Pick<PlannedLayer, 'onto' | 'store' | 'signal'>,
): Promise<Executed | undefined> {
  if (one?.selection.changedSince === undefined || others.length > 0) return undefined;
  const whole = await store.wholes.get(place);
  const change = whole?.tree === undefined ? undefined : await one.selection.changedSince(whole.tree);
  if (whole === undefined || change === undefined) return undefined;
  const selection = { ...one.selection, entries: async () => change.entries };
  const planned = (await plan([{ ...one, selection }])).entries();
  const target = await onto.resolve(destination);
  const thin = await thinChange(
    whole,
    { paths: change.paths.map((path) => inside(target, path)), planned },
    onto,
    store,
  );
  if (thin === undefined) return undefined;
  const layer = await writeLayer(thin.entries, store, signal);
  return { layer, under: thin.under, entries: async () => entriesOf((await plan([one])).entries()) };
}

/** Names the COPY without what it copies: what it copied the last time is laid over if it is almost the same. */
function placeOf({ sources, ...step }: CopyStep, tree: StageTree, scope: string): string {
  const { destination, chown = null, chmod = null, from = null, parents, exclude } = step;
  return hashOf(['thin 1', scope, tree.identity, sources, destination, chown, chmod, from, parents, exclude]);
}

function ownerOf(chown: string, link: boolean, tree: StageTree): Promise<Owner> {
  return resolveChown((path) => (link ? Promise.resolve(undefined) : tree.readFile(path)), chown);
}

/** Names are in the files of the layers below, which a linked layer does not know. */
function checkNumeric(chown: string, where: string): void {
  const unknown = chown.split(':').find((part) => part !== '' && part !== 'root' && !/^\d+$/.test(part));
  if (unknown === undefined) return;
  throw new SlipwayError('dockerfile_invalid', `--link with --chown=${chown}: "${unknown}" is not a number`, {
    where,
    hint: "a linked layer does not see the image's /etc/passwd: write numbers, or remove --link",
  });
}
