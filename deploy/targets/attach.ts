/**
 * A connection to what runs in a container (Engine API, ContainerAttach and ContainerExec). With a terminal it carries its bytes as they
 * are, else output comes in frames. Closing our side of it ends the input of the command.
 */
import type { Duplex } from 'node:stream';
import type Docker from 'dockerode';
import type { CallOptions, Engine } from './engine.js';

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** To its process 1. */
export async function attachTo(engine: Engine, id: string, options: CallOptions): Promise<Duplex> {
  const path = `/containers/${id}/attach`;
  const query = { stream: true, stdin: true, stdout: true, stderr: true };
  return engine.call(
    'attach to a container',
    (api, signal) => api.connection({ method: 'POST', path, query, signal }),
    options,
  );
}

export interface Execution {
  readonly id: string;
  readonly stream: Duplex;
}

/** Runs argv in the container and attaches to it. */
export async function executeAttached(
  engine: Engine,
  container: string,
  { command, hasTerminal }: { readonly command: readonly string[]; readonly hasTerminal: boolean },
  options: CallOptions,
): Promise<Execution> {
  const create = {
    Cmd: command,
    Tty: hasTerminal,
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
  };
  return engine.call(
    'run a command in a container',
    async (api, signal) => {
      const { Id: id } = await api.json<{ Id: string }>({
        method: 'POST',
        path: `/containers/${container}/exec`,
        body: create,
        signal,
      });
      const body = { Detach: false, Tty: hasTerminal };
      const path = `/exec/${id}/start`;
      return { id, stream: await api.connection({ method: 'POST', path, body, signal }) };
    },
    options,
  );
}

/** Undefined while it runs. */
export async function exitOfExecution(engine: Engine, id: string): Promise<number | undefined> {
  const { Running, ExitCode } = await engine.call('inspect a command', (api, signal) =>
    api.json<Docker.ExecInspectInfo>({ path: `/exec/${id}/json`, signal }),
  );
  return Running ? undefined : (ExitCode ?? undefined);
}

/** `what`: `containers` or `exec`. Before it has started, and after it has ended, the engine refuses. */
export async function resize(
  engine: Engine,
  what: 'containers' | 'exec',
  id: string,
  { columns, rows }: TerminalSize,
): Promise<void> {
  const query = { w: columns, h: rows };
  await engine.call('resize a terminal', (api, signal) =>
    api.bytes({ method: 'POST', path: `/${what}/${id}/resize`, query, signal }),
  );
}
