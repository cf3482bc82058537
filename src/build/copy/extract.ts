/**
 * ADD of an archive: its entries onto the destination, as Docker's builder does it. Names and symlinks cannot leave the
 * destination, which is their root; nothing of the archive touches this machine's files.
 */
import { posix } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { ArchivedEntry, LayerEntry } from '../../../native/index.js';
import { SlipwayError } from '../../errors.js';
import type { Owner } from './copy.js';
import { type CopySource, parentPath, type SourceEntry } from './copy-source.js';
import type { LayerPlan, LinkGroup } from './layer-plan.js';

export interface Archive {
  /** As the Dockerfile names it. */
  readonly name: string;
  readonly entries: readonly ArchivedEntry[];
  /** Holds the bytes; an entry's handle is its offset. */
  readonly source: CopySource;
}

export interface ExtractOptions {
  readonly chown?: Owner;
  /** Of directories that the archive does not name, seconds since the epoch. */
  readonly directoryMtime: number;
  readonly signal?: AbortSignal;
}

/** Parts of names that are walked: links after links make each of few entries as long a way as anybody likes. */
const MAX_STEPS = 10_000_000;
/** So many of them, and whatever else this process does has its turn. */
const TURN_STEPS = 2_000;
const MAX_LINKS = 255;
const MAX_PARTS = 4096;
const NAME_BYTES = 255;
const PATH_BYTES = 4095;
/** 2^32-1 means "leave it" to chown(2). */
const MAX_ID = 2 ** 32 - 2;

/** Into the directory `target`, which is made if it is missing. Throws `context_invalid`. */
export async function extractArchive(
  plan: LayerPlan,
  target: string,
  archive: Archive,
  options: ExtractOptions,
): Promise<void> {
  const { chown = { uid: 0, gid: 0 }, directoryMtime } = options;
  await plan.makeDirectory(target, { mode: 0o755, ...chown, mtime: directoryMtime });
  const extraction = new Extraction(plan, target, archive, options);
  for (const entry of archive.entries) await extraction.place(entry);
}

class Extraction {
  readonly #plan: LayerPlan;
  readonly #target: string;
  readonly #archive: Archive;
  readonly #options: ExtractOptions;
  /** Where a directory of the archive is, symlinks followed; forgotten when that may have changed. */
  readonly #resolved = new Map<string, string>();
  #steps = 0;

  constructor(plan: LayerPlan, target: string, archive: Archive, options: ExtractOptions) {
    this.#plan = plan;
    this.#target = target;
    this.#archive = archive;
    this.#options = options;
  }

