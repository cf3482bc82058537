/** COPY and ADD as a step: what the instruction selects is its key; the layer is written straight from the selection (copy-run.ts). */
import type { CopyStep } from '../../dockerfile/step.js';
import type { StageInstruction } from '../../dockerfile/syntax.js';
import { SlipwayError } from '../../errors.js';
import { keyPart } from '../cache/explain.js';
import { copyKey } from '../cache/keys.js';
import { CopyRun } from './copy-run.js';
import { selectSources } from './copy-sources.js';
import { below, type Execution, type StepPlace, type StepTools } from './execution.js';

export async function copyExecution(
  step: CopyStep,
  instruction: StageInstruction,
  place: StepPlace,
  tools: StepTools,
): Promise<Execution> {
  const { tree, where } = place;
  const { origins } = tools;
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
    run: () => new CopyRun(step, selected, place, tools).run(),
  };
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
