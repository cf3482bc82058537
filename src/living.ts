/** Names of files that say which process they belong to: its id and start time, since ids come back. */
import { readFile } from 'node:fs/promises';

/** Of this process. */
export async function ownMark(): Promise<string> {
  return `${process.pid}-${(await startTime(process.pid)) ?? 0}`;
}

/** Whether the name begins with the mark of a process that is still there. */
export async function belongsToTheLiving(name: string): Promise<boolean> {
  const match = /^(\d+)-(\d+)-/.exec(name);
  if (match?.[1] === undefined) return false;
  return (await startTime(Number(match[1]))) === match[2];
}

/** Clock ticks after boot: field 22 of proc(5) "/proc/pid/stat". The second field may hold spaces and parentheses. */
async function startTime(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
}
