/** What a build allows and gives its RUN steps, beyond what their instructions say. */
import type { NetworkMode } from '../dockerfile/syntax.js';

export interface RunSettings {
  /** Where the instruction names no network. */
  readonly network: NetworkMode;
  /** What `--network=host` and `--security=insecure` need. */
  readonly allow: { readonly hostNetwork: boolean; readonly insecure: boolean };
  /** A secret's bytes by its id; undefined when nobody gave one. */
  readonly secret: (id: string) => Promise<Uint8Array | undefined>;
  /** The socket of an SSH agent by its id, a path on this machine; undefined when nobody gave one. */
  readonly sshAgent: (id: string) => string | undefined;
  /** Whose cache mounts and secrets the steps use: the app. No other scope gets a result that was made with them. */
  readonly cacheScope: string;
  /** Called before a step uses cache mounts; may bring some of the scope here. It only helps: all it throws is the signal's reason. */
  readonly beforeCaches?: (signal: AbortSignal) => Promise<void>;
}

/** Nothing beyond the sandbox. */
export function plainRunSettings(cacheScope: string): RunSettings {
  return {
    network: 'default',
    allow: { hostNetwork: false, insecure: false },
    secret: async () => undefined,
    sshAgent: () => undefined,
    cacheScope,
  };
}
