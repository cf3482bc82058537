// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the variables of a Dockerfile
import { describe, expect, it } from 'vitest';
import type { NamedContext } from '../../src/dockerfile/build-plan.js';
import { normalPlatform, parsePlatform } from '../../src/dockerfile/platform.js';
import type { CopyStep, RunStep } from '../../src/dockerfile/step.js';
import { AMD64, hint, plan, problem, walk } from './support.js';

const image = (reference: string): NamedContext => ({ kind: 'image', reference });
const contexts = (given: Record<string, NamedContext>) => ({ contexts: new Map(Object.entries(given)) });
const DIRECTORY: NamedContext = { kind: 'directory' };

describe('a named context', () => {
  const TEXT =
    'FROM golang AS build\nRUN a\nFROM alpine\nCOPY --from=build /x /x\nRUN --mount=from=lib,dst=/l b';
  it('of an image is there instead of an image, a stage and what is copied from', () => {
    const built = plan(TEXT, contexts({ alpine: image('other:1'), build: image('built:1'), lib: DIRECTORY }));
    expect(built.stages.map(({ index }) => index)).toEqual([1]);
    expect(built.target).toMatchObject({ base: { kind: 'image', reference: 'other:1' }, dependsOn: [] });
    expect(built.target.images).toEqual(['other:1', 'built:1']);
    const [copy, step] = walk(built).steps as [CopyStep, RunStep];
    expect(copy.from).toEqual({ kind: 'image', reference: 'built:1' });
    expect(step.mounts[0]).toMatchObject({ from: { kind: 'context', name: 'lib' } });
  });

  it.each([
    ['alpine', 'alpine'],
    ['alpine', 'alpine:latest'],
    ['alpine', 'docker.io/library/alpine'],
    ['alpine:latest', 'alpine'],
    ['library/alpine', 'index.docker.io/library/alpine:latest'],
    ['docker.io/a/b:1', 'a/b:1'],
    ['Build', 'build'],
  ])('FROM %s is the context %s', (from, name) => {
    const { base } = plan(`FROM ${from}`, contexts({ [name]: image('x') })).target;
    expect(base).toEqual({ kind: 'image', reference: 'x' });
  });

  it.each([
    ['alpine:3', 'alpine'],
    ['other/alpine', 'alpine'],
    ['ghcr.io/library/alpine', 'alpine'],
    ['scratch', 'scratch'],
  ])('FROM %s is not the context %s', (from, name) => {
    expect(plan(`FROM ${from}`, contexts({ [name]: image('x') })).target.base).not.toEqual({
      kind: 'image',
      reference: 'x',
    });
  });

  it('takes the place of a whole stage, also of the target', () => {
    const built = plan('FROM a AS b\nRUN x\nFROM b AS c', contexts({ b: image('p') }));
    expect(built.stages).toHaveLength(1);
    expect(built.target.base).toEqual({ kind: 'image', reference: 'p' });
    const replaced = plan('FROM a AS b\nRUN x\nFROM b AS c', { target: 'b', ...contexts({ b: DIRECTORY }) });
    expect(replaced.target).toMatchObject({
      base: { kind: 'context', name: 'b' },
      instructions: [],
      images: [],
    });
  });

  it('is what COPY --from names, by index too', () => {
    const from = (text: string) =>
      (walk(plan(text, contexts({ b: DIRECTORY }))).steps.at(-1) as CopyStep).from;
    expect(from('FROM a AS b\nFROM c\nCOPY --from=0 x y')).toEqual({ kind: 'context', name: 'b' });
    expect(from('FROM c\nCOPY --from=B x y')).toEqual({ kind: 'context', name: 'b' });
  });

  it('may be scratch', () => {
    expect(plan('FROM a', contexts({ a: image('scratch') })).target.base).toEqual({ kind: 'scratch' });
    expect(problem(() => plan('FROM a\nCOPY --from=b x y', contexts({ b: image('scratch') })))).toContain(
      'scratch holds no files',
    );
  });
});

