/**
 * The edge's state as a configuration of HAProxy 2.6 or later. Pure. The text is all that HAProxy needs: one that
 * starts alone, with no deployer anywhere, serves the right servers.
 *
 * An app has one of the backends that are made ahead (berths.ts); its host and its domains lead there by tables (tables.ts).
 */
import { createHash } from 'node:crypto';
import { appIn, type Berth, berthName } from './berths.js';
import type { EdgeServer, EdgeState } from './state.js';
import { APPS, CANARIES, CERTIFICATES, CHALLENGES, DOMAINS, MAINTENANCE, SECURED } from './tables.js';

export interface EdgeSettings {
  /** `host:port` for the apps' traffic. */
  readonly bind: string;
  /** The same for HTTPS. Without it there is none. */
  readonly tlsBind?: string;
  /** HAProxy makes this socket; over it a new worker takes the listening sockets from the old one. */
  readonly statsSocket: string;
  /** Numeric user and group of the workers, when HAProxy is started by root. */
  readonly runAs?: { readonly uid: number; readonly gid: number };
}

const UNKNOWN_HOST = 'UNKNOWN_HOST';
/**
 * A worker that is being replaced knows only the servers of its time. What comes in on the connections that it still has, it
 * passes on to the new worker, over a listener that only that one has by then.
 */
const SUCCESSOR = 'SUCCESSOR';
/** The same for what came over TLS, which the old worker has taken off: the new one must know. */
const SUCCESSOR_TLS = 'SUCCESSOR_TLS';
/** Backends that are no app's. */
export const OWN_BACKENDS: ReadonlySet<string> = new Set([UNKNOWN_HOST, SUCCESSOR, SUCCESSOR_TLS]);
/**
 * Idle connections to a server are kept and reused; both settings are needed on servers that are added while it runs. Many app
 * servers close an idle connection after 5 s, so most are gone by then: a request could meet that end half-way.
 */
const SERVER_OPTIONS = 'pool-max-conn 64 pool-purge-delay 2s';
/**
 * Servers on other machines, which may go away without a word: HAProxy tries to connect every second. After three failures (4 s
 * at most) it sends no requests there. Decision 26.
 */
const REMOTE_OPTIONS = 'check inter 1s fastinter 250ms downinter 500ms fall 3 rise 2';

/** What follows name and address of a server, in the file and on the command line alike. */
export function serverOptions({ machine }: EdgeServer): string {
  return machine === undefined ? SERVER_OPTIONS : `${SERVER_OPTIONS} ${REMOTE_OPTIONS}`;
}

const TEXT = 'content-type "text/plain; charset=utf-8"';
/** A DNS name has at most 253 characters, a port 6. */
const HOST_BYTES = 260;

export function renderEdge(state: EdgeState, settings: EdgeSettings): string {
  const frame = renderFrame(state, settings, true);
  return frame.replace(DESCRIPTION, `description slipway ${state.generation} ${frameHash(state, settings)}`);
}

/**
 * Names everything in the configuration but generation, servers, and whose a backend is. A running HAProxy with the same hash needs no
 * reload: these can be changed as it runs.
 */
export function frameHash(state: EdgeState, settings: EdgeSettings): string {
  return createHash('sha256')
    .update(renderFrame(state, settings, false))
    .digest('hex')
    .slice(0, 16);
}

/** From the `description` of a running HAProxy. Undefined when it runs some other configuration. */
export function parseDescription(text: string): { generation: number; frame: string } | undefined {
  const match = /^slipway (\d+) ([0-9a-f]{16})$/.exec(text.trim());
  return match?.[1] === undefined || match[2] === undefined
    ? undefined
    : { generation: Number(match[1]), frame: match[2] };
}

const DESCRIPTION = 'description -';

function renderFrame(state: EdgeState, settings: EdgeSettings, withServers: boolean): string {
  return [
    '# Written by the deployer at each change. Do not edit: the next change replaces it.',
    ...globalSection(settings),
    ...DEFAULTS,
    ...frontend(settings),
    ...unknownHost(),
    ...successorBackends(settings),
    ...(state.berths ?? []).flatMap((one) =>
      backend(one, withServers ? (appIn(state, one)?.servers ?? []) : []),
    ),
    '',
  ].join('\n');
}

