/** A stage's state: where it starts, and the few ways in which an instruction changes it. Every change is a new object. */
import { posix } from 'node:path';
import { z } from 'zod';
import { SlipwayError } from '../errors.js';
import type { BuildPlan, PlannedStage } from './build-plan.js';
import { type Expansion, ExpansionBudget } from './expand.js';
import { HISTORY_COMMENT } from './history.js';
import type { ContainerConfig, ImageDocument } from './image-document.js';
import { invalid } from './problems.js';
import type { StageState } from './step.js';

/** What Docker gives a container that has none; written into the image too. */
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** Registries and engines read the whole config into memory. */
const MAX_HISTORY_CHARS = 8 * 1024 * 1024;

export type StageStartsFrom =
  | { readonly kind: 'scratch' }
  /** The base image's config, as the registry gave it. */
  | { readonly kind: 'image'; readonly document: ImageDocument }
  /** The end of the stage that FROM names. */
  | { readonly kind: 'stage'; readonly state: StageState };

/** The ONBUILD triggers of what it starts from are gone: they are triggersOf's. Throws `image_invalid`. */
export function startStage(plan: BuildPlan, stage: PlannedStage, from: StageStartsFrom): StageState {
  if (from.kind === 'stage') {
    // The image's ENV counts again: an ARG of the same name overrode it only to the end of that stage.
    const env = new Map([...from.state.env, ...(from.state.image.config?.Env ?? []).map(splitPair)]);
    return {
      ...from.state,
      plan,
      stage,
      image: withoutTriggers(from.state.image),
      args: [],
      env,
      cmdSet: false,
    };
  }
  const where = `${plan.dockerfile}:${stage.from.lines.start}`;
  const base = from.kind === 'image' ? checked(from.document, stage.from.image, where) : emptyImage(stage);
  const env = new Map((base.config?.Env ?? []).map(splitPair));
  if (!env.has('PATH')) env.set('PATH', DEFAULT_PATH);
  const image = withoutTriggers({ ...base, config: { ...base.config, Env: pairs(env) } });
  return { plan, stage, image, args: [], env, cmdSet: false };
}

function withoutTriggers(image: ImageDocument): ImageDocument {
  const { OnBuild: _, ...config } = image.config ?? {};
  return { ...image, config };
}

function emptyImage({ platform }: PlannedStage): ImageDocument {
  const { architecture, os, variant } = platform;
  return {
    architecture,
    os,
    ...(variant === undefined ? {} : { variant }),
    config: { Env: [`PATH=${DEFAULT_PATH}`], WorkingDir: '/' },
  };
}

const strings = z.array(z.string()).nullish();
const text = z.string().nullish();
const object = z.record(z.string(), z.unknown()).nullish();
/** The fields that are read here; the others are passed on unseen. */
const IMAGE = z.looseObject({
  config: z
    .looseObject({
      User: text,
      WorkingDir: text,
      Env: strings,
      Cmd: strings,
      Entrypoint: strings,
      Shell: strings,
      OnBuild: strings,
      ExposedPorts: object,
      Volumes: object,
      Labels: object,
    })
    .nullish(),
  history: z.array(z.looseObject({ created_by: text })).nullish(),
});

/** A registry may answer anything. */
export function checked(document: ImageDocument, image: string, where: string): ImageDocument {
  const result = IMAGE.safeParse(document);
  if (result.success) return withoutNulls(document);
  const fields = result.error.issues.map((issue) => issue.path.join('.') || 'the document');
  throw new SlipwayError(
    'image_invalid',
    `the config of the image ${image} is not valid: ${fields.join(', ')}`,
    {
      where,
      hint: 'the image is broken; use another one or build it anew',
    },
  );
}

/** Docker writes `"Cmd": null` where OCI leaves the field out. */
function withoutNulls(document: ImageDocument): ImageDocument {
  const present = <T extends object>(value: T): T =>
    Object.fromEntries(Object.entries(value).filter(([, each]) => each !== null)) as T;
  const top = present(document);
  return top.config === undefined ? top : { ...top, config: present(top.config) };
}

export function splitPair(pair: string): [string, string] {
  const equals = pair.indexOf('=');
  return equals < 0 ? [pair, ''] : [pair.slice(0, equals), pair.slice(equals + 1)];
}

export function pairs(env: ReadonlyMap<string, string>): string[] {
  return [...env].map(([name, value]) => `${name}=${value}`);
}

export function placeOf(
  state: StageState,
  instruction: { readonly lines: { readonly start: number } },
): string {
  return `${state.plan.dockerfile}:${instruction.lines.start}`;
}

/** How this instruction's words expand. One instruction, one environment, one budget. */
export function expansionFor(state: StageState, where: string): Expansion {
  return { env: state.env, escape: state.plan.escape, where, budget: new ExpansionBudget(where) };
}

export interface Change {
  /** Fields of the container's config; undefined takes one away. */
  readonly config?: { readonly [Field in keyof ContainerConfig]?: ContainerConfig[Field] | undefined };
  readonly author?: string;
  readonly history: string;
  readonly layer?: boolean;
}

/** The state with a changed image and one more entry of history. */
export function commit(state: StageState, change: Change, where: string): StageState {
  const history = [
    ...(state.image.history ?? []),
    {
      created_by: change.history,
      comment: HISTORY_COMMENT,
      ...(change.layer === true ? {} : { empty_layer: true }),
    },
  ];
  if (history.reduce((sum, entry) => sum + (entry.created_by?.length ?? 0), 0) > MAX_HISTORY_CHARS) {
    throw invalid(where, "the image's history grows beyond 8 MiB", 'shorten the values of ARG and ENV');
  }
  const config = Object.fromEntries(
    Object.entries({ ...state.image.config, ...change.config }).filter(([, value]) => value !== undefined),
  ) as ContainerConfig;
  const author = change.author === undefined ? {} : { author: change.author };
  return { ...state, image: { ...state.image, ...author, config, history } };
}

/** The directory that relative paths start from. */
export function workingDirectory(state: StageState): string {
  return posix.resolve('/', state.image.config?.WorkingDir ?? '').replace(/^\/+/, '/');
}