describe('a platform', () => {
  it.each([
    ['linux/amd64', { os: 'linux', architecture: 'amd64' }],
    ['linux/amd64/v2', { os: 'linux', architecture: 'amd64', variant: 'v2' }],
    ['LINUX/x86_64', { os: 'linux', architecture: 'amd64' }],
    ['arm64', { os: 'linux', architecture: 'arm64' }],
    ['linux/arm64/v8', { os: 'linux', architecture: 'arm64' }],
    ['linux/arm', { os: 'linux', architecture: 'arm', variant: 'v7' }],
    ['arm/v6', { os: 'linux', architecture: 'arm', variant: 'v6' }],
    ['linux/arm/6', { os: 'linux', architecture: 'arm', variant: 'v6' }],
    ['armhf', { os: 'linux', architecture: 'arm', variant: 'v7' }],
    ['linux', AMD64],
    ['linux/riscv64', { os: 'linux', architecture: 'riscv64' }],
  ])('%s', (text, expected) => expect(parsePlatform(text, AMD64, 'f:1')).toEqual(expected));

  it.each([
    ['nonsense', 'dockerfile_invalid'],
    ['linux/amd64/v2/x', 'dockerfile_invalid'],
    ['linux/', 'dockerfile_invalid'],
    ['foo/amd64', 'dockerfile_invalid'],
    ['linux amd64', 'dockerfile_invalid'],
    ['windows/amd64', 'dockerfile_unsupported'],
    ['darwin', 'dockerfile_unsupported'],
  ])('%s is refused', (text, code) => {
    expect(problem(() => plan(`FROM --platform="${text}" a`))).toMatch(new RegExp(`^${code} Dockerfile:1: `));
  });

  it('is the one of the build, unless FROM names another', () => {
    const of = (text: string, options = {}) => plan(text, options).target.platform;
    expect(of('FROM a')).toBe(AMD64);
    expect(of('FROM --platform=$TARGETPLATFORM a')).toBe(AMD64);
    expect(problem(() => of('FROM --platform=$UNSET a'))).toContain('the platform is empty');
    expect(hint(() => of('FROM --platform=$BULIDPLATFORM a'))).toBe('did you mean BUILDPLATFORM?');
    expect(of('FROM --platform=linux/arm64 a')).toEqual({ os: 'linux', architecture: 'arm64' });
    const arm = { os: 'linux', architecture: 'arm64', variant: 'v8' };
    expect(of('FROM --platform=linux/arm64 a', { platform: arm })).toBe(arm);
    expect(of('FROM --platform=$BUILDPLATFORM a', { platform: arm, buildPlatform: AMD64 })).toEqual(AMD64);
    expect(normalPlatform(arm)).toEqual({ os: 'linux', architecture: 'arm64' });
  });

  it('of a stage is that of the stage it is built on', () => {
    const built = plan('FROM --platform=linux/arm64 a AS x\nFROM x AS y\nFROM --platform=linux/amd64 y');
    expect(built.stages.map(({ platform }) => platform.architecture)).toEqual(['arm64', 'arm64', 'arm64']);
  });

  it('is in the automatic arguments, of the build and of the target', () => {
    const text =
      'FROM --platform=$BUILDPLATFORM a\nARG TARGETPLATFORM TARGETARCH TARGETVARIANT BUILDPLATFORM\nRUN x';
    const env = (buildArgs = {}) =>
      (
        walk(
          plan(text, {
            platform: { os: 'linux', architecture: 'arm', variant: 'v7' },
            buildPlatform: AMD64,
            buildArgs,
          }),
        ).steps[0] as RunStep
      ).env.slice(1);
    expect(env()).toEqual([
      'TARGETPLATFORM=linux/arm/v7',
      'TARGETARCH=arm',
      'TARGETVARIANT=v7',
      'BUILDPLATFORM=linux/amd64',
    ]);
    expect(env({ TARGETARCH: 'x', BUILDPLATFORM: 'linux/386' })).toContain('TARGETARCH=x');
  });

  it('of scratch is that of the stage', () => {
    const { image } = walk(plan('FROM --platform=linux/arm64 scratch\nENV a=1')).state;
    expect(image).toMatchObject({ os: 'linux', architecture: 'arm64' });
  });
});

