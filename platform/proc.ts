/**
 * Who a process is, from /proc (proc(5)). A pid alone does not say it: pids are used again, so what is remembered of a
 * process is its pid, when it started, and in which boot of the machine.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks after boot, field 22 of /proc/<pid>/stat. */
  readonly startTicks: number;
  readonly bootId: string;
}

interface ProcessStat {
  readonly pid: number;
  readonly state: string;
  readonly parent: number;
  readonly session: number;
  readonly startTicks: number;
}

export function identify(pid: number): ProcessIdentity | undefined {
  const stat = readStat(pid);
  return stat === undefined || stat.state === 'Z'
    ? undefined
    : { pid, startTicks: stat.startTicks, bootId: bootId() };
}

export function isAlive(identity: ProcessIdentity): boolean {
  const now = identify(identity.pid);
  return now !== undefined && now.startTicks === identity.startTicks && now.bootId === identity.bootId;
}

/**
 * Every live process of the session that `identity` leads or led. A part is started as a session leader, so this is what
 * it has started, also when it is gone itself. Empty when the pid has gone to another process since.
 */
export function sessionMembers(identity: ProcessIdentity): number[] {
  if (identity.bootId !== bootId()) return [];
  const leader = readStat(identity.pid);
  if (leader !== undefined && leader.startTicks !== identity.startTicks) return [];
  return allProcesses()
    .filter(
      (stat) => stat.session === identity.pid && stat.state !== 'Z' && stat.startTicks >= identity.startTicks,
    )
    .map((stat) => stat.pid);
}

/** The processes whose name begins with `name` and whose arguments contain `text`, and all their descendants. */
export function processTree(name: string, text: string): number[] {
  const all = allProcesses();
  const found = new Set(
    all
      .map(({ pid }) => pid)
      .filter((pid) => readOr(`/proc/${pid}/comm`, '').startsWith(name))
      .filter((pid) => readOr(`/proc/${pid}/cmdline`, '').includes(text)),
  );
  // Pids wrap, so a child may come before its parent: again until nothing is added.
  for (let before = -1; before !== found.size; ) {
    before = found.size;
    for (const { pid, parent } of all) if (found.has(parent)) found.add(pid);
  }
  return [...found];
}

/** Live processes called `name` that share this process's network namespace. */
export function inOurNetwork(name: string): number[] {
  const ours = readlinkSync('/proc/self/ns/net');
  return allProcesses()
    .filter(({ state }) => state !== 'Z')
    .map(({ pid }) => pid)
    .filter((pid) => {
      if (readOr(`/proc/${pid}/comm`, '').trim() !== name) return false;
      try {
        return readlinkSync(`/proc/${pid}/ns/net`) === ours;
      } catch {
        return false;
      }
    });
}

/** Sends a signal to each; one that is gone already is passed over. */
export function signalAll(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'ESRCH') throw thrown;
    }
  }
}

function allProcesses(): ProcessStat[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => readStat(Number(name)) ?? []);
}

function readStat(pid: number): ProcessStat | undefined {
  const text = readOr(`/proc/${pid}/stat`, '');
  // The command, field 2, is in parentheses and may itself hold blanks and parentheses.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state, parent, , session] = fields;
  const startTicks = fields[19];
  if (state === undefined || parent === undefined || session === undefined || startTicks === undefined)
    return undefined;
  return { pid, state, parent: Number(parent), session: Number(session), startTicks: Number(startTicks) };
}

function bootId(): string {
  return readOr('/proc/sys/kernel/random/boot_id', '').trim();
}

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return otherwise;
  }
}
