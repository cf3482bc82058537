/**
 * The web process's end of the hook socket. It knows each running push by a one-time id that only its own receive-pack was
 * given, so the hook needs no credentials and a local user who finds the socket can do nothing with it.
 */
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { describeError, toSlipwayError } from '../errors.js';
import type { Logger } from '../log.js';
import { BAND_ACCEPTED, BAND_LOG, BAND_REPORT, PUSH_ID_VARIABLE, SOCKET_VARIABLE } from './hook-protocol.js';
import { readRequest } from './packet-request.js';
import { FLUSH, MAX_PAYLOAD_BYTES, packet } from './pkt-line.js';
import type { AdmittedPush, ProposedPush, PushViewer } from './push.js';
import { type RefUpdate, refuse, reportLines, type Verdict } from './verdict.js';

export interface Admission {
  /** For the environment of receive-pack. */
  readonly env: Readonly<Record<string, string>>;
  /** Ends the admission. A hook that comes later is refused. */
  release(): void;
}

export interface HookServerOptions {
  readonly socketPath: string;
  readonly receive: (push: ProposedPush, viewer: PushViewer) => Promise<readonly Verdict[]>;
  readonly log: Logger;
  /** A hook that has not said what it wants after so many ms is cut off. Default 10,000. */
  readonly requestTimeoutMs?: number;
}

/** 100 refs of 255 bytes are 35 KB; the limit on refs answers in words long before this one. */
const MAX_REQUEST_BYTES = 8 * 1024 * 1024;
/** How long the last words to a hook may take. */
const GOODBYE_MS = 1_000;
const UPDATE = /^update ([0-9a-f]{40}) ([0-9a-f]{40}) (refs\/\S.*)$/s;

export class HookServer {
  readonly #options: HookServerOptions;
  readonly #admitted = new Map<string, AdmittedPush>();
  readonly #viewers = new Set<SocketViewer>();
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;

  constructor(options: HookServerOptions) {
    this.#options = options;
    this.#server = createServer((socket) => this.#serve(socket));
  }

  async start(): Promise<void> {
    const { socketPath } = this.#options;
    await mkdir(dirname(socketPath), { recursive: true, mode: 0o700 });
    await chmod(dirname(socketPath), 0o700);
    // Left by a web process that was killed.
    await rm(socketPath, { force: true });
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(socketPath, () => {
        this.#server.off('error', reject);
        this.#server.on('error', (error) => this.#options.log.error({ err: error }, 'hook socket'));
        resolve();
      });
    });
  }

  /** Makes a push known. The caller releases it when receive-pack has ended. */
  admit(push: AdmittedPush): Admission {
    const id = randomBytes(32).toString('hex');
    this.#admitted.set(id, push);
    return {
      env: { [SOCKET_VARIABLE]: this.#options.socketPath, [PUSH_ID_VARIABLE]: id },
      release: () => this.#admitted.delete(id),
    };
  }

  /** Ends the wait of every pusher; their builds go on. For a web process that stops. */
  detachViewers(reason: string): void {
    for (const viewer of this.#viewers) viewer.detach(reason);
  }

  /** Lets every pusher go with the way back, then closes. Their builds go on. */
  async close(): Promise<void> {
    this.#admitted.clear();
    this.detachViewers('Slipway restarts');
    const late = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy();
    }, GOODBYE_MS);
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    clearTimeout(late);
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
    const limits = { bytes: MAX_REQUEST_BYTES, timeoutMs: this.#options.requestTimeoutMs ?? 10_000 };
    const onLines = (lines: readonly string[]): void => {
      const push = this.#understand(lines);
      // Keep reading, or the end of the connection would not be noticed.
      socket.resume();
      void this.#answer(socket, push);
    };
    readRequest(socket, limits, onLines, (err) => this.#options.log.warn({ err }, 'hook request'));
  }

  /** Throws when the request is not one of our hook's. */
  #understand(lines: readonly string[]): ProposedPush {
    const [first = '', ...rest] = lines;
    const id = /^push ([0-9a-f]{64})$/.exec(first)?.[1] ?? '';
    const admitted = this.#admitted.get(id);
    if (admitted === undefined) throw new Error('the push is not known');
    this.#admitted.delete(id);
    const updates: RefUpdate[] = [];
    const options: string[] = [];
    let isAtomic = false;
    for (const line of rest) {
      const [, oldOid, newOid, ref] = UPDATE.exec(line) ?? [];
      if (oldOid !== undefined && newOid !== undefined && ref !== undefined)
        updates.push({ ref, oldOid, newOid });
      else if (line.startsWith('option ')) options.push(line.slice('option '.length));
      else if (line === 'atomic') isAtomic = true;
      else throw new Error(`${JSON.stringify(line.slice(0, 100))} is not understood`);
    }
    return { ...admitted, updates, options, isAtomic };
  }

  async #answer(socket: Socket, push: ProposedPush): Promise<void> {
    const viewer = new SocketViewer(socket, push.app);
    this.#viewers.add(viewer);
    try {
      const verdicts = await this.#options.receive(push, viewer).catch(async (thrown: unknown) => {
        const error = toSlipwayError(thrown);
        this.#options.log.error({ err: thrown, app: push.app }, 'push not handled');
        const lines =
          error.code === 'internal'
            ? ['Slipway could not handle this push. The operator finds why in its log.']
            : describeError(error);
        await viewer.write(lines.map((line) => ` !     ${line}\n`).join(''));
        return push.updates.map(({ ref }) => refuse(ref, lines[0] ?? 'refused'));
      });
      viewer.report(verdicts);
    } finally {
      this.#viewers.delete(viewer);
    }
  }
}

/** The pusher's terminal, at the far end of a hook's socket. */
class SocketViewer implements PushViewer {
  readonly #socket: Socket;
  readonly #app: string;
  readonly #gone = new AbortController();

  constructor(socket: Socket, app: string) {
    this.#socket = socket;
    this.#app = app;
    if (socket.destroyed) this.#gone.abort('the connection was cut');
    socket.on('close', () => this.#gone.abort('the connection was cut'));
    socket.on('end', () => this.#gone.abort('the connection was cut'));
  }

  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  detach(reason: string): void {
    this.#gone.abort(reason);
  }

  accepted(buildId: string): void {
    this.#send(BAND_ACCEPTED, Buffer.from(`${this.#app} ${buildId}`));
  }

  async write(data: Uint8Array | string): Promise<void> {
    const bytes = typeof data === 'string' ? Buffer.from(data) : data;
    let hasRoom = true;
    for (let at = 0; at < bytes.length; at += MAX_PAYLOAD_BYTES - 1) {
      hasRoom = this.#send(BAND_LOG, bytes.subarray(at, at + MAX_PAYLOAD_BYTES - 1));
    }
    if (hasRoom || this.#socket.destroyed) return;
    await new Promise<void>((resolve) => {
      const go = (): void => {
        this.#socket.off('drain', go).off('close', go);
        this.#gone.signal.removeEventListener('abort', go);
        resolve();
      };
      this.#socket.on('drain', go).on('close', go);
      this.#gone.signal.addEventListener('abort', go, { once: true });
    });
  }

  report(verdicts: readonly Verdict[]): void {
    for (const verdict of verdicts)
      for (const line of reportLines(verdict)) this.#send(BAND_REPORT, Buffer.from(line));
    if (this.#socket.writable) this.#socket.end(FLUSH);
  }

  #send(band: number, payload: Uint8Array): boolean {
    return !this.#socket.writable || this.#socket.write(packet(Buffer.concat([Buffer.of(band), payload])));
  }
}
