/** RUN as a step: its key, and its execution in the sandbox (run-step.ts). */
import type { RunStep, StageInstruction } from '../../dockerfile/types.js';
import { keyPart } from '../cache/explain.js';
import { runKey } from '../cache/keys.js';
import { below, type Execution, type StepPlace, type StepTools } from './execution.js';
import { runStep } from './run-step.js';

export async function runExecution(
  step: RunStep,
  instruction: StageInstruction,
  place: StepPlace,
  tools: StepTools,
): Promise<Execution> {
  const { tree, platform, progress } = place;
  const { argv, env, cwd, user, files } = step;
  const network = step.network ?? tools.settings.network;
  return {
    key: runKey({ parent: tree.identity, platform, argv, env, cwd, user, network, files }),
    parts: [
      keyPart('the instruction', [instruction.text, argv, files, network]),
      ...env.map((pair) => keyPart(`ARG or ENV ${pair.split('=', 1)[0]}`, pair)),
      keyPart('the user or working directory', [user, cwd]),
      below(place),
    ],
    run: async () => {
      await tree.layOut();
      const layer = await runStep(step, tree.layers, {
        ...tools,
        network: network === 'host' ? 'default' : network,
        output: (chunk) => progress.output(chunk),
      });
      return { layer };
    },
  };
}
