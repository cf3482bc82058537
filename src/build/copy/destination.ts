/**
 * What a COPY writes onto: the merged tree of the layers so far. It answers from the lay-outs on disk, and from the
 * entries of layers that this build has written but laid out nowhere yet, so a COPY that no RUN follows is never
 * unpacked.
 */
import type { LayerEntry } from '../../../native/index.js';
import { SlipwayError } from '../../errors.js';
import { followLinks } from '../../layers/follow-links.js';

/** What is known of a path in the merged tree; a whiteout never shows up here. */
export interface TreeEntry {
  /** As in a layer's entries, or `socket`. */
  readonly type: LayerEntry['type'] | 'socket';
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: number;
  readonly linkname?: string;
  /** Of a directory: what the layer that shows it again must say again. */
  readonly xattrs?: LayerEntry['xattrs'];
}

/** The lay-outs' side: a path without leading slash, no symlink followed. */
export interface LaidOutTree {
  lstat(path: string): Promise<TreeEntry | undefined>;
}

export class Destination {
  readonly #laidOut: LaidOutTree;
  readonly #written: ReadonlyMap<string, TreeEntry>;
  readonly fileAt: (path: string) => Promise<string | undefined>;

  /** `fileAt`: where on this machine the bytes of a file are, also of one that is only in memory until then. */
  constructor(
    laidOut: LaidOutTree,
    written: ReadonlyMap<string, TreeEntry>,
    fileAt: (path: string) => Promise<string | undefined> = async () => undefined,
  ) {
    this.#laidOut = laidOut;
    this.#written = written;
    this.fileAt = fileAt;
  }

  /** The entry at exactly this path; symlinks are not followed. */
  async lstat(path: string): Promise<TreeEntry | undefined> {
    return this.#written.get(path) ?? this.#laidOut.lstat(path);
  }

  /**
   * The path that `path` names once every symlink is followed, the last one too, confined to the root. What does not
   * exist yet stays as it is written. Throws `context_invalid` for a loop.
   */
  resolve(path: string): Promise<string> {
    return resolveLinks((at) => this.lstat(at), path);
  }
}

/** See {@link Destination.resolve}. */
export function resolveLinks(
  lstat: (path: string) => Promise<TreeEntry | undefined>,
  path: string,
): Promise<string> {
  return followLinks(
    path,
    async (at) => {
      const entry = await lstat(at);
      return entry?.type === 'symlink' ? (entry.linkname ?? '') : undefined;
    },
    () =>
      new SlipwayError('context_invalid', `"${path}" leads through too many symlinks in the image`, {
        hint: 'is there a loop of symlinks?',
      }),
  );
}

/** Nothing at all: what a COPY that does not look at the layers below writes onto. */
export const EMPTY_TREE: LaidOutTree = { lstat: async () => undefined };