describe('SOURCE_DATE_EPOCH', () => {
  const epoch = (value: string) => plan('FROM a', { buildArgs: { SOURCE_DATE_EPOCH: value } });
  it.each([
    ['0', 0],
    ['1700000000', 1_700_000_000],
    ['', undefined],
    ['context', undefined],
  ])('%j is %s', (value, expected) => {
    expect(epoch(value).epoch).toBe(expected);
    expect(epoch(value).unusedBuildArgs).toEqual([]);
  });

  it.each(['-1', '1.5', 'now', '1e3', '999999999999'])('%j is refused', (value) => {
    expect(problem(() => epoch(value))).toContain('is no number of seconds');
  });

  it('may be the default of an ARG before the first FROM', () => {
    const text = 'ARG SOURCE_DATE_EPOCH=7\nFROM a';
    expect(plan(text).epoch).toBe(7);
    expect(plan(text, { buildArgs: { SOURCE_DATE_EPOCH: '8' } }).epoch).toBe(8);
    expect(plan('ARG SOURCE_DATE_EPOCH=src\nFROM a AS src').epoch).toBeUndefined();
    expect(problem(() => plan('ARG SOURCE_DATE_EPOCH=soon\nFROM a'))).toContain('"soon" is no number');
  });

  it('is an argument as others are', () => {
    const text = 'FROM a\nARG SOURCE_DATE_EPOCH\nRUN x';
    const [step] = walk(plan(text, { buildArgs: { SOURCE_DATE_EPOCH: '1' } })).steps as RunStep[];
    expect(step?.env).toContain('SOURCE_DATE_EPOCH=1');
    expect(plan('FROM a').epoch).toBeUndefined();
  });
});

it('knows the arguments that steer BuildKit', () => {
  const buildArgs = Object.fromEntries(
    'CONTEXT_KEEP_GIT_DIR MULTI_PLATFORM INLINE_CACHE SYNTAX CACHE_MOUNT_NS SANDBOX_HOSTNAME BUILD_NAME'
      .split(' ')
      .map((name) => [`BUILDKIT_${name}`, '1']),
  );
  expect(plan('FROM a', { buildArgs }).unusedBuildArgs).toEqual([]);
});

describe('# syntax=', () => {
  it.each([
    'docker/dockerfile',
    'docker/dockerfile:1',
    'docker/dockerfile:1.7-labs',
    'docker.io/docker/dockerfile:1',
    'docker/dockerfile-upstream:master-labs',
    'docker/dockerfile:1@sha256:abc',
    'registry.example.com/mirror/docker/dockerfile:1',
  ])('%s is understood', (syntax) => expect(plan(`# syntax=${syntax}\nFROM a`).stages).toHaveLength(1));

  it.each([
    'tonistiigi/dockerfile:runmount',
    'example/frontend',
    'docker/dockerfile-else',
    'earthly/earthfile',
    'x/docker-dockerfile',
  ])('%s is refused', (syntax) => {
    expect(problem(() => plan(`# syntax=${syntax}\nFROM a`))).toMatch(
      /^dockerfile_unsupported Dockerfile:1: /,
    );
  });

  it('is looked for after a line for a shell too, where an escape is none', () => {
    expect(problem(() => plan('#!/usr/bin/x\n# syntax=x/y\nFROM a'))).toContain(
      'dockerfile_unsupported Dockerfile:2',
    );
    expect(plan('#!/usr/bin/x\n# syntax=docker/dockerfile:1\n# escape=`\nFROM a').escape).toBe('\\');
  });
});
