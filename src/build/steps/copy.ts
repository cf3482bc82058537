/** COPY and ADD as a step: what the instruction selects is its key; the layer is written straight from the selection. */
import type { CopyStep, StageInstruction } from '../../dockerfile/types.js';
import { keyPart } from '../cache/explain.js';
import { copyKey } from '../cache/keys.js';
import { resolveChown } from '../sandbox/user.js';
import { refuseArchives, selectSources, writeCopyLayer } from './copy-step.js';
import { below, type Execution, type StepPlace, type StepTools } from './execution.js';

export async function copyExecution(
  step: CopyStep,
  instruction: StageInstruction,
  place: StepPlace,
  { origins, store, signal }: StepTools,
): Promise<Execution> {
  const { tree, where } = place;
  const source = await origins.source(step.from);
  const selected = await selectSources(step, source);
  if (step.add) await refuseArchives(selected, where);
  const { destination, chown, chmod } = step;
  const selections = selected.map(({ selection }) => ({
    name: selection.name,
    content: selection.content,
  }));
  const named = selected.map(
    ({ argument, selection }) =>
      [selected.length === 1 ? `"${argument}"` : `"${selection.path}"`, selection] as const,
  );
  return {
    key: copyKey({
      parent: tree.identity,
      destination,
      selections,
      chown,
      chmod,
      instruction: step.add ? 'ADD' : 'COPY',
    }),
    parts: [
      keyPart('the instruction', [instruction.text, destination, chown, chmod]),
      ...named.map(([name, selection]) => keyPart(name, selection.content)),
      below(place),
    ],
    ...(step.from === undefined
      ? { pathOf: new Map(named.map(([name, selection]) => [name, selection.path])) }
      : {}),
    run: async () => {
      const onto = await tree.destination();
      const owner =
        chown === undefined ? undefined : await resolveChown((path) => tree.readFile(path), chown);
      return writeCopyLayer(step, selected, onto, owner, store, signal);
    },
  };
}
