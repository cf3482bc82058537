/** A host's address as text and in parts. Pure. */
import { SlipwayError } from '../errors.js';

export type HostAddress =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'ssh'; readonly user: string; readonly host: string; readonly port: number };

/** Docker's own ports: without TLS 2375, with it 2376. */
const TCP_PORT = 2376;
const SSH_PORT = 22;

/** None can start with `-`: they become arguments of ssh. */
const HOST = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/i;
const USER = /^[a-z_][a-z0-9_-]{0,31}$/i;
/** sockaddr_un holds 107 bytes and a NUL (unix(7)). */
const SOCKET_PATH_BYTES = 107;

/** Throws `bad_request` with the forms that there are. */
export function parseHostAddress(text: string): HostAddress {
  const [, path] = /^unix:\/\/(\/[\x21-\x7e]+)$/.exec(text) ?? [];
  if (path !== undefined && path.length <= SOCKET_PATH_BYTES) return { kind: 'unix', path };
  const [, kind, user, host = '', portText] =
    /^(tcp|ssh):\/\/(?:([^@/:]+)@)?([^@/:]+)(?::(\d{1,5}))?\/?$/.exec(text) ?? [];
  const port = portText === undefined ? (kind === 'ssh' ? SSH_PORT : TCP_PORT) : Number(portText);
  if (HOST.test(host) && host.length <= 253 && port > 0 && port <= 65_535) {
    if (kind === 'tcp' && user === undefined) return { kind, host, port };
    if (kind === 'ssh' && user !== undefined && USER.test(user)) return { kind, user, host, port };
  }
  throw new SlipwayError(
    'bad_request',
    `${JSON.stringify(text.slice(0, 100))} is not the address of a host`,
    {
      hint: 'use ssh://user@host[:port], tcp://host[:port] (name or IPv4 address) or unix:///path/of/docker.sock',
    },
  );
}

/** In one form, so that the same address is the same text. */
export function formatHostAddress(address: HostAddress): string {
  if (address.kind === 'unix') return `unix://${address.path}`;
  const host = address.host.toLowerCase();
  return address.kind === 'tcp'
    ? `tcp://${host}:${address.port}`
    : `ssh://${address.user}@${host}:${address.port}`;
}
