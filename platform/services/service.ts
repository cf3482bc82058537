/** What every backing service of one machine has in common. */
import { join } from 'node:path';
import type { PlatformPaths } from '../home.js';
import type { Output } from '../output.js';
import { Part } from '../part.js';

export interface Service {
  readonly name: string;
  /** How the processes reach it, as its setting in the environment wants it. */
  readonly address: string;
  /** Of now; another one after a restart. */
  readonly pid: number | undefined;
  /** Orderly, with an end. Leaves nothing running or mounted. */
  stop(): Promise<void>;
  /** At once, without grace. */
  kill(): Promise<void>;
}

export interface ServiceContext {
  readonly paths: PlatformPaths;
  readonly output: Output;
  readonly signal?: AbortSignal;
}

/** Where a service writes its own log. Not to the terminal: what it says is rarely for the person in front of it. */
function serviceLog(paths: PlatformPaths, name: string): string {
  return join(paths.logs, `${name}.log`);
}

/** A service that is one program. */
export async function startProgram(
  context: ServiceContext,
  spec: {
    name: string;
    address: string;
    argv: readonly string[];
    graceMs?: number;
    readyTimeoutMs?: number;
    prepare?: () => void;
    ready: () => Promise<boolean>;
  },
): Promise<Service> {
  const { address, ...rest } = spec;
  const part = await Part.start(
    { ...rest, runDir: context.paths.run, logFile: serviceLog(context.paths, spec.name) },
    context.output,
    context.signal,
  );
  return {
    name: spec.name,
    address,
    get pid(): number | undefined {
      return part.pid;
    },
    stop: () => part.stop(),
    kill: async () => part.kill(),
  };
}
