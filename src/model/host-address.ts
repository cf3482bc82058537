/** A host's address as text and in parts. Pure. */
import { SlipwayError } from '../errors.js';

export type HostAddress =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | {
      readonly kind: 'ssh';
      readonly user: string;
      readonly host: string;
      readonly port: number;
      /** The engine's socket over there. */
      readonly socket: string;
    };

const SSH_PORT = 22;
const ENGINE_SOCKET = '/var/run/docker.sock';

/** None can start with `-`: they become arguments of ssh. */
const HOST = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/i;
const USER = /^[a-z_][a-z0-9_-]{0,31}$/i;
/** sockaddr_un holds 107 bytes and a NUL (unix(7)). */
const SOCKET_PATH_BYTES = 107;

const SOCKET_PATH = /^(?:\/[A-Za-z0-9._-]+)+$/;

/** Throws `bad_request` with the forms that there are. */
export function parseHostAddress(text: string): HostAddress {
  const path = text.startsWith('unix://') ? text.slice('unix://'.length) : undefined;
  if (path !== undefined && isSocketPath(path)) return { kind: 'unix', path };
  const [, kind, user, host = '', portText, socket = ENGINE_SOCKET] =
    /^(tcp|ssh):\/\/(?:([^@/:]+)@)?([^@/:]+)(?::(\d{1,5}))?(?:\/|(\/.+))?$/.exec(text) ?? [];
  // Docker has two ports of its own, with TLS and without: which one is meant is for people to say.
  const port = portText === undefined && kind === 'ssh' ? SSH_PORT : Number(portText);
  if (HOST.test(host) && host.length <= 253 && port > 0 && port <= 65_535) {
    if (kind === 'tcp' && user === undefined && socket === ENGINE_SOCKET) return { kind, host, port };
    if (kind === 'ssh' && user !== undefined && USER.test(user) && isSocketPath(socket))
      return { kind, user, host, port, socket };
  }
  throw new SlipwayError(
    'bad_request',
    `${JSON.stringify(text.slice(0, 100))} is not the address of a host`,
    {
      hint: 'use ssh://user@host[:port][/path/of/docker.sock], tcp://host:port or unix:///path/of/docker.sock; host is a name or an IPv4 address',
    },
  );
}

function isSocketPath(path: string): boolean {
  return SOCKET_PATH.test(path) && path.length <= SOCKET_PATH_BYTES;
}

/** In one form, so that the same address is the same text. */
export function formatHostAddress(address: HostAddress): string {
  if (address.kind === 'unix') return `unix://${address.path}`;
  const host = address.host.toLowerCase();
  if (address.kind === 'tcp') return `tcp://${host}:${address.port}`;
  const socket = address.socket === ENGINE_SOCKET ? '' : address.socket;
  return `ssh://${address.user}@${host}:${address.port}${socket}`;
}