function globalSection({ statsSocket, runAs }: EdgeSettings): string[] {
  return [
    'global',
    `  ${DESCRIPTION}`,
    // Names of other files are relative to this one, whatever its directory is called.
    '  default-path config',
    `  stats socket ${quote(statsSocket)} mode 600 level admin expose-fd listeners`,
    ...(runAs === undefined ? [] : [`  uid ${runAs.uid}`, `  gid ${runAs.gid}`]),
    // A worker that was replaced ends with its last connection, or now.
    '  hard-stop-after 30m',
    '',
  ];
}

const DEFAULTS: readonly string[] = [
  'defaults',
  '  mode http',
  '  timeout http-request 10s',
  '  timeout http-keep-alive 15s',
  '  timeout client 60s',
  // Enough for a second SYN, which Linux sends after 1 s.
  '  timeout connect 1500ms',
  '  timeout check 750ms',
  '  timeout server 60s',
  '  timeout queue 5s',
  // A server that has gone while its answer is awaited: 2 s, and three questions a second apart.
  '  option srvtcpka',
  '  srvtcpka-idle 2s',
  '  srvtcpka-intvl 1s',
  '  srvtcpka-cnt 3',
  // Both directions of a websocket.
  '  timeout tunnel 1h',
  '  balance leastconn',
  '  http-reuse safe',
  '  retries 3',
  '  option redispatch 1',
  // Sent again only when no byte of an answer came, and then only what may be repeated (see the frontend).
  '  retry-on conn-failure empty-response',
  // A worker that is being replaced answers one more request on a kept connection: it may be on its way already.
  '  option idle-close-on-response',
  '',
];

const CHALLENGE_PATH = '/.well-known/acme-challenge/';
/** While people are at work somewhere, nobody knows for how long. */
const MAINTENANCE_RETRY_SECONDS = 60;

function frontend({ bind, tlsBind, statsSocket }: EdgeSettings): string[] {
  const tls =
    tlsBind === undefined
      ? []
      : // Without a certificate for a name there is no connection: none of another app is shown instead.
        [
          `  bind ${tlsBind} ssl crt-list ${CERTIFICATES} strict-sni alpn h2,http/1.1 ssl-min-ver TLSv1.2`,
          `  bind ${successor(statsSocket)}-tls accept-proxy name ${SUCCESSOR_TLS}`,
        ];
  return [
    'frontend apps',
    `  bind ${bind}`,
    ...tls,
    `  bind ${successor(statsSocket)} accept-proxy`,
    `  acl tls ssl_fc`,
    `  acl tls so_name -m str ${SUCCESSOR_TLS}`,
    `  http-request deny deny_status 400 if { req.hdr_cnt(host) gt 1 } || { req.hdr(host),length gt ${HOST_BYTES} }`,
    '  http-request disable-l7-retry unless { method GET HEAD OPTIONS }',
    '  http-request set-var(txn.host) req.hdr(host),field(1,:),rtrim(.),lower',
    ...findBackend(),
    ...drawCanary(),
    // This is the outermost proxy: what a client says of itself here is not to be believed.
    '  http-request set-header x-forwarded-for %[src]',
    '  http-request set-header x-forwarded-proto http unless tls',
    '  http-request set-header x-forwarded-proto https if tls',
    '  http-request set-header x-forwarded-host %[req.hdr(host)]',
    '  http-request set-header x-forwarded-port %[dst_port]',
    ...answers(tlsBind),
    ...(tls.length === 0 ? [] : [`  use_backend ${SUCCESSOR_TLS} if { stopping } tls`]),
    `  use_backend ${SUCCESSOR} if { stopping }`,
    '  use_backend %[var(txn.backend)] if { var(txn.backend) -m found }',
    `  default_backend ${UNKNOWN_HOST}`,
    '',
  ];
}

