/**
 * The seccomp profile as crun compiled it, to be handed to crun again: compiling is a third of its work. crun
 * writes the filter down for the time that the container is there; the first step's is read and kept in memory.
 * A crun that does not know the annotation compiles the profile, which is in config.json all the same.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { sleep } from '../../clock.js';
import { isErrno } from '../../errors.js';
import type { RuntimePlace } from './oci-runtime.js';

const POLL_MS = 1;
/** A container is made in less. */
const POLLS = 200;
/** sizeof(struct sock_filter) */
const INSTRUCTION_BYTES = 8;

export class SeccompFilter {
  #compiled: string | undefined;
  #isLearning = false;

  /** Base64, as crun wants it; undefined before a step has run. */
  get compiled(): string | undefined {
    return this.#compiled;
  }

  /**
   * Takes the filter of a container that is being made. The answer is to be called when it has ended, with whether its
   * command had started: only then the filter was whole.
   */
  learnFrom(place: RuntimePlace): (started: boolean) => Promise<void> {
    if (this.#compiled !== undefined || this.#isLearning) return () => Promise.resolve();
    this.#isLearning = true;
    let hasEnded = false;
    const found = opened(join(place.stateDir, place.id, 'seccomp.bpf'), () => hasEnded).catch(
      () => undefined,
    );
    return async (started) => {
      hasEnded = true;
      await using file = await found;
      this.#isLearning = false;
      if (!started || file === undefined) return;
      const bytes = await file.readFile();
      if (bytes.length > 0 && bytes.length % INSTRUCTION_BYTES === 0)
        this.#compiled = bytes.toString('base64');
    };
  }
}

/** What is open can still be read when crun has removed it. */
async function opened(path: string, hasEnded: () => boolean): Promise<FileHandle | undefined> {
  for (let poll = 0; poll < POLLS && !hasEnded(); poll++) {
    try {
      return await open(path);
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error;
    }
    await sleep(POLL_MS);
  }
  return undefined;
}
