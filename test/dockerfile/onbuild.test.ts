import { describe, expect, it } from 'vitest';
import type { BuildPlan } from '../../src/dockerfile/build-plan.js';
import { evaluate, startStage, withTriggers } from '../../src/dockerfile/evaluate.js';
import type { ImageDocument } from '../../src/dockerfile/image-document.js';
import { stageOf } from '../../src/dockerfile/plan.js';
import type { CopyStep, RunStep, Step } from '../../src/dockerfile/step.js';
import { history, plan, problem, run, walk } from './support.js';

const onBuild = (...OnBuild: string[]): ImageDocument => ({ config: { OnBuild } });

/** The target on an image with the triggers. */
function onto(built: BuildPlan, document: ImageDocument) {
  const from = { kind: 'image', document } as const;
  const stage = withTriggers(built, built.target, from);
  let state = startStage(built, stage, from);
  const steps: Step[] = [];
  for (const instruction of stage.instructions) {
    const { state: next, step } = evaluate(state, instruction);
    if (step !== undefined) steps.push(step);
    state = next;
  }
  return { stage, state, steps };
}

describe('ONBUILD', () => {
  it('is kept in the config, in order, and not in the history', () => {
    const walked = run('onbuild  RUN a \\\n  b\nONBUILD COPY . /src\nENV c=d', {}, onBuild('RUN old'));
    expect(walked.state.image.config?.OnBuild).toEqual(['RUN a   b', 'COPY . /src']);
    expect(history(walked)).toEqual(['ENV c=d']);
  });

  it('keeps a heredoc with its end', () => {
    const { state } = run('ONBUILD RUN <<-A cat >1 && cat <<"B" >2\n\tx $y\n\tA\nz\nB\nENV c=d');
    expect(state.image.config?.OnBuild).toEqual(['RUN <<-A cat >1 && cat <<"B" >2\n\tx $y\nA\nz\nB']);
    const { steps } = onto(plan('FROM a'), state.image);
    expect((steps[0] as RunStep).argv[2]).toBe('<<-A cat >1 && cat <<"B" >2\n\tx $y\nA\nz\nB');
  });

  it.each(['ONBUILD', 'FROM', 'MAINTAINER', 'onbuild'])('may not hold %s', (keyword) => {
    expect(problem(() => run(`ONBUILD ${keyword} x`))).toContain(
      `${keyword.toUpperCase()} is not allowed in ONBUILD`,
    );
  });
});

describe('the triggers of a base', () => {
  it('run right after FROM, in order, and are gone then', () => {
    const { stage, state, steps } = onto(
      plan('FROM a\nRUN $own'),
      onBuild('ARG v=1', 'RUN one', 'COPY <<E /f\n$v\nE', 'WORKDIR /w', 'ENV e=f'),
    );
    expect(stage.instructions.map(({ text }) => text)).toEqual([
      'ONBUILD ARG v=1',
      'ONBUILD RUN one',
      'ONBUILD COPY <<E /f',
      'ONBUILD WORKDIR /w',
      'ONBUILD ENV e=f',
      'RUN $own',
    ]);
    expect(stage.instructions[0]?.lines).toEqual({ start: 1, end: 1 });
    expect((steps[1] as CopyStep).heredocs).toEqual([{ name: 'E', content: '1\n' }]);
    expect(steps.at(-1)).toMatchObject({ cwd: '/w', history: 'RUN |1 v=1 /bin/sh -c $own # buildkit' });
    expect(state.image.config).not.toHaveProperty('OnBuild');
    expect(state.image.config?.Env).toContain('e=f');
  });

  it('name stages and images of the child', () => {
    const built = plan('FROM x AS lib\nRUN a\nFROM y');
    expect(built.stages).toHaveLength(1);
    const { stage, steps } = onto(
      built,
      onBuild('COPY --from=lib /a /a', 'COPY --from=0 /a /a', 'RUN --mount=from=img:1,target=/m b'),
    );
    expect(stage).toMatchObject({ dependsOn: [0], images: ['y', 'img:1'] });
    expect(steps.slice(0, 2)).toMatchObject([{ from: { kind: 'stage', index: 0 } }, { from: { index: 0 } }]);
    expect(stageOf(built, 0)).toMatchObject({
      name: 'lib',
      images: ['x'],
      instructions: [{ text: 'RUN a' }],
    });
  });

  it('may be those of a stage', () => {
    const built = plan('FROM a AS p\nONBUILD ENV b=c\nFROM p AS q\nENV d=$b\nFROM q');
    const parent = walk(built, {}).state;
    expect(parent.image.config).not.toHaveProperty('OnBuild');
    const p = walk(plan('FROM a AS p\nONBUILD ENV b=c')).state;
    const from = { kind: 'stage', state: p } as const;
    const stage = withTriggers(built, built.stages[1]!, from);
    expect(stage.instructions.map(({ text }) => text)).toEqual(['ONBUILD ENV b=c', 'ENV d=$b']);
    expect(startStage(built, stage, from).image.config).not.toHaveProperty('OnBuild');
  });

  it('leave a stage as it is when there are none', () => {
    const built = plan('FROM a');
    expect(withTriggers(built, built.target, { kind: 'image', document: {} })).toBe(built.target);
    expect(withTriggers(built, built.target, { kind: 'scratch' })).toBe(built.target);
  });

  it.each([
    ['RNU x', 'in "ONBUILD RNU x" of the base: unknown instruction "RNU"'],
    ['FROM x', 'in "ONBUILD FROM x" of the base: FROM is not allowed in ONBUILD'],
    ['ONBUILD RUN x', 'in "ONBUILD ONBUILD RUN x" of the base: ONBUILD is not allowed in ONBUILD'],
    ['RUN a\nRUN b', 'a trigger is one instruction'],
    ['', 'a trigger is one instruction'],
    ['RUN <<E\na', 'in "ONBUILD RUN <<E" of the base: the heredoc <<E has no end'],
    [
      'COPY --from=3 a b',
      'in "ONBUILD COPY --from=3 a b" of the base: COPY --from=3: there is no earlier stage 3',
    ],
    ['USER $nobody', 'in "ONBUILD USER $nobody" of the base: USER $nobody: the user is empty'],
    ['RUN --device=x a', 'in "ONBUILD RUN --device=x a" of the base: RUN --device is not supported'],
  ])('that hold %j fail at FROM', (trigger, message) => {
    const text = problem(() => onto(plan('ARG x\nFROM a'), onBuild(trigger)));
    expect(text).toMatch(/^dockerfile_\w+ Dockerfile:2: /);
    expect(text).toContain(message);
  });

  it('are not without end', () => {
    const many = Array.from({ length: 501 }, () => 'RUN x');
    expect(problem(() => onto(plan('FROM a'), onBuild(...many)))).toContain('more than 500');
  });
});
