/**
 * Requests that last: a log that is followed, a command that somebody is attached to. They were let in by a token; when it is
 * revoked, they end as well.
 */
import type { FastifyInstance } from 'fastify';
import type { PlatformLedger } from '../ledger/platform.js';
import { tokenOf } from './tools.js';

interface Lasting {
  readonly token: string;
  cut(): void;
}

/** Looks every `everyMs` at the requests of `api` that have not ended. */
export function letGoOfRevoked(
  api: FastifyInstance,
  platform: Pick<PlatformLedger, 'identify'>,
  everyMs: number,
): void {
  const open = new Set<Lasting>();
  api.addHook('onRequest', async (request, reply) => {
    const token = tokenOf(request);
    if (token === undefined) return;
    const { socket } = request.raw;
    const one = { token, cut: () => void socket.destroy() };
    const forget = (): void => {
      open.delete(one);
      socket.off('close', forget);
    };
    open.add(one);
    // A connection that was upgraded has no answer that would finish.
    reply.raw.once('finish', forget);
    socket.once('close', forget);
  });
  const look = async (): Promise<void> => {
    const tokens = new Set([...open].map(({ token }) => token));
    for (const token of tokens) {
      // What cannot be read now says nothing about the token.
      const isValid = await platform.identify(token).then(
        (identity) => identity !== undefined,
        () => true,
      );
      if (!isValid) for (const one of open) if (one.token === token) one.cut();
    }
  };
  const timer = setInterval(() => void look(), everyMs).unref();
  api.addHook('onClose', async () => clearInterval(timer));
}