  async place(archived: ArchivedEntry): Promise<void> {
    const { type } = archived;
    const name = this.#plainName(archived.path);
    if (name === '') return;
    await this.#step();
    // Docker makes no devices and pipes either, and leaves what is there.
    if (type === 'char' || type === 'block' || type === 'fifo') return;
    const path = await this.#locate(name);
    await this.#plan.makeAbove(path, {
      mode: 0o755,
      uid: 0,
      gid: 0,
      mtime: this.#options.directoryMtime,
    });
    const existing = await this.#plan.lstat(path);
    if (existing !== undefined && !(existing.type === 'directory' && type === 'directory')) {
      await this.#plan.remove(path);
      if (existing.type === 'directory' || existing.type === 'symlink') this.#resolved.clear();
    }
    if (type === 'hardlink') return this.#link(path, archived);
    if (type === 'symlink') {
      if (!archived.linkname) throw this.#invalid(archived.path, 'is a symlink to nothing');
      this.#checkText(archived.linkname);
      this.#plan.put(path, { entry: { ...this.#entry(path, archived), linkname: archived.linkname } });
      this.#resolved.clear();
      return;
    }
    const entry = this.#entry(path, archived);
    if (type === 'directory') this.#plan.put(path, { entry });
    else this.#plan.put(path, { entry, from: { source: this.#archive.source, file: file(entry, archived) } });
  }

  /**
   * To a file, of which both names then say the same; to a symlink, which is then there twice. No link reaches into the
   * layers below, so that the new name of a file that is only there has its bytes again.
   */
  async #link(path: string, archived: ArchivedEntry): Promise<void> {
    const name = this.#plainName(archived.linkname ?? '');
    const to = name === '' ? '' : await this.#locate(name);
    const linked = this.#plan.planned(to);
    const below = linked === undefined && to !== '' ? await this.#plan.fileBelow(to) : undefined;
    if (below !== undefined) {
      const entry = { ...this.#entry(path, archived), type: 'file' as const };
      const source = { select: async () => [], content: async () => ({ file: below }) };
      this.#plan.put(path, { entry, from: { source, file: file(entry, archived) } });
      return;
    }
    if (linked === undefined || linked.entry.type === 'directory') {
      throw this.#invalid(archived.path, `is a hard link to "${name}", which is no file of the archive`);
    }
    if (linked.entry.type === 'symlink') {
      this.#plan.put(path, { entry: { ...linked.entry, path } });
      return;
    }
    const group: LinkGroup = linked.group ?? {};
    const { mode, uid, gid, mtime, xattrs } = this.#entry(path, archived);
    group.metadata = { mode, uid, gid, mtime, ...(xattrs === undefined ? {} : { xattrs }) };
    const entry = { ...linked.entry, path };
    const from = linked.from === undefined ? {} : { from: linked.from };
    if (linked.group === undefined) this.#plan.put(to, { ...linked, group });
    this.#plan.put(path, { entry, ...from, group });
  }

  #entry(path: string, archived: ArchivedEntry): LayerEntry {
    const { type, mode, xattrs, path: name } = archived;
    const { uid, gid } = this.#options.chown ?? archived;
    if (uid > MAX_ID || gid > MAX_ID) throw this.#invalid(name, 'has an owner that is out of range');
    const mtime = Math.max(0, archived.mtime);
    return { path, type, mode, uid, gid, mtime, ...(xattrs === undefined ? {} : { xattrs }) };
  }

  /** Without leading slashes and dots; empty for the root. */
  #plainName(written: string): string {
    this.#checkText(written);
    const name = posix.normalize(written.replace(/^\/+/, '')).replace(/\/$/, '');
    if (name === '.') return '';
    const parts = name.split('/');
    if (parts[0] === '..') throw this.#invalid(written, 'leads out of the archive');
    if (parts.some((part) => part.startsWith('.wh.')))
      throw this.#invalid(written, 'has a name that starts with .wh., which marks a deletion in layers');
    if (parts.some((part) => Buffer.byteLength(part) > NAME_BYTES) || Buffer.byteLength(name) > PATH_BYTES)
      throw this.#invalid(written, 'has a name that is too long for a file system');
    return name;
  }

  /** In the tree, with symlinks on the way followed inside the destination; the last part is not. */
  async #locate(name: string): Promise<string> {
    const above = parentPath(name);
    if (above === '') return join(this.#target, name);
    let directory = this.#resolved.get(above);
    if (directory === undefined) {
      directory = await this.#follow(above);
      this.#resolved.set(above, directory);
    }
    return join(join(this.#target, directory), name.slice(above.length + 1));
  }

  async #follow(path: string): Promise<string> {
    let left = path.split('/');
    let at: string[] = [];
    let links = 0;
    for (let part = left.shift(); part !== undefined; part = left.shift()) {
      await this.#step();
      if (part === '' || part === '.') continue;
      if (part === '..') {
        if (at.pop() === undefined) throw this.#invalid(path, 'leads out of the archive through a symlink');
        continue;
      }
      const next = join(this.#target, [...at, part].join('/'));
      const entry = await this.#plan.lstat(next);
      if (entry !== undefined && entry.type !== 'symlink' && entry.type !== 'directory')
        throw this.#invalid(path, `goes through "/${next}", which is not a directory`);
      if (entry?.type !== 'symlink') {
        at.push(part);
        continue;
      }
      const to = (entry.linkname ?? '').split('/');
      if (++links > MAX_LINKS || to.length + left.length > MAX_PARTS)
        throw this.#invalid(path, 'leads through too many symlinks');
      if (to[0] === '' && entry.linkname !== '') at = [];
      left = [...to, ...left];
    }
    return at.join('/');
  }

  async #step(): Promise<void> {
    this.#steps++;
    if (this.#steps > MAX_STEPS)
      throw new SlipwayError('context_too_large', `the archive ${this.#archive.name} is too entangled`, {
        hint: 'its symlinks lead too far; copy it with ADD --unpack=false and unpack it in a RUN',
      });
    if (this.#steps % TURN_STEPS !== 0) return;
    await setImmediate();
    this.#options.signal?.throwIfAborted();
  }

  /** What is not UTF-8 arrives here with U+FFFD in it, and would be another file. */
  #checkText(text: string): void {
    if (text.includes('\ufffd')) throw this.#invalid(text, 'has a name that is not UTF-8');
  }

  #invalid(entry: string, why: string): SlipwayError {
    const shown = JSON.stringify(entry.slice(0, 200));
    return new SlipwayError('context_invalid', `${shown} in the archive ${this.#archive.name} ${why}`, {
      hint: 'make the archive anew, or copy it with ADD --unpack=false and unpack it in a RUN',
    });
  }
}

function file(entry: LayerEntry, { size, offset }: ArchivedEntry): SourceEntry {
  const { mode, uid, gid, mtime } = entry;
  return { path: '', type: 'file', mode, uid, gid, mtime, sizeBytes: size, handle: String(offset) };
}

function join(directory: string, path: string): string {
  if (path === '') return directory;
  return directory === '' ? path : `${directory}/${path}`;
}
