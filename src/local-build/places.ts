/** Opens the contexts of a build: directories, git repositories, what stdin holds. */
import { execFile } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { openGitSource } from '../build/add/git-source.js';
import type { ContextOrImage } from '../build/build-request.js';
import type { BuilderStore } from '../build/builder-store.js';
import type { BuildContext } from '../build/context/context.js';
import { openDirectoryContext } from '../build/context/directory-context.js';
import { GitRemotes, type WantedCommit } from '../build/context/git-remotes.js';
import { openGitContext, parseGitContext } from '../build/context/git-url-context.js';
import { hashesDirectory } from '../build/context/known-hashes.js';
import type { CopySource } from '../build/copy/copy-source.js';
import type { RunSettings } from '../build/run-settings.js';
import { UsageError } from '../cli/usage.js';
import type { Limits } from '../config.js';
import type { GitSource } from '../dockerfile/step.js';
import { SlipwayError } from '../errors.js';
import { fastPaths } from '../fast-paths.js';
import { Git } from '../git/git.js';
import { gitTokens, userEnvironment } from './git-access.js';
import type { ContextPlace, NamedPlace } from './options.js';
import { isTar } from './tar.js';

/** A commit of another repository that no build asked for in this time is fetched anew. */
const REMOTE_KEEP_MS = 24 * 60 * 60_000;

/** What stdin holds is in memory. */
const STDIN_BYTES = 2 * 1024 ** 3;

export interface OpenOptions {
  /** Of a git repository, its `.git` as well. */
  readonly keepGitDir?: boolean;
  /** What is built, rather than a further context. */
  readonly isMain?: boolean;
}

export interface PlaceTools {
  readonly store: BuilderStore;
  readonly limits: Limits;
  readonly stdin: Readable;
  readonly env: NodeJS.ProcessEnv;
  /** As `--secret` and `--ssh` have them. */
  readonly secret: RunSettings['secret'];
  readonly sshAgent: string | undefined;
  /** Where relative paths begin. */
  readonly directory: string;
  readonly signal: AbortSignal;
}

/** What the contexts need until the build has ended: scratch directories. */
export class Places {
  readonly #tools: PlaceTools;
  readonly #scratches: string[] = [];
  #stdin: Promise<Buffer> | undefined;
  #remotes: GitRemotes | undefined;
  /** What the Dockerfile names. */
  #added: GitRemotes | undefined;
  /** Of the repository that is built, if it is one of another machine. */
  #contextHost: string | undefined;

  constructor(tools: PlaceTools) {
    this.#tools = tools;
  }

