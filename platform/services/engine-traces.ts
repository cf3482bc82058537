/** What a Docker Engine leaves in the kernel beside its processes: bridges, mounts, and the shims of its containers. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { processTree, signalAll } from '../proc.js';

const run = promisify(execFile);
const COMMAND_TIMEOUT_MS = 10_000;

export const ENGINE_BRIDGE = 'slipway0';

/** `address` as `10.201.0.1/20`. Takes a bridge over that a killed start left. */
export async function makeBridge(address: string): Promise<void> {
  if (!(await linkExists(ENGINE_BRIDGE))) await ip('link', 'add', 'name', ENGINE_BRIDGE, 'type', 'bridge');
  await ip('address', 'replace', address, 'dev', ENGINE_BRIDGE);
  await ip('link', 'set', ENGINE_BRIDGE, 'up');
}

/** Removes all of it. The engine itself must be gone. Failures are passed over: each part is tried. */
export async function removeEngineTraces(
  roots: { execRoot: string; dataRoot: string },
  bridges: readonly string[],
): Promise<void> {
  // A shim names containerd's socket below the exec root in its arguments; its children are the containers.
  signalAll(processTree('containerd', `${roots.execRoot}/`), 'SIGKILL');
  for (const mount of mountsBelow([roots.execRoot, roots.dataRoot])) {
    // Lazily: a process that is just ending may still hold it.
    await run('umount', ['-l', '--', mount], { timeout: COMMAND_TIMEOUT_MS }).catch(() => undefined);
  }
  for (const bridge of [ENGINE_BRIDGE, ...bridges]) {
    await ip('link', 'delete', bridge).catch(() => undefined);
  }
}

/** Not by /sys/class/net: that shows the network namespace in which /sys was mounted, which need not be ours. */
export async function linkExists(name: string): Promise<boolean> {
  return ip('link', 'show', 'dev', name).then(
    () => true,
    () => false,
  );
}

/** Mount points below the directories, innermost first (proc(5), /proc/self/mountinfo, field 5). */
export function mountsBelow(dirs: readonly string[]): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .flatMap((line) => line.split(' ')[4] ?? [])
    .map((path) =>
      path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))),
    )
    .filter((path) => dirs.some((dir) => path === dir || path.startsWith(`${dir}/`)))
    .reverse();
}

async function ip(...args: string[]): Promise<void> {
  await run('ip', args, { timeout: COMMAND_TIMEOUT_MS });
}
