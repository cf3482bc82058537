/** What one release has otherwise than another, for people and programs. Values of config vars are not in it. Pure. */
import { isDeepStrictEqual } from 'node:util';
import { describeCheck } from './check.js';
import { type CronEntry, describeSchedule } from './cron.js';
import { LOCAL_HOST } from './host.js';
import type { Release, ReleaseProcess } from './release.js';
import { describeResources } from './resources.js';
import { BLUE_GREEN, describeStrategy } from './strategy.js';

export const COMMITS_LIMIT = 50;

export interface CommitSubject {
  readonly commit: string;
  readonly subject: string;
}

export interface CommitsBetween {
  /** In the newer release and not in the older. */
  readonly added: readonly CommitSubject[];
  /** Taken back, as by a rollback. */
  readonly removed: readonly CommitSubject[];
  /** There are more than are listed. */
  readonly more: boolean;
}

interface Change<T> {
  readonly from: T;
  readonly to: T;
}

export interface ProcessChange {
  readonly type: string;
  /** Absent: the type is new, or gone. */
  readonly from?: ReleaseProcess;
  readonly to?: ReleaseProcess;
}

export interface ReleaseDiff {
  readonly from: string;
  readonly to: string;
  readonly image?: Change<string>;
  readonly commit?: Change<string>;
  readonly commits?: CommitsBetween;
  readonly config: {
    readonly added: readonly string[];
    readonly removed: readonly string[];
    readonly changed: readonly string[];
  };
  readonly processes: readonly ProcessChange[];
  readonly releasePhase?: Change<readonly string[] | null>;
  readonly cron?: Change<readonly CronEntry[]>;
  readonly hosts?: Change<readonly string[]>;
  readonly strategy?: Change<string>;
}

/** What is not in it is the same in both. */
export function diffReleases(
  from: Release,
  to: Release,
  config: ReleaseDiff['config'],
  commits: CommitsBetween | undefined,
): ReleaseDiff {
  const hosts = change(from.hosts ?? [LOCAL_HOST], to.hosts ?? [LOCAL_HOST]);
  const strategy = change(
    describeStrategy(from.strategy ?? BLUE_GREEN),
    describeStrategy(to.strategy ?? BLUE_GREEN),
  );
  const image = change(from.image.digest, to.image.digest);
  const commit = change(from.source, to.source);
  const releasePhase = change(from.releasePhase ?? null, to.releasePhase ?? null);
  const cron = change(from.cron ?? [], to.cron ?? []);
  return {
    from: `v${from.number}`,
    to: `v${to.number}`,
    ...(image === undefined ? {} : { image }),
    ...(commit === undefined ? {} : { commit }),
    ...(commits === undefined ? {} : { commits }),
    config,
    processes: processChanges(from.processes, to.processes),
    ...(releasePhase === undefined ? {} : { releasePhase }),
    ...(cron === undefined ? {} : { cron }),
    ...(hosts === undefined ? {} : { hosts }),
    ...(strategy === undefined ? {} : { strategy }),
  };
}

function change<T>(from: T, to: T): Change<T> | undefined {
  return isDeepStrictEqual(from, to) ? undefined : { from, to };
}

function processChanges(from: readonly ReleaseProcess[], to: readonly ReleaseProcess[]): ProcessChange[] {
  const types = [...new Set([...from, ...to].map(({ type }) => type))];
  return types.flatMap((type): ProcessChange[] => {
    const before = from.find((process) => process.type === type);
    const after = to.find((process) => process.type === type);
    if (isDeepStrictEqual(before, after)) return [];
    return [
      {
        type,
        ...(before === undefined ? {} : { from: before }),
        ...(after === undefined ? {} : { to: after }),
      },
    ];
  });
}

