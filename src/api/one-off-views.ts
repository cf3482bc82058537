/** What is asked and answered about one-off commands and about the inside of what runs: command line ↔ web ↔ deployer. */
import { z } from 'zod';
import { SlipwayError } from '../errors.js';
import { checkConfigName, checkConfigValue } from '../model/app.js';
import type { ProcessResources } from '../model/release.js';
import { RESOURCES, ResourceFault } from '../model/resources.js';
import { count, described, list, maybe, number, part, text, texts, time, yes } from './described.js';
import { parseBody } from './request.js';
import { Resources } from './views.js';
import type { VolumeCopy } from './volume-views.js';

const COMMAND_WORDS = 1000;
const COMMAND_CHARS = 100_000;
const VARIABLES = 100;
const LARGEST_TERMINAL = 10_000;

export interface OneOffWish {
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** As people write them: `512m`, `0.5`. */
  readonly limits?: { readonly memory?: string | undefined; readonly cpus?: string | undefined } | undefined;
  /** The size of the terminal that the command gets; without one it gets none. */
  readonly terminal?: { readonly columns: number; readonly rows: number } | undefined;
}

export interface EnterWish extends Pick<OneOffWish, 'command' | 'terminal'> {
  /** `web.1`, or `web` for its first. */
  readonly process: string;
}

/** What the other side says over an attached connection; `{}` is a sign of life. */
export interface AttachedMessage {
  readonly started?: { readonly name: string; readonly host: string };
  readonly exit?: { readonly code: number; readonly outOfMemory: boolean; readonly copy?: VolumeCopy };
  readonly error?: {
    readonly code: string;
    readonly message: string;
    readonly where?: string;
    readonly hint?: string;
  };
}

export interface OneOffView {
  /** `run.482913` */
  readonly name: string;
  readonly release: number;
  readonly host: string;
  readonly container: string;
  readonly detached: boolean;
  readonly state: string;
  /** Of one that has ended. */
  readonly exitCode?: number;
  readonly by: string;
  readonly createdAt: string;
}

/** A detached one. */
export interface OneOffStarted {
  readonly name: string;
  readonly host: string;
  readonly container: string;
}

export interface OneOffList {
  readonly runs: readonly OneOffView[];
  readonly silent: readonly { readonly host: string; readonly reason: string }[];
}

/** Of a container what is nobody's secret: of its variables only the names. */
export interface ContainerView {
  readonly process: string;
  readonly release: number;
  readonly host: string;
  readonly container: string;
  readonly name: string;
  readonly image: string;
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly user: string;
  readonly directory: string;
  readonly variables: readonly string[];
  readonly state: string;
  readonly pid: number;
  readonly exitCode: number;
  readonly outOfMemory: boolean;
  readonly restarts: number;
  readonly startedAt?: string;
  readonly health?: string;
  readonly address?: string;
  readonly resources: ProcessResources;
  readonly volumes: readonly string[];
}

export interface TopView {
  readonly titles: readonly string[];
  readonly processes: readonly (readonly string[])[];
}

export interface UsageView {
  readonly process: string;
  readonly release: number;
  readonly host: string;
  readonly memoryBytes: number;
  readonly memoryLimitBytes: number;
  /** 1 is one whole processor, over the last second. */
  readonly cpus: number;
  readonly processes: number;
}

export interface UsageList {
  readonly usage: readonly UsageView[];
  readonly silent: OneOffList['silent'];
}

export const silentHosts: z.ZodType<OneOffList['silent']> = list(
  part<OneOffList['silent'][number]>({ host: text, reason: text }),
);
export const OneOff: z.ZodType<OneOffView> = described<OneOffView>('OneOff', {
  name: text,
  release: count,
  host: text,
  container: text,
  detached: yes,
  state: text,
  exitCode: maybe(number),
  by: text,
  createdAt: time,
});
export const OneOffs: z.ZodType<OneOffList> = part<OneOffList>({ runs: list(OneOff), silent: silentHosts });
export const Started: z.ZodType<OneOffStarted> = part<OneOffStarted>({
  name: text,
  host: text,
  container: text,
});
export const Container: z.ZodType<ContainerView> = described<ContainerView>('Container', {
  process: text,
  release: count,
  host: text,
  container: text,
  name: text,
  image: text,
  entrypoint: texts,
  command: texts,
  user: text,
  directory: text,
  variables: texts,
  state: text,
  pid: number,
  exitCode: number,
  outOfMemory: yes,
  restarts: count,
  startedAt: maybe(time),
  health: maybe(text),
  address: maybe(text),
  resources: Resources,
  volumes: texts,
});
export const Top: z.ZodType<TopView> = part<TopView>({ titles: texts, processes: list(texts) });
export const Usage: z.ZodType<UsageList> = part<UsageList>({
  usage: list(
    part<UsageView>({
      process: text,
      release: count,
      host: text,
      memoryBytes: number,
      memoryLimitBytes: number,
      cpus: number,
      processes: number,
    }),
  ),
  silent: silentHosts,
});

const noNul = (text: string): boolean => !text.includes('\0');
const Command = z
  .array(z.string().refine(noNul, 'must not hold a NUL'))
  .min(1, 'must name a program')
  .max(COMMAND_WORDS)
  .refine((words) => words[0] !== '', 'must name a program')
  .refine(
    (words) => words.join(' ').length <= COMMAND_CHARS,
    `must not have over ${COMMAND_CHARS} characters`,
  );
const side = z.number().int().min(1).max(LARGEST_TERMINAL);
export const TerminalSize: z.ZodType<{ readonly columns: number; readonly rows: number }> = z.strictObject({
  columns: side,
  rows: side,
});
export const OneOffBody: z.ZodType<OneOffWish> = z.strictObject({
  command: Command,
  env: z
    .record(z.string(), z.string())
    .refine((env) => Object.keys(env).length <= VARIABLES, `must not hold over ${VARIABLES} variables`)
    .optional(),
  limits: z.strictObject({ memory: z.string().optional(), cpus: z.string().optional() }).optional(),
  terminal: TerminalSize.optional(),
});
const EnterBody: z.ZodType<EnterWish> = z.strictObject({
  process: z.string().max(40),
  command: Command,
  terminal: TerminalSize.optional(),
});

export interface CheckedOneOff {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly resources: ProcessResources;
  readonly terminal: OneOffWish['terminal'];
}

/** Throws `bad_request`, `invalid_name` or `too_large`. */
export function checkOneOff(body: unknown): CheckedOneOff {
  const { command, env = {}, limits = {}, terminal } = parseBody(OneOffBody, body);
  for (const [name, value] of Object.entries(env)) checkConfigValue(checkConfigName(name), value);
  const resources = RESOURCES.flatMap(({ name, field, parse }): [string, number][] => {
    const value = name === 'processes' ? undefined : limits[name];
    return value === undefined ? [] : [[field, parsed(parse, value)]];
  });
  return { command, env, resources: Object.fromEntries(resources), terminal };
}

/** Throws `bad_request`. */
export function checkEnter(body: unknown): EnterWish {
  return parseBody(EnterBody, body);
}

function parsed(parse: (text: string) => number, value: string): number {
  try {
    return parse(value);
  } catch (thrown) {
    if (!(thrown instanceof ResourceFault)) throw thrown;
    throw new SlipwayError('bad_request', thrown.message);
  }
}
