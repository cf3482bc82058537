/**
 * The home directory as `npm start` sees it: made once, used by one supervisor at a time, and remembering what must be the
 * same at the next start (who this platform is, its ports, its address range).
 */
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { homePaths } from '../src/config.js';
import { isErrno, SlipwayError } from '../src/errors.js';
import type { Output } from './output.js';
import { endSession } from './part.js';
import { identify, isAlive, type ProcessIdentity, sessionMembers } from './proc.js';

/** platform.json. */
export interface PlatformRecord {
  readonly ports: Readonly<Record<string, number>>;
  /** The /16 of the engine that we start: the first two bytes, for example `10.201`. */
  readonly range: string;
}

export interface PlatformPaths {
  readonly home: string;
  readonly run: string;
  readonly logs: string;
  readonly redis: string;
  readonly registry: string;
  readonly engine: string;
  /** The first administrator's token, for the CLI on this machine. */
  readonly adminToken: string;
}

const SUPERVISOR = 'slipway';

export function platformPaths(home: string): PlatformPaths {
  const { run } = homePaths(home);
  return {
    home,
    run,
    logs: join(home, 'logs'),
    redis: join(home, 'redis'),
    registry: join(home, 'registry'),
    engine: join(home, 'engine'),
    adminToken: join(run, 'admin-token'),
  };
}

/** Makes the directories. Closed to other users: sockets and keys are below. */
export function makeHome(paths: PlatformPaths): void {
  for (const dir of [paths.home, paths.run, paths.logs, paths.redis, paths.registry])
    mkdirSync(dir, { recursive: true, mode: 0o700 });
}

/** The record, or a new one: it is written by saveRecord when the rest of it is known. */
export function loadRecord(home: string): Partial<PlatformRecord> {
  const path = join(home, 'platform.json');
  if (!existsSync(path)) return {};
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as PlatformRecord;
  } catch (cause) {
    throw new SlipwayError('invalid_config', 'it is not valid JSON', {
      where: path,
      hint: 'restore it from a backup; without it, ports are chosen anew',
      cause,
    });
  }
}

export function saveRecord(home: string, record: PlatformRecord): void {
  const path = join(home, 'platform.json');
  writeFileSync(`${path}.new`, `${JSON.stringify(record, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

/** Makes this process the only supervisor of the home; returns what gives it free again. Throws `conflict` naming the other's pid. */
export function takeHome(paths: PlatformPaths): () => void {
  const lock = join(paths.run, `${SUPERVISOR}.pid`);
  const mine = `${lock}.${process.pid}`;
  writeFileSync(mine, JSON.stringify(identify(process.pid)), { mode: 0o600 });
  try {
    for (let tries = 0; tries < 3; tries++) {
      try {
        // link(2) fails when the name exists and is atomic, and the file is whole from the first moment on.
        linkSync(mine, lock);
        return () => rmSync(lock, { force: true });
      } catch (thrown) {
        if (!isErrno(thrown, 'EEXIST')) throw thrown;
        const other = readIdentity(lock);
        if (other !== undefined && isAlive(other)) {
          throw new SlipwayError('conflict', `Slipway already runs on ${paths.home} (pid ${other.pid})`, {
            hint: `stop it with \`kill ${other.pid}\`, or start this one with another SLIPWAY_HOME`,
          });
        }
        rmSync(lock, { force: true });
      }
    }
    throw new SlipwayError('conflict', `another Slipway is being started on ${paths.home}`, {
      hint: 'try again',
    });
  } finally {
    rmSync(mine, { force: true });
  }
}

/**
 * Stops what a supervisor that was killed has left running, in the order in which it would have stopped it: the processes
 * first, `last` (the services, in that order) after them.
 */
export async function stopLeftovers(
  paths: PlatformPaths,
  last: readonly string[],
  output: Output,
): Promise<void> {
  const names = readdirSync(paths.run)
    .filter((file) => file.endsWith('.pid') && file !== `${SUPERVISOR}.pid`)
    .map((file) => file.slice(0, -'.pid'.length));
  const processes = names.filter((name) => !last.includes(name));
  await Promise.all(processes.map((name) => stopLeftover(paths, name, output)));
  for (const name of last.filter((service) => names.includes(service)))
    await stopLeftover(paths, name, output);
}

async function stopLeftover(paths: PlatformPaths, name: string, output: Output): Promise<void> {
  const file = join(paths.run, `${name}.pid`);
  const identity = readIdentity(file);
  if (identity !== undefined && sessionMembers(identity).length > 0) {
    output.say(`stopping ${name} (pid ${identity.pid}), left by a start that was killed`);
    await endSession(identity, 15_000);
  }
  rmSync(file, { force: true });
}

function readIdentity(path: string): ProcessIdentity | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as ProcessIdentity;
  } catch {
    return undefined;
  }
}
