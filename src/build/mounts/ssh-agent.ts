/**
 * `RUN --mount=type=ssh`: a socket of our own that hands everything on to the user's agent, so that it can have the
 * owner and mode that the step needs, and is gone with the step.
 */
import { chmod, chown, open } from 'node:fs/promises';
import { createConnection, createServer, type Socket } from 'node:net';
import { join } from 'node:path';

export interface AgentSocket {
  readonly directory: string;
  readonly name: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** Listens at `directory/name` and connects each caller to `agent`. The result ends that. */
export async function forwardAgent(agent: string, at: AgentSocket): Promise<() => Promise<void>> {
  const callers = new Set<Socket>();
  const server = createServer((caller) => {
    const upstream = createConnection(agent);
    for (const [socket, other] of [
      [caller, upstream],
      [upstream, caller],
    ] as const) {
      callers.add(socket);
      socket.on('error', () => other.destroy());
      socket.once('close', () => {
        callers.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  });
  // A unix socket's path has 107 bytes at most (unix(7)); the directory's may be longer, its descriptor's is not.
  const directory = await open(at.directory);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(`/proc/self/fd/${directory.fd}/${at.name}`, resolve);
    });
    const path = join(at.directory, at.name);
    await chmod(path, at.mode);
    await chown(path, at.uid, at.gid);
  } catch (error) {
    server.close();
    await directory.close();
    throw error;
  }
  return async () => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const socket of callers) socket.destroy();
    await closed;
    await directory.close();
  };
}
