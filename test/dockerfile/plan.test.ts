// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the variables of a Dockerfile
import { describe, expect, it } from 'vitest';
import { hint, parse, plan, problem } from './support.js';

const MULTI = `FROM golang AS build
RUN a
FROM node AS web
COPY --from=build /x /x
FROM debian AS unused
RUN --mount=type=cache,target=/c b
FROM web
COPY --from=0 /y /y
COPY --from=nginx:1 /z /z`;

describe('the stages of a plan', () => {
  it('are those that the target needs, in the order of the file', () => {
    const built = plan(MULTI);
    expect(built.stages.map((stage) => stage.index)).toEqual([0, 1, 3]);
    expect(built.target).toMatchObject({
      index: 3,
      base: { kind: 'stage', index: 1 },
      dependsOn: [0, 1],
      images: ['nginx:1'],
    });
    expect(built.stages[1]).toMatchObject({
      name: 'web',
      base: { kind: 'image', reference: 'node' },
      dependsOn: [0],
    });
  });

  it.each([
    ['web', [0, 1]],
    ['WEB', [0, 1]],
    ['build', [0]],
    ['0', [0]],
    ['1', [0, 1]],
    ['', [0, 1, 3]],
  ])('for the target %j are %j', (target, indexes) => {
    expect(plan(MULTI, { target }).stages.map((stage) => stage.index)).toEqual(indexes);
  });

  it('end with the target', () => expect(plan(MULTI, { target: '1' }).target.name).toBe('web'));

  it('start from scratch, an image or an earlier stage', () => {
    expect(plan('FROM scratch').target.base).toEqual({ kind: 'scratch' });
    expect(plan('FROM a:1 AS b').target.base).toEqual({ kind: 'image', reference: 'a:1' });
    expect(plan('FROM a AS b\nFROM B').target.base).toEqual({ kind: 'stage', index: 0 });
  });

  it('may have the name of their own image', () => {
    expect(plan('FROM node AS node').target.base).toEqual({ kind: 'image', reference: 'node' });
  });

  it('with the same name: the last one before counts', () => {
    const built = plan('FROM a AS x\nFROM b AS x\nFROM x');
    expect(built.target.base).toEqual({ kind: 'stage', index: 1 });
    expect(plan('FROM a AS x\nFROM b AS x', { target: 'x' }).target.index).toBe(1);
  });
});

describe('a plan that cannot be', () => {
  it.each([
    [
      'FROM a\nCOPY --from=later /x /\nFROM b AS later\nFROM c',
      { target: '0' },
      'Dockerfile:2: COPY --from=later: that stage comes later in the file',
    ],
    ['FROM a AS me\nCOPY --from=me /x /', {}, 'Dockerfile:2: COPY --from=me: a stage cannot use itself'],
    ['FROM a\nCOPY --from=0 /x /', {}, 'Dockerfile:2: COPY --from=0: there is no earlier stage 0'],
    ['FROM a\nFROM b\nCOPY --from=7 /x /', {}, 'Dockerfile:3: COPY --from=7: there is no earlier stage 7'],
    ['FROM a\nCOPY --from=scratch /x /', {}, 'Dockerfile:2: COPY --from=scratch: scratch holds no files'],
    ['FROM a AS build', { target: 'biuld' }, 'Dockerfile: there is no stage "biuld" to build'],
    ['FROM a', { target: '1' }, 'Dockerfile: there is no stage "1" to build'],
    ['ARG x\nFROM $x', {}, 'Dockerfile:2: FROM $x: the image is empty'],
    ['FROM "a b"', {}, 'FROM takes an image'],
    ['ARG x="a b"\nFROM $x', {}, 'Dockerfile:2: FROM: "a b" is not an image'],
    ['FROM ${x', {}, 'Dockerfile:1: a } is missing in "${x"'],
    ['ARG x=${y\nFROM a', {}, 'Dockerfile:1: a } is missing in "${y"'],
  ])('%j', (text, options, message) => {
    expect(problem(() => plan(text, options))).toMatch(/^dockerfile_invalid /);
    expect(problem(() => plan(text, options))).toContain(message);
  });

  it('names what is there instead', () => {
    expect(hint(() => plan('FROM a AS build', { target: 'biuld' }))).toBe('did you mean build?');
    expect(hint(() => plan('FROM a AS build\nFROM b AS web', { target: 'production' }))).toBe(
      'named stages known here: build, web',
    );
    expect(hint(() => plan('FROM a', { target: 'x' }))).toBe('there are no named stages');
  });
});

describe('what is not supported', () => {
  it('is refused by name and line', () => {
    const text = 'FROM a\n\nRUN --device=gpu a';
    expect(problem(() => plan(text))).toBe(
      'dockerfile_unsupported Dockerfile:3: RUN --device is not supported',
    );
    expect(hint(() => plan(text))).toBeTruthy();
  });

  it('is no matter in a stage that the target does not need', () => {
    const text = 'FROM a AS x\nRUN --device=gpu a\nFROM b';
    expect(plan(text).stages).toHaveLength(1);
    expect(problem(() => plan(text, { target: 'x' }))).toContain('dockerfile_unsupported');
  });
});

describe('global arguments', () => {
  const image = (text: string, buildArgs: Record<string, string> = {}) => {
    const { base } = plan(text, { buildArgs }).target;
    return base.kind === 'image' ? base.reference : base.kind;
  };

  it.each([
    ['ARG v=1\nFROM a:$v', {}, 'a:1'],
    ['ARG v=1\nFROM a:${v}', { v: '2' }, 'a:2'],
    ['ARG v\nFROM a:${v:-latest}', {}, 'a:latest'],
    ['ARG v=1\nARG w=${v}.2\nFROM a:$w', {}, 'a:1.2'],
    ['ARG v=1 w=$v.3\nFROM a:$w', {}, 'a:1.3'],
    ['FROM a:${v:-none}', { v: '2' }, 'a:none'],
    ['FROM a-$TARGETARCH', {}, 'a-amd64'],
    ['FROM a-$BUILDOS$TARGETVARIANT', {}, 'a-linux'],
    ['FROM a-$TARGETARCH', { TARGETARCH: 'x' }, 'a-x'],
    ['FROM a-$TARGETSTAGE', {}, 'a-default'],
    ['FROM a-$TARGETSTAGE AS web', {}, 'a-web'],
    ["ARG v='a b'\nFROM x${v:+y}", {}, 'xy'],
    ['FROM constructor$constructor', {}, 'constructor'],
  ])('%j with %j: %s', (text, buildArgs, expected) => expect(image(text, buildArgs)).toBe(expected));

  it('of a stage are not seen by FROM', () => {
    expect(problem(() => plan('FROM a\nARG v=1\nFROM $v'))).toContain('the image is empty');
  });

  it('tells build args that nothing declares', () => {
    const buildArgs = { a: '', b: '', c: '', HTTP_PROXY: '', TARGETARCH: '', BUILDKIT_INLINE_CACHE: '' };
    expect(plan('ARG a\nFROM x\nARG b', { buildArgs }).unusedBuildArgs).toEqual(['c']);
  });
});

it('parsing does not depend on the target', () => {
  expect(parse(MULTI).stages).toHaveLength(4);
});
