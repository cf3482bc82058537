/** WORKDIR as a step: a layer with the directories that were missing. */
import type { WorkdirStep } from '../../dockerfile/step.js';
import { keyPart } from '../cache/explain.js';
import { workdirKey } from '../cache/keys.js';
import { resolveWorkdirOwner } from '../sandbox/user.js';
import { entriesOf, writeLayer } from './copy-step.js';
import { below, type Execution, type StepPlace, type StepTools } from './execution.js';
import { planWorkdir } from './workdir-step.js';

export function workdirExecution(
  { path, user }: WorkdirStep,
  place: StepPlace,
  { store, signal }: StepTools,
): Execution {
  const { tree } = place;
  return {
    key: workdirKey({ parent: tree.identity, path, user }),
    parts: [keyPart('the instruction', [path, user]), below(place)],
    run: async () => {
      const onto = await tree.destination();
      const owner = await resolveWorkdirOwner((file) => tree.readFile(file), user);
      const planned = await planWorkdir(path, owner, onto);
      const layer = await writeLayer(planned, store, signal);
      return { layer, entries: async () => entriesOf(planned) };
    },
  };
}