/** As lines; `+` is new, `-` is gone, `~` has changed. */
export function describeDiff(diff: ReleaseDiff): string[] {
  const { image, commit, commits, config, processes, releasePhase, cron, hosts, strategy } = diff;
  const lines = [
    ...(image === undefined ? [] : [`~ image    ${short(image.from)} → ${short(image.to)}`]),
    ...(commit === undefined ? [] : [`~ commit   ${commit.from.slice(0, 7)} → ${commit.to.slice(0, 7)}`]),
    ...(commits?.added ?? []).map((one) => `  +        ${one.commit.slice(0, 7)} ${one.subject}`),
    ...(commits?.removed ?? []).map((one) => `  -        ${one.commit.slice(0, 7)} ${one.subject}`),
    ...(commits?.more
      ? [`           and more: git log ${commit?.from.slice(0, 7)}..${commit?.to.slice(0, 7)}`]
      : []),
    ...config.added.map((name) => `+ config   ${name}`),
    ...config.removed.map((name) => `- config   ${name}`),
    ...config.changed.map((name) => `~ config   ${name}`),
    ...processes.flatMap(describeProcess),
    ...(releasePhase === undefined
      ? []
      : [`~ release phase: ${commandText(releasePhase.from)} → ${commandText(releasePhase.to)}`]),
    ...(cron === undefined ? [] : describeCron(cron)),
    ...(hosts === undefined ? [] : [`~ hosts    ${hosts.from.join(', ')} → ${hosts.to.join(', ')}`]),
    ...(strategy === undefined ? [] : [`~ strategy ${strategy.from} → ${strategy.to}`]),
  ];
  return lines.length === 0 ? [`${diff.from} and ${diff.to} are the same`] : lines;
}

function describeProcess({ type, from, to }: ProcessChange): string[] {
  if (from === undefined) return [`+ process  ${type}: ${to === undefined ? '' : describeOne(to)}`];
  if (to === undefined) return [`- process  ${type}: ${describeOne(from)}`];
  const parts: readonly [string, string, string][] = [
    ['command', commandText(from.command), commandText(to.command)],
    ['scale', scaleText(from), scaleText(to)],
    ['limits', describeResources(from.resources) || 'none', describeResources(to.resources) || 'none'],
    ['checks', describeChecks(from), describeChecks(to)],
    ['volumes', volumesText(from) || 'none', volumesText(to) || 'none'],
  ];
  return parts
    .filter(([, before, after]) => before !== after)
    .map(([what, before, after]) => `~ process  ${type}: ${what} ${before} → ${after}`);
}

function describeCron({ from, to }: Change<readonly CronEntry[]>): string[] {
  const names = [...new Set([...from, ...to].map(({ name }) => name))];
  return names.flatMap((name) => {
    const [before, after] = [from, to].map((entries) => entries.find((entry) => entry.name === name));
    if (isDeepStrictEqual(before, after)) return [];
    if (before === undefined) return after === undefined ? [] : [`+ cron     ${describeEntry(after)}`];
    if (after === undefined) return [`- cron     ${describeEntry(before)}`];
    return [`~ cron     ${describeEntry(before)} → ${describeEntry(after)}`];
  });
}

/** `nightly: 0 3 * * *: node tasks.js` */
export function describeEntry(entry: CronEntry): string {
  return `${entry.name}: ${describeSchedule(entry)}: ${commandText(entry.command)}`;
}

/** `3 × node worker.js (memory 512m; data at /data)` */
export function describeOne(process: ReleaseProcess): string {
  const details = [describeResources(process.resources), volumesText(process)].filter((text) => text !== '');
  const said = details.length === 0 ? '' : ` (${details.join('; ')})`;
  return `${scaleText(process)} × ${commandText(process.command)}${said}`;
}

/** `data at /data, photos at /photos (read only)` */
function volumesText({ mounts = [] }: ReleaseProcess): string {
  return mounts
    .map(({ volume, path, readOnly }) => `${volume} at ${path}${readOnly ? ' (read only)' : ''}`)
    .join(', ');
}

/** `default`, or each check. */
export function describeChecks({ checks }: Pick<ReleaseProcess, 'checks'>): string {
  return checks === undefined ? 'default' : checks.map(describeCheck).join('; ');
}

function scaleText({ scale, whenStarted }: ReleaseProcess): string {
  return whenStarted === undefined ? String(scale) : `${scale} (stopped; ${whenStarted} when started)`;
}

/** A command as one line. What a shell reads is shown as it was written. */
export function commandText(command: readonly string[] | null | undefined): string {
  if (command === undefined) return "the image's own command";
  if (command === null) return 'none';
  const [shell, flag, text] = command;
  return shell === '/bin/sh' && flag === '-c' && text !== undefined && command.length === 3
    ? text
    : command.join(' ');
}

function short(digest: string): string {
  return digest.slice(0, 'sha256:'.length + 12);
}