  async close(): Promise<void> {
    await (this.#remotes ?? this.#added)?.forget(REMOTE_KEEP_MS);
    this.#remotes?.close();
    this.#added?.close();
    for (const scratch of this.#scratches.splice(0)) await this.#tools.store.layers.removeScratch(scratch);
  }

  /** All of stdin, once. Throws `context_too_large`. */
  stdin(): Promise<Buffer> {
    const { stdin, limits } = this.#tools;
    this.#stdin ??= readAll(stdin, Math.min(limits.contextBytes, STDIN_BYTES));
    return this.#stdin;
  }

  /** Throws a UsageError for a directory that is not there, `context_invalid` for stdin that holds no context. */
  async open(place: ContextPlace, options: OpenOptions = {}): Promise<BuildContext> {
    const { limits, signal, env, store } = this.#tools;
    if (place.kind === 'git') return this.#git(place.url, options);
    const path = place.kind === 'stdin' ? await this.#fromStdin() : place.path;
    if (place.kind === 'directory') await checkDirectory(path);
    // What stdin held is in another directory each time.
    const isKept = place.kind === 'directory' && fastPaths(env).hashes;
    return openDirectoryContext(path, limits, signal, isKept ? hashesDirectory(store.directory) : undefined);
  }

  /** For ADD. */
  gitSource(git: GitSource): Promise<CopySource> {
    const { limits, signal } = this.#tools;
    this.#added ??= this.#newRemotes(() => this.#tools.sshAgent !== undefined);
    return openGitSource(git, this.#added, limits, signal);
  }

  named(contexts: ReadonlyMap<string, NamedPlace>): ReadonlyMap<string, ContextOrImage> {
    const opened = [...contexts].map(([name, place]): [string, ContextOrImage] => {
      if (place.kind === 'image') return [name, place];
      let opening: Promise<BuildContext> | undefined;
      const open = (): Promise<BuildContext> => {
        opening ??= this.open(place);
        return opening;
      };
      return [name, { kind: 'directory', open }];
    });
    return new Map(opened);
  }

  /** Stdin, where it is a Dockerfile rather than a context. */
  async dockerfileOnStdin(place: ContextPlace): Promise<Buffer | undefined> {
    if (place.kind !== 'stdin') return undefined;
    const data = await this.stdin();
    return isTar(data) ? undefined : data;
  }

  /** A tar is extracted; a Dockerfile alone is built with an empty context. */
  async #fromStdin(): Promise<string> {
    const data = await this.stdin();
    if (data.length === 0)
      throw new SlipwayError('context_invalid', 'stdin is empty', {
        hint: 'pipe a Dockerfile or a tar into it: tar -c . | slipway build -',
      });
    const directory = join(await this.#scratch(), 'context');
    await mkdir(directory);
    if (isTar(data)) await extract(data, directory, this.#tools.signal);
    return directory;
  }

  #git(url: string, { keepGitDir = false, isMain = false }: OpenOptions): Promise<BuildContext> {
    const { limits, signal, directory } = this.#tools;
    const { keepGitDir: asked = keepGitDir, ...git } = parseGitContext(url, directory);
    if (isMain && !git.remote.startsWith('file://'))
      this.#contextHost = URL.canParse(git.remote) ? new URL(git.remote).host : '';
    return openGitContext({ ...git, keepGitDir: asked }, this.#gitRemotes(), limits, signal);
  }

  /** With this user's keys: it is this user who names the repositories, and those of theirs that trust each other. */
  #gitRemotes(): GitRemotes {
    const { sshAgent } = this.#tools;
    this.#remotes ??= this.#newRemotes(
      ({ from }) => from === undefined || !/^(https?|git):\/\//i.test(from) || sshAgent !== undefined,
    );
    return this.#remotes;
  }

  /** As BuildKit, a Dockerfile or a stranger's submodule is given keys by `--ssh` alone: a RUN could send on what they open. */
  #newRemotes(mayUseKeys: (wanted: WantedCommit) => boolean): GitRemotes {
    const { store, env, secret, sshAgent } = this.#tools;
    return new GitRemotes({
      git: new Git(),
      directory: join(store.directory, 'git'),
      rules: {},
      environment: userEnvironment(env, sshAgent),
      mayUseKeys,
      authorization: gitTokens(secret, () => this.#contextHost),
    });
  }

  async #scratch(): Promise<string> {
    const scratch = await this.#tools.store.layers.newScratch();
    this.#scratches.push(scratch);
    return scratch;
  }
}

async function checkDirectory(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) return;
  throw new UsageError(
    found === undefined ? `there is no directory ${path}` : `${path} is not a directory`,
    'name the build context, for example: slipway build .',
  );
}

async function readAll(stream: Readable, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > maxBytes)
      throw new SlipwayError('context_too_large', `stdin holds more than ${maxBytes} bytes`, {
        hint: 'extract it and build the directory',
      });
    chunks.push(Buffer.from(chunk));
  }
  return Buffer.concat(chunks);
}

/** GNU tar makes names relative, refuses `..`, and makes symlinks last: nothing gets out of the directory. */
async function extract(data: Buffer, directory: string, signal: AbortSignal): Promise<void> {
  const file = `${directory}.tar`;
  await pipeline([data], createWriteStream(file, { mode: 0o600 }), { signal });
  const args = [
    '--extract',
    '--file',
    file,
    '--directory',
    directory,
    '--no-same-owner',
    '--preserve-permissions',
  ];
  try {
    await promisify(execFile)('tar', args, { signal, maxBuffer: 1 << 20 });
  } catch (error) {
    signal.throwIfAborted();
    const [line = 'it is damaged'] = ((error as { stderr?: string }).stderr ?? '').split('\n');
    throw new SlipwayError('context_invalid', `the tar on stdin cannot be extracted: ${line.slice(0, 200)}`, {
      cause: error,
    });
  }
}
