/**
 * Requests that last: a log that is followed, a command that somebody is attached to. They were let in by a token for what its
 * person might do; when the token is revoked, or the right is taken away, they end as well.
 */
import type { FastifyInstance } from 'fastify';
import { toSlipwayError } from '../errors.js';
import type { Identity } from '../ledger/platform.js';
import type { RouteAccess } from './route.js';
import { type ApiTools, authorize, tokenOf } from './tools.js';

interface Lasting {
  readonly token: string;
  readonly access: RouteAccess | undefined;
  readonly app: string | undefined;
  cut(): void;
}

/** Looks every `everyMs` at the requests of `api` that have not ended. */
export function letGoOfRevoked(
  api: FastifyInstance,
  { platform, ledger }: Pick<ApiTools, 'platform' | 'ledger'>,
  everyMs: number,
): void {
  const open = new Set<Lasting>();
  api.addHook('onRequest', async (request, reply) => {
    const token = tokenOf(request);
    if (token === undefined) return;
    const { socket } = request.raw;
    const { app } = request.params as { readonly app?: string };
    const { described } = request.routeOptions.config;
    const one = { token, access: described?.access, app, cut: () => void socket.destroy() };
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
      const identity = await platform.identify(token).catch(() => 'unknown' as const);
      // What cannot be read now says nothing about the token.
      if (identity === 'unknown') continue;
      for (const one of open) if (one.token === token && !(await mayStill(identity, one))) one.cut();
    }
  };
  const mayStill = async (identity: Identity | undefined, { access, app }: Lasting): Promise<boolean> => {
    if (identity === undefined) return false;
    if (access === undefined || access === 'public') return true;
    return authorize(ledger, identity, access, app).then(
      () => true,
      (thrown: unknown) => !['forbidden', 'not_found'].includes(toSlipwayError(thrown).code),
    );
  };
  const timer = setInterval(() => void look(), everyMs).unref();
  api.addHook('onClose', async () => clearInterval(timer));
}
