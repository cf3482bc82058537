import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { CopyStep, RunStep } from '../../src/dockerfile/step.js';
import { plan, walk } from './support.js';

const DIRECTORY = join(import.meta.dirname, 'realistic');
const read = (name: string): string => readFileSync(join(DIRECTORY, `${name}.Dockerfile`), 'utf8');

/** What the base image of one of them brings. */
const BASE = { config: { Env: ['APP_UID=1654'] } };

/** Stages and images of the target, and steps of its last stage. */
const EXPECTED: Readonly<Record<string, readonly [readonly number[], readonly string[], number]>> = {
  'apt-cache': [[0], ['debian:bookworm-slim'], 4],
  aspnet: [
    [0, 1],
    ['mcr.microsoft.com/dotnet/aspnet:9.0-alpine', 'mcr.microsoft.com/dotnet/sdk:9.0-alpine'],
    2,
  ],
  buildx: [[0, 1, 4, 6, 7, 9, 10, 11, 13], ['golang:1.23-alpine3.21', 'tonistiigi/xx:1.6.1'], 0],
  bun: [[0, 1, 2, 3], ['oven/bun:1'], 1],
  'cargo-chef': [
    [0, 1, 2, 3],
    ['debian:bookworm-slim', 'lukemathwalker/cargo-chef:latest-rust-1.84-slim'],
    2,
  ],
  'compose-dev': [[0, 1, 2, 3], ['alpine:3', 'golangci/golangci-lint:v1.62-alpine'], 2],
  cpp: [[0, 1], ['gcr.io/distroless/cc-debian12', 'ubuntu:24.04'], 1],
  elixir: [
    [0, 1],
    ['debian:bookworm-20241016-slim', 'hexpm/elixir:1.17.3-erlang-27.1-debian-bookworm-20241016-slim'],
    3,
  ],
  'go-modules': [[0, 1], ['gcr.io/distroless/static-debian12:nonroot', 'golang:1.24-bookworm'], 1],
  gradle: [[0, 1], ['eclipse-temurin:21-jdk', 'eclipse-temurin:21-jre'], 3],
  laravel: [[0, 1], ['composer:2', 'php:8.3-fpm-alpine'], 4],
  maven: [[0, 1, 2], ['eclipse-temurin:17-jre-jammy', 'maven:3.9-eclipse-temurin-17'], 2],
  ml: [[0], ['nvidia/cuda:12.4.1-cudnn-runtime-ubuntu22.04'], 4],
  nextjs: [[0, 1, 2, 3], ['node:18-alpine'], 6],
  'nginx-official': [[0], ['alpine:3.20'], 3],
  'onbuild-base': [[0], ['python:3.12-slim'], 2],
  pnpm: [[0, 1, 2, 3], ['node:20-slim'], 2],
  poetry: [[0, 1, 2], ['python:3.12'], 3],
  postgres: [[0], ['debian:bookworm-slim'], 4],
  'private-go': [[0, 1], ['golang:1.23'], 2],
  rails: [[0, 1, 2], ['docker.io/library/ruby:3.3.6-slim'], 3],
  'static-site': [[0, 1], ['caddy:2-alpine', 'node:22'], 2],
  turborepo: [[0, 1, 2, 3], ['node:alpine'], 1],
  uv: [[0, 1], ['ghcr.io/astral-sh/uv:0.5', 'python:3.13-slim-bookworm'], 1],
  'windows-escape': [[0], ['busybox'], 2],
};

describe('Dockerfiles in the style of well-known projects', () => {
  const names = readdirSync(DIRECTORY).map((file) => file.replace(/\.Dockerfile$/, ''));

  it.each(names)('%s: what the target needs', (name) => {
    const built = plan(read(name));
    const images = [...new Set(built.stages.flatMap((stage) => stage.images))].sort();
    expect([built.stages.map(({ index }) => index), images, walk(built, BASE).steps.length]).toEqual(
      EXPECTED[name],
    );
  });

  it.each(names)('%s: every stage as a target, with line ends of both kinds', (name) => {
    const count = plan(read(name)).file.stages.length;
    for (let target = 0; target < count; target++) {
      const walked = walk(plan(read(name), { target: String(target) }), BASE);
      const other = walk(plan(read(name).replaceAll('\n', '\r\n'), { target: String(target) }), BASE);
      expect(other.steps).toHaveLength(walked.steps.length);
    }
  });

  it('buildx: a command sees what it is given', () => {
    const { steps } = walk(plan(read('buildx'), { target: 'buildx-build' }));
    const step = steps.at(-1) as RunStep;
    expect(step.mounts).toMatchObject([
      { kind: 'bind', target: '/src', source: '.' },
      { kind: 'cache', target: '/root/.cache', id: '/root/.cache' },
      { kind: 'cache', target: '/go/pkg/mod' },
      { kind: 'bind', from: { kind: 'stage', index: 6 }, source: 'buildx-version' },
    ]);
    expect(step.env).toContain('TARGETPLATFORM=linux/amd64');
    expect(step.argv[2]).toMatch(/^ {2}set -e\n {2}xx-go --wrap\n/);
  });

  it('static-site: every kind of source', () => {
    const { steps } = walk(plan(read('static-site'), { target: 'docs' }));
    const sources = steps.flatMap((step) => (step.kind === 'copy' ? step.sources : []));
    expect(sources).toMatchObject([
      {
        kind: 'git',
        git: {
          remote: 'https://github.com/acme/docs.git',
          ref: 'v1.2',
          subdirectory: 'site',
          keepGitDir: true,
        },
      },
      { kind: 'url', url: 'https://mirrors.example.com/linux.tar.xz' },
      { kind: 'url', url: 'https://example.com/theme.tar.gz' },
      { kind: 'git', git: { remote: 'git@github.com:acme/assets.git', ref: 'main', subdirectory: 'public' } },
    ]);
    const last = walk(plan(read('static-site'))).steps.at(-1) as CopyStep;
    expect(last.heredocs.map(({ name }) => name)).toEqual(['CADDY', 'ROBOTS']);
    expect(last.heredocs[0]?.content).toBe(':{:8080} {\n  root * /srv\n  file_server\n}\n');
  });

  it('ml: values are cut and replaced', () => {
    const { state, steps } = walk(plan(read('ml')));
    expect(state.image.config).toMatchObject({
      Labels: { 'com.example.python': '3.11', 'com.example.major': '3' },
      Volumes: { '/models': {}, '/data': {} },
      Healthcheck: { Test: ['NONE'] },
    });
    expect(state.image.config?.Env).toContain('VIRTUAL_ENV=/opt/venv311');
    expect(steps.at(-1)).toMatchObject({
      mounts: [{ kind: 'secret', id: 'hf', env: 'HF_TOKEN', required: true }],
    });
  });

  it('windows-escape: a backslash is data', () => {
    const { state, steps } = walk(plan(read('windows-escape')));
    expect(state.image.config?.Env).toEqual(expect.arrayContaining(['DIR=C:\\dir', 'OTHER=$HOME']));
    expect((steps[0] as RunStep).argv[2]).toBe('echo C:\\path\\     && echo     done');
  });

  it('onbuild-base: the triggers are kept for the child', () => {
    expect(walk(plan(read('onbuild-base'))).state.image.config?.OnBuild).toEqual([
      'ARG EXTRA',
      'COPY requirements.txt /usr/src/app/',
      'RUN --mount=type=cache,target=/root/.cache pip install -r requirements.txt $EXTRA',
      'COPY . /usr/src/app',
    ]);
  });
});
