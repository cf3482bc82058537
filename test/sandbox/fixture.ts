/** A root file system of one static busybox, a sandbox on it, and what must not be left on the machine afterwards. */
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ownName } from '../../src/build/sandbox/owner.js';
import { Sandbox, type SandboxOptions } from '../../src/build/sandbox/runtime.js';
import type { StepOutcome, StepSpec } from '../../src/build/sandbox/step.js';

const MiB = 1024 * 1024;
const BUSYBOX = '/bin/busybox';

/** Why steps cannot be run here, or undefined. Printed once by the files that need it. */
export function cannotRun(): string | undefined {
  if (process.getuid?.() !== 0) return 'steps need root';
  if (!existsSync(BUSYBOX)) return 'the root file system is made of /bin/busybox (package busybox-static)';
  if (!existsSync('/usr/sbin/runc') && !existsSync('/usr/bin/runc') && !existsSync('/usr/bin/crun'))
    return 'no OCI runtime';
  return undefined;
}

/** `describe.skipIf(skipped('sandbox'))`, with the reason printed. */
export function skipped(what: string): boolean {
  const reason = cannotRun();
  if (reason !== undefined) console.log(`${what}: skipped, ${reason}`);
  return reason !== undefined;
}

const APPLETS =
  'sh ls cat echo sleep id mount env pwd kill head dd yes wc grep nc wget nslookup ping ps mkdir rm mv ln touch chown mknod chroot unshare true false sync date hostname ip test printf seq timeout tee readlink setsid'.split(
    ' ',
  );

/** A directory that holds a root file system; with the /dev, /proc, /sys and /etc that an image usually has. */
export async function makeRootfs(directory: string, options: { bare?: boolean } = {}): Promise<string> {
  const rootfs = join(directory, 'rootfs');
  await mkdir(join(rootfs, 'bin'), { recursive: true });
  await mkdir(join(rootfs, 'tmp'));
  await cp(BUSYBOX, join(rootfs, 'bin', 'busybox'));
  for (const applet of APPLETS) await symlink('busybox', join(rootfs, 'bin', applet));
  if (options.bare) return rootfs;
  for (const name of ['dev', 'proc', 'sys', 'etc', 'work']) await mkdir(join(rootfs, name));
  for (const name of ['hosts', 'resolv.conf', 'hostname'])
    await writeFile(join(rootfs, 'etc', name), 'of the image\n');
  await writeFile(join(rootfs, 'etc/passwd'), 'root:x:0:0::/root:/bin/sh\napp:x:1234:2345::/work:/bin/sh\n');
  await writeFile(join(rootfs, 'etc/group'), 'root:x:0:\napp:x:2345:\nextra:x:3456:app\n');
  return rootfs;
}

export interface Fixture {
  readonly directory: string;
  readonly rootfs: string;
  readonly sandbox: Sandbox;
  /** Runs `/bin/sh -c script` and returns what it printed with how it ended. */
  sh(script: string, step?: Partial<StepSpec>): Promise<StepOutcome & { output: string }>;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function sandboxFixture(options: Partial<SandboxOptions> = {}, bare = false): Promise<Fixture> {
  const directory = await mkdtemp(join(tmpdir(), 'sandbox-'));
  const rootfs = await makeRootfs(directory, { bare });
  const sandbox = await Sandbox.probe({ stateDir: join(directory, 'state'), networkAllow: [], ...options });
  return {
    directory,
    rootfs,
    sandbox,
    sh: async (script, step = {}) => {
      const chunks: Buffer[] = [];
      const outcome = await sandbox.run(
        shellStep(rootfs, script, { onOutput: (chunk) => void chunks.push(chunk), ...step }),
      );
      return { ...outcome, output: Buffer.concat(chunks).toString() };
    },
    [Symbol.asyncDispose]: async () => {
      await sandbox.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** A step with small limits and no network, unless `step` says otherwise. */
export function shellStep(rootfs: string, script: string, step: Partial<StepSpec> = {}): StepSpec {
  return {
    id: 'test',
    rootfs,
    argv: ['/bin/sh', '-c', script],
    env: ['PATH=/bin'],
    cwd: '/',
    user: { uid: 0, gid: 0, additionalGids: [] },
    network: 'none',
    limits: { memoryBytes: 64 * MiB, processes: 64 },
    timeoutMs: 20_000,
    onOutput: () => undefined,
    ...step,
  };
}

/** All that a sandbox of `owner` (this process by default) has on the machine right now, as lines that say what. */
export async function leftovers(owner?: string): Promise<string[]> {
  const name = owner ?? (await ownName());
  const ours = (names: readonly string[]): string[] =>
    names.filter((entry) => entry === name || entry.startsWith(`${name}-`));
  const lines: string[] = [];
  lines.push(
    ...ours(await readdir('/run/netns').catch(() => [])).map((entry) => `network namespace ${entry}`),
  );
  for (const root of ['', ...(await readdir('/sys/fs/cgroup').catch(() => []))]) {
    const entries = await readdir(join('/sys/fs/cgroup', root)).catch(() => []);
    lines.push(...ours(entries).map((entry) => `cgroup ${root}/${entry}`));
  }
  for (const pid of (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry))) {
    const words = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
    if (words.some((word) => word.includes(`${name}-`))) lines.push(`process ${pid} ${words.join(' ')}`);
  }
  const mounts = (await readFile('/proc/self/mounts', 'utf8')).split('\n');
  lines.push(...mounts.filter((line) => line.includes(`${name}-`)).map((line) => `mount ${line}`));
  return lines;
}

/** Names of the containers and bundles that a state directory holds. */
export async function stateEntries(fixture: Fixture): Promise<string[]> {
  return (await ownEntries(join(fixture.directory, 'state'), await ownName(), ['state', 'bundles'])).sort();
}

/** What is in these directories of an owner's sandboxes. */
export async function ownEntries(
  stateDir: string,
  owner: string,
  names: readonly string[],
): Promise<string[]> {
  const roots = (await readdir(stateDir).catch(() => [])).filter((name) => name.startsWith(`${owner}-`));
  const lists = await Promise.all(
    roots.flatMap((root) => names.map((name) => readdir(join(stateDir, root, name)).catch(() => []))),
  );
  return lists.flat();
}
