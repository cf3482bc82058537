/**
 * The secrets of a step: as files on a tmpfs, so that they are never on a disk, and as variables. Their values are in no
 * argv, log, key or layer (invariant 10).
 */
import { createHash } from 'node:crypto';
import { chmod, chown, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { unmount } from '../../../native/index.js';
import type { SecretMount } from '../../dockerfile/step.js';
import { SlipwayError } from '../../errors.js';
import type { RunSettings } from '../run-settings.js';
import type { Cleanup } from '../sandbox/cleanup.js';
import { runOrThrow } from '../sandbox/command.js';
import type { StepMount } from '../sandbox/step.js';

/** As BuildKit has it: a secret is a key or a password, no data set. */
const MAX_BYTES = 500 * 1024;

export interface StepSecrets {
  readonly mounts: readonly StepMount[];
  /** By the variable's name. */
  readonly env: ReadonlyMap<string, string>;
  readonly values: readonly Uint8Array[];
  /** A directory in memory, for what else would put their values on a disk; absent without secrets. */
  readonly memory?: string;
}

/** Throws `secret_missing` for a required one that nobody gave. `directory` is made, and emptied by `cleanup`. */
export async function stepSecrets(
  wanted: readonly SecretMount[],
  settings: RunSettings,
  directory: string,
  cleanup: Cleanup,
): Promise<StepSecrets> {
  const given: { mount: SecretMount; value: Uint8Array }[] = [];
  for (const mount of wanted) {
    const value = await secretValue(mount, settings);
    if (value !== undefined) given.push({ mount, value });
  }
  const files = given.filter(({ mount }) => mount.target !== undefined);
  if (given.length > 0) await mountMemory(directory, cleanup);
  const mounts: StepMount[] = [];
  for (const [index, { mount, value }] of files.entries()) {
    const source = join(directory, String(index));
    await writeFile(source, value, { mode: 0o600, flag: 'wx' });
    await chown(source, mount.uid, mount.gid);
    await chmod(source, mount.mode);
    const target = mount.target ?? '';
    mounts.push({ kind: 'bind', target, source, type: 'file', readOnly: true, own: false, noExec: true });
  }
  const env = new Map<string, string>();
  for (const { mount, value } of given) {
    if (mount.env !== undefined) env.set(mount.env, Buffer.from(value).toString('utf8'));
  }
  const memory = given.length > 0 ? { memory: directory } : {};
  return { mounts, env, values: given.map(({ value }) => value), ...memory };
}

/** For the key of a step that asked for it; undefined when there is no such secret. */
export async function secretIdentity(mount: SecretMount, settings: RunSettings): Promise<string | undefined> {
  const value = await secretValue(mount, settings);
  if (value === undefined) return undefined;
  return createHash('sha256').update(`slipway build secret\0${mount.id}\0`).update(value).digest('hex');
}

async function secretValue(
  { id, required, env }: SecretMount,
  settings: RunSettings,
): Promise<Uint8Array | undefined> {
  const value = await settings.secret(id);
  if (value === undefined) {
    if (!required) return undefined;
    throw new SlipwayError(
      'secret_missing',
      `the step needs the secret "${id}", and the build was given none`,
      {
        hint: `set it for the app with: slipway config:set ${id}=…, or build with --secret id=${id},src=FILE`,
      },
    );
  }
  if (value.length > MAX_BYTES) {
    throw new SlipwayError('too_large', `the secret "${id}" has more than ${MAX_BYTES} bytes`, {
      hint: 'fetch large data in the step, with a secret that allows it',
    });
  }
  if (env !== undefined && value.includes(0)) {
    throw new SlipwayError('step_failed', `the secret "${id}" holds a NUL byte, which no variable can`, {
      hint: 'mount it as a file: leave env= out',
    });
  }
  return value;
}

/** A small tmpfs of our own: what is killed leaves nothing to be read from a disk. */
async function mountMemory(directory: string, cleanup: Cleanup): Promise<void> {
  await mkdir(directory, { mode: 0o700 });
  const options = 'mode=0700,nosuid,nodev,noexec,size=16m';
  await runOrThrow('mount', ['-t', 'tmpfs', '-o', options, '--', 'slipway-secrets', directory]);
  cleanup.defer(() => unmount(directory));
}
