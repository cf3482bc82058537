/**
 * Who owns what a sandbox takes from the machine. Containers, network namespaces, cgroups and directories carry the
 * owner's name, so that what a killed process left can be told from what a living one uses.
 * A name is `slipway-<pid>-<start time>`: a pid alone comes back after a while, with its start time it does not.
 */
import { readFile } from 'node:fs/promises';

const NAME = /^slipway-(\d{1,10})-(\d{1,20})(?:-|$)/;

/** This process's name. */
export async function ownName(): Promise<string> {
  return `slipway-${process.pid}-${(await startTime(process.pid)) ?? '0'}`;
}

/**
 * The owner named at the start of `name` (`slipway-12-34-net5` → `slipway-12-34`), or undefined for what is not ours.
 */
export function ownerOf(name: string): string | undefined {
  return NAME.exec(name)?.[0].replace(/-$/, '');
}

/** Whether that process lives, in this pid namespace. A zombie does not. */
export async function isAlive(owner: string): Promise<boolean> {
  const match = NAME.exec(owner);
  if (match?.[1] === undefined) return false;
  return (await startTime(Number(match[1]))) === match[2];
}

/** Clock ticks since boot at which the process started: field 22 of proc_pid_stat(5); field 2 may hold blanks. */
async function startTime(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields?.[0] === 'Z' || fields?.[0] === 'X' ? undefined : fields?.[19];
}
