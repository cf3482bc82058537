/**
 * Requests that become connections (RFC 9110, section 7.8), as a part of fastify's ordinary way: hooks, tokens and errors are those of
 * every other route. A route that wants one takes it from `takeConnection`; any other answers as if no upgrade had been asked for.
 */
import { type IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { SlipwayError } from './errors.js';
import { ATTACH_PROTOCOL } from './frames.js';

const connections = new WeakMap<IncomingMessage, { readonly socket: Duplex; readonly head: Buffer }>();

/** Before the server listens. What has been taken ends with the server. */
export function acceptUpgrades(server: FastifyInstance): void {
  const open = new Set<Duplex>();
  server.server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    // Node has taken its own listener away; without one an error would end the process.
    socket.on('error', () => socket.destroy());
    connections.set(request, { socket, head });
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    response.assignSocket(socket as never);
    response.once('finish', () => socket.end());
    server.routing(request, response);
  });
  server.addHook('preClose', (done) => {
    for (const socket of open) socket.destroy();
    done();
  });
}

/** Throws `bad_request` when the request does not ask for a connection. */
export function checkUpgrade(request: FastifyRequest): { readonly socket: Duplex; readonly head: Buffer } {
  const connection = connections.get(request.raw);
  if (connection !== undefined && request.headers.upgrade?.toLowerCase() === ATTACH_PROTOCOL)
    return connection;
  throw new SlipwayError('bad_request', `this is for connections that are upgraded to ${ATTACH_PROTOCOL}`, {
    hint: 'use: slipway run, or slipway enter; a proxy before the platform must let upgrades through',
  });
}

/** Agrees to the upgrade; from here on the caller answers for the connection. Throws as `checkUpgrade` does. */
export function takeConnection(request: FastifyRequest, reply: FastifyReply): Duplex {
  const { socket, head } = checkUpgrade(request);
  reply.hijack();
  reply.raw.detachSocket(socket as never);
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: ${ATTACH_PROTOCOL}\r\n\r\n`,
  );
  if (head.length > 0) socket.unshift(head);
  return socket;
}
