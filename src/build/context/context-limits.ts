/** What a context may hold, whatever it comes from: names that a layer and a file system can have, and not too much. */
import type { Limits } from '../../config.js';
import { SlipwayError } from '../../errors.js';

export type ContextLimits = Pick<
  Limits,
  'contextFiles' | 'contextBytes' | 'contextFileBytes' | 'contextDepth'
>;

/** NAME_MAX and PATH_MAX of Linux, without the NUL: what is longer can be in a layer, but in no file system. */
const NAME_BYTES = 255;
const PATH_BYTES = 4095;

/** Of one unit of a JavaScript string. */
const MAX_UTF8_BYTES = 3;

/** Counts what is in a context and refuses what is too much. `remedy` is what the user can do: "take files out of …". */
export class ContextBudget {
  readonly #limits: ContextLimits;
  readonly #remedy: string;
  #directories = 0;
  #files = 0;
  #bytes = 0;

  constructor(limits: ContextLimits, remedy: string) {
    this.#limits = limits;
    this.#remedy = remedy;
  }

  /** Throws `context_invalid` or `context_too_large`. */
  checkPath(path: string): void {
    if (depthOf(path) > this.#limits.contextDepth) {
      throw this.#tooLarge(
        `${shown(path)} is more than ${this.#limits.contextDepth} directories deep`,
        'SLIPWAY_LIMIT_CONTEXT_DEPTH',
      );
    }
    // A layer cannot hold such a name: it means that a lower file is removed (OCI image-spec layer.md, "Whiteouts").
    if (path.startsWith('.wh.') || path.includes('/.wh.')) {
      throw invalid(
        `${shown(path)} has a name that starts with ".wh."`,
        'image layers give such names another meaning; rename the file',
      );
    }
    if (path.length * MAX_UTF8_BYTES <= NAME_BYTES) return;
    if (Buffer.byteLength(path) > PATH_BYTES)
      throw invalid(`the path ${shown(path)} is longer than ${PATH_BYTES} bytes`, 'use shorter names');
    for (const part of path.split('/')) {
      if (Buffer.byteLength(part) > NAME_BYTES)
        throw invalid(`the name ${shown(part)} is longer than ${NAME_BYTES} bytes`, 'rename it');
    }
  }

  countDirectory(): void {
    if (++this.#directories > this.#limits.contextFiles)
      throw this.#tooLarge(
        `the context has more than ${this.#limits.contextFiles} directories`,
        'SLIPWAY_LIMIT_CONTEXT_FILES',
      );
  }

  /** Anything but a directory. */
  countFile(path: string, sizeBytes: number): void {
    const { contextFiles, contextBytes, contextFileBytes } = this.#limits;
    this.#bytes += sizeBytes;
    if (++this.#files > contextFiles)
      throw this.#tooLarge(`the context has more than ${contextFiles} files`, 'SLIPWAY_LIMIT_CONTEXT_FILES');
    if (sizeBytes > contextFileBytes) {
      throw this.#tooLarge(
        `${shown(path)} has ${sizeBytes} bytes; one file may have ${contextFileBytes}`,
        'SLIPWAY_LIMIT_CONTEXT_FILE_BYTES',
      );
    }
    if (this.#bytes > contextBytes)
      throw this.#tooLarge(`the context is larger than ${contextBytes} bytes`, 'SLIPWAY_LIMIT_CONTEXT_BYTES');
  }

  /** `sizeBytes` is the length of the target. */
  checkLink(path: string, sizeBytes: number): void {
    if (sizeBytes > 0 && sizeBytes <= PATH_BYTES) return;
    throw invalid(
      `the symlink ${shown(path)} has a target of ${sizeBytes} bytes; 1 to ${PATH_BYTES} are possible`,
      'remove the symlink',
    );
  }

  #tooLarge(message: string, setting: string): SlipwayError {
    return new SlipwayError('context_too_large', message, {
      hint: `${this.#remedy}, or have the operator raise ${setting}`,
    });
  }
}

export function repositoryBudget(limits: ContextLimits): ContextBudget {
  return new ContextBudget(limits, 'take files out of the repository');
}

function depthOf(path: string): number {
  let depth = 1;
  for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) depth++;
  return depth;
}

/** A hostile name is quoted, and clipped: it goes to a terminal. */
export function shown(path: string): string {
  return JSON.stringify(path.length > 200 ? `${path.slice(0, 199)}…` : path);
}

export function invalid(message: string, hint: string): SlipwayError {
  return new SlipwayError('context_invalid', message, { hint });
}
