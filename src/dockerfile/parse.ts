/** A Dockerfile's text → its stages, every instruction checked by itself. What depends on other stages is plan.ts's. */
import { parseInstruction } from './instructions.js';
import { lexDockerfile } from './lines.js';
import { invalid } from './problems.js';
import type { ArgInstruction, Dockerfile, FromInstruction, ParseLimits, StageInstruction } from './syntax.js';

/**
 * Throws `dockerfile_invalid` with file and line. `name` is what errors call the file.
 * An instruction that Slipway cannot build yet passes here and is refused by planBuild if the target needs it.
 */
export function parseDockerfile(source: Uint8Array | string, name: string, limits: ParseLimits): Dockerfile {
  const { directives, instructions } = lexDockerfile(source, name, limits.dockerfileBytes);
  if (instructions.length === 0) {
    throw invalid(name, 'the Dockerfile has no instructions', 'begin with FROM and the name of an image');
  }
  if (instructions.length > limits.instructions) {
    throw invalid(
      `${name}:${instructions[limits.instructions]?.lines.start}`,
      `the Dockerfile has ${instructions.length} instructions; the limit is ${limits.instructions}`,
      'join RUN lines with &&, or COPY a script',
    );
  }
  const globalArgs: ArgInstruction[] = [];
  const stages: { from: FromInstruction; instructions: StageInstruction[] }[] = [];
  for (const raw of instructions) {
    const where = `${name}:${raw.lines.start}`;
    const instruction = parseInstruction(raw, { escape: directives.escape, where });
    const stage = stages.at(-1);
    if (instruction.kind === 'FROM') {
      if (stages.length === limits.stages) {
        throw invalid(
          where,
          `the Dockerfile has more than ${limits.stages} stages`,
          'split it into several images',
        );
      }
      stages.push({ from: instruction, instructions: [] });
    } else if (stage !== undefined) stage.instructions.push(instruction);
    else if (instruction.kind === 'ARG') globalArgs.push(instruction);
    else {
      throw invalid(
        where,
        `${instruction.kind} stands before the first FROM`,
        'only ARG may; begin the stage with FROM',
      );
    }
  }
  if (stages.length === 0)
    throw invalid(name, 'the Dockerfile has no FROM', 'name the image to start from: FROM debian:12');
  return { name, directives, globalArgs, stages };
}
