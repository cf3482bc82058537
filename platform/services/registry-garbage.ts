/**
 * Frees what no image in our own registry needs any more. Distribution can do so only while nobody writes: so before it is started, and
 * only when images were removed since the last time. A registry that cannot be cleaned is started all the same.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { forgetGarbage, hasGarbage } from '../../src/housekeeping/retention/garbage.js';
import type { ServiceContext } from './service.js';

const run = promisify(execFile);

/** Killed in the middle it has freed less; what it removes is of no use to anybody. The start does not wait for longer. */
const COLLECT_MS = 5 * 60_000;
const OUTPUT_BYTES = 64 * 1024 * 1024;

/** `config`: the file that the registry is started with. */
export async function collectGarbage(
  { paths, output, signal }: ServiceContext,
  config: string,
): Promise<void> {
  if (!hasGarbage(paths.run)) return;
  const isEmpty = !existsSync(join(paths.registry, 'docker', 'registry', 'v2', 'repositories'));
  try {
    // Untagged manifests are left: releases are named by digest.
    if (!isEmpty)
      await run('docker-registry', ['garbage-collect', config], {
        timeout: COLLECT_MS,
        killSignal: 'SIGKILL',
        maxBuffer: OUTPUT_BYTES,
        ...(signal === undefined ? {} : { signal }),
      });
    forgetGarbage(paths.run);
  } catch (thrown) {
    signal?.throwIfAborted();
    const [first = ''] = String((thrown as { stderr?: unknown }).stderr ?? thrown).split('\n');
    output.say(
      `the registry could not free what was removed from it; it is tried at the next start: ${first.slice(0, 200)}`,
    );
  }
}
