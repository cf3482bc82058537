/** `slipway build` in this process: a registry with busybox as docker.io, a store of its own, files as a context. */
import { execFileSync } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { RegistryClient } from '../../src/registry/client.js';
import { type Result, type RunOptions, Terminal } from '../cli/support/terminal.js';
import { pushBusybox } from '../support/builder.js';
import { startRegistry, type TestRegistry } from '../support/registry.js';

export class LocalBuilds {
  readonly registry: TestRegistry;
  readonly terminal: Terminal;
  readonly store: string;

  private constructor(registry: TestRegistry, terminal: Terminal) {
    this.registry = registry;
    this.terminal = terminal;
    this.store = join(terminal.home, 'store');
    terminal.env = { ...terminal.env, SLIPWAY_BUILD_STORE: this.store };
  }

  static async start(): Promise<LocalBuilds> {
    const registry = await startRegistry();
    const terminal = await Terminal.open();
    const client = new RegistryClient({ pushAllowed: [registry.host] });
    await pushBusybox(client, registry.host, terminal.home);
    client.close();
    return new LocalBuilds(registry, terminal);
  }

  async stop(): Promise<void> {
    await this.registry.stop();
  }

  /** Files below the directory that commands run in. */
  async write(files: Readonly<Record<string, string>>): Promise<void> {
    for (const [path, text] of Object.entries(files)) {
      const at = join(this.terminal.directory, path);
      await mkdir(dirname(at), { recursive: true });
      await writeFile(at, text);
    }
  }

  /** With the registry as docker.io's mirror. */
  build(argv: readonly string[], options: RunOptions = {}): Promise<Result> {
    return this.terminal.run(['build', '--mirror', `docker.io=${this.registry.host}`, ...argv], options);
  }

  path(name: string): string {
    return join(this.terminal.directory, name);
  }

  /** The config of the only image of an OCI archive. */
  async config(archive: string): Promise<{ config: { Labels?: Record<string, string>; Env?: string[] } }> {
    const { manifests } = this.#json(archive, 'index.json') as { manifests: { digest: string }[] };
    const manifest = this.#json(archive, blob(manifests[0]?.digest)) as { config: { digest: string } };
    return this.#json(archive, blob(manifest.config.digest)) as { config: object };
  }

  /** The names in the archive's top layer. */
  topLayer(archive: string): string[] {
    const { manifests } = this.#json(archive, 'index.json') as { manifests: { digest: string }[] };
    const manifest = this.#json(archive, blob(manifests[0]?.digest)) as { layers: { digest: string }[] };
    const layer = this.#member(archive, blob(manifest.layers.at(-1)?.digest));
    return execFileSync('tar', ['-tz'], { input: layer, encoding: 'utf8' }).split('\n').filter(Boolean);
  }

  read(name: string): Promise<string> {
    return readFile(this.path(name), 'utf8');
  }

  #json(archive: string, member: string): unknown {
    return JSON.parse(this.#member(archive, member).toString('utf8'));
  }

  #member(archive: string, member: string): Buffer {
    return execFileSync('tar', ['-xOf', this.path(archive), member], { maxBuffer: 1 << 28 });
  }
}

function blob(digest: string | undefined): string {
  return `blobs/${(digest ?? '').replace(':', '/')}`;
}
