/**
 * The files of /etc that depend on where a step runs, and so must never be part of what it makes. As with BuildKit,
 * /etc/hostname is the image's: a step may write it. They are the same for most steps, which see them read-only, and are
 * written once.
 */
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { StepFile } from './step.js';

export function etcFiles(hostname: string, nameServers: string): StepFile[] {
  const hosts = `127.0.0.1\tlocalhost ${hostname}\n::1\tlocalhost ip6-localhost ip6-loopback\n`;
  return [
    { path: '/etc/hosts', mode: 0o644, content: hosts },
    { path: '/etc/resolv.conf', mode: 0o644, content: nameServers },
  ];
}

/** With the host's network a step asks whom the host asks. */
export function hostNameServers(): Promise<string> {
  return readFile('/etc/resolv.conf', 'utf8').catch(() => '');
}

/** Hostnames are the users' to choose; what is beyond this is written for its step alone. */
const SHARED_FILES = 32;

export class SharedFiles {
  readonly #directory: string;
  readonly #written = new Map<string, Promise<string>>();

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Where the file is, for steps that cannot write to it; undefined when there are too many. */
  async source({ content, mode }: StepFile): Promise<string | undefined> {
    const key = `${mode} ${content}`;
    const known = this.#written.get(key);
    if (known !== undefined || this.#written.size >= SHARED_FILES) return known;
    const path = join(this.#directory, `file-${this.#written.size}`);
    const written = writeFileAs(path, content, mode).then(() => path);
    this.#written.set(key, written);
    written.catch(() => this.#written.delete(key));
    return written;
  }
}

export async function writeFileAs(path: string, content: string, mode: number): Promise<void> {
  await writeFile(path, content);
  await chmod(path, mode); // past our umask
}