/** By the domain itself, else by the wildcard that stands for it, else it is an app's own host or nobody's. */
function findBackend(): string[] {
  const unlessFound = 'unless { var(txn.own) -m found }';
  return [
    '  http-request set-var(txn.name) var(txn.host)',
    `  http-request set-var(txn.own) var(txn.name),map_str(${DOMAINS})`,
    `  http-request set-var(txn.name) var(txn.host),regsub(^[a-z0-9_-]+,*) ${unlessFound}`,
    `  http-request set-var(txn.own) var(txn.name),map_str(${DOMAINS}) ${unlessFound}`,
    `  http-request set-var(txn.name) var(txn.host) ${unlessFound}`,
    `  http-request set-var(txn.own) var(txn.host) ${unlessFound}`,
    `  http-request set-var(txn.backend) var(txn.own),map_str(${APPS})`,
    // For what is said in its stead: an app's own host begins with its name.
    '  http-request set-var(txn.app) var(txn.own),field(1,.)',
  ];
}

/** Each request by itself: who is sent to a canary now may be sent elsewhere the next time. */
function drawCanary(): string[] {
  return [
    '  http-request set-var(txn.draw) rand(100)',
    `  http-request set-var(txn.canary) var(txn.own),concat(/,txn.draw),map_str(${CANARIES})`,
  ];
}

/**
 * What the edge says itself, in front of every app. A worker that is being replaced has the tables of its time, so it leaves that to
 * its successor. A challenge that is not ours is the app's own affair.
 */
function answers(tlsBind: string | undefined): string[] {
  const port = tlsBind?.split(':').at(-1);
  const redirect = `  http-request redirect code 308 location https://%[var(txn.host)]${port === '443' ? '' : `:${port}`}%[pathq]`;
  const token = `path,regsub(^${CHALLENGE_PATH},)`;
  return [
    `  http-request set-var(txn.challenge) ${token},map_str(${CHALLENGES}) if { path_beg ${CHALLENGE_PATH} }`,
    '  http-request return status 200 content-type text/plain lf-string "%[var(txn.challenge)]" if { var(txn.challenge) -m found } !{ stopping }',
    ...(tlsBind === undefined
      ? []
      : [`${redirect} if !tls { var(txn.name),map_str(${SECURED}) -m found } !{ stopping }`]),
    `  http-request set-var(txn.page) var(txn.own),map_str(${MAINTENANCE})`,
    `  http-request return status 503 ${TEXT} lf-string "%[var(txn.page),b64dec]\\n" hdr retry-after ${MAINTENANCE_RETRY_SECONDS} hdr cache-control no-store hdr x-content-type-options nosniff if { var(txn.page) -m found } !{ stopping }`,
  ];
}

function unknownHost(): string[] {
  return [
    `backend ${UNKNOWN_HOST}`,
    `  http-request return status 404 ${TEXT} lf-string "No app answers at \\"%[var(txn.host)]\\".\\n" hdr x-content-type-options nosniff`,
    '',
  ];
}

function successorBackends({ statsSocket, tlsBind }: EdgeSettings): string[] {
  const address = successor(statsSocket);
  return [
    `backend ${SUCCESSOR}`,
    `  server next ${address} send-proxy-v2`,
    '',
    ...(tlsBind === undefined
      ? []
      : [`backend ${SUCCESSOR_TLS}`, `  server next ${address}-tls send-proxy-v2`, '']),
  ];
}

/** An abstract socket: workers that gave up root's rights reach it too. Its name is unique to this edge. */
function successor(statsSocket: string): string {
  return `abns@slipway-edge-${createHash('sha256').update(statsSocket).digest('hex').slice(0, 16)}`;
}

function backend(berth: Berth, servers: readonly EdgeServer[]): string[] {
  const page = (status: number, text: string): string =>
    `  http-error status ${status} ${TEXT} lf-string "${text}\\n" hdr x-content-type-options nosniff`;
  const app = 'The app %[var(txn.app)]';
  return [
    `backend ${berthName(berth)}`,
    page(502, `${app} broke off its answer.`),
    page(503, `${app} does not answer right now: none of its containers takes requests.`),
    page(504, `${app} took too long to answer.`),
    '  use-server %[var(txn.canary)] if { var(txn.canary) -m found }',
    ...servers.map(serverLine),
    '',
  ];
}

function serverLine(server: EdgeServer): string {
  return `  server ${server.name} ${server.host}:${server.port} ${serverOptions(server)}`;
}

/** HAProxy configuration manual, 2.2 "Quoting and escaping". */
function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
