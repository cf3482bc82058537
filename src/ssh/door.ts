/**
 * The web process's end of what comes by SSH. sshd, in a room where it can do nothing else (platform/services/ssh.ts), proves
 * that a caller has a key; whose it is, and what they may do, is decided here, for each key and each session anew. git runs here, as for
 * HTTP; a command runs there, as the command line that everybody has, with a token for as long as it lasts.
 */
import { chmod, mkdir, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import type { Limits } from '../config.js';
import { describeError, SlipwayError, toSlipwayError } from '../errors.js';
import { grantAccess } from '../git/access.js';
import { readRequest } from '../git/packet-request.js';
import { FLUSH, MAX_PAYLOAD_BYTES, PacketParser, packet } from '../git/pkt-line.js';
import type { AppDirectory } from '../git/push.js';
import type { GitServices } from '../git/services.js';
import type { Identity } from '../ledger/identity.js';
import type { Passes } from '../ledger/passes.js';
import type { People } from '../ledger/people.js';
import type { Logger } from '../log.js';
import { carry } from './carrier.js';
import {
  BAND_BECOME,
  BAND_ERRORS,
  BAND_EXIT,
  BAND_INPUT,
  BAND_OUTPUT,
  COMMAND_LINE,
  programOf,
} from './protocol.js';
import { parseWish, type Wish } from './wish.js';

export interface DoorParts {
  readonly socketPath: string;
  readonly people: Pick<People, 'ownerOfKey' | 'identityOfKey'>;
  readonly passes: Passes;
  readonly services: GitServices;
  readonly apps: AppDirectory;
  /** By which the command line in the room reaches the API. */
  readonly apiUrl: string;
  readonly limits: Pick<Limits, 'packBytes'>;
  readonly log: Logger;
  readonly times?: Partial<DoorTimes>;
}

/** In ms. */
export interface DoorTimes {
  /** For a request of ssh-caller. */
  readonly requestMs: number;
  /** git and its caller say nothing to each other for longer when one has gone. */
  readonly idleMs: number;
  /** How often it is looked whether who is here may still be. */
  readonly watchMs: number;
}

const TIMES: DoorTimes = { requestMs: 10_000, idleMs: 10 * 60_000, watchMs: 2_000 };
/** Each command is a process on this machine. */
const SESSIONS_OF_A_USER = 20;
const SESSIONS = 200;
const MAX_REQUEST_BYTES = 64 * 1024;
/** Commands, options and framing around a pack of the largest size; what a fetch says is less. */
const AROUND_PACK_BYTES = 1024 * 1024;
/** How long the last words to a caller may take. */
const GOODBYE_MS = 1_000;
/** A shell's own, for what was refused: 2 is for usage, as in the command line. */
const REFUSED = { usage: 2, failed: 1 } as const;

export class SshDoor {
  readonly #parts: DoorParts;
  readonly #times: DoorTimes;
  readonly #sessions = new Set<Session>();
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;
  #watching: NodeJS.Timeout | undefined;

  constructor(parts: DoorParts) {
    this.#parts = parts;
    this.#times = { ...TIMES, ...parts.times };
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#serve(socket));
  }

  async start(): Promise<void> {
    const { socketPath, log } = this.#parts;
    await mkdir(dirname(socketPath), { recursive: true, mode: 0o711 });
    // Left by a web process that was killed.
    await rm(socketPath, { force: true });
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(socketPath, () => {
        this.#server.off('error', reject);
        this.#server.on('error', (error) => log.error({ err: error }, 'ssh socket'));
        resolve();
      });
    });
    // For the account of the room, which sees nothing of the home but the directory of this socket. To others the home is closed.
    await chmod(socketPath, 0o666);
    this.#watching = setInterval(() => void this.#watch(), this.#times.watchMs);
  }

  /** Lets everybody go, then closes. Builds go on. */
  async close(): Promise<void> {
    clearInterval(this.#watching);
    for (const session of this.#sessions) session.letGo('Slipway restarts');
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
    const limits = { bytes: MAX_REQUEST_BYTES, timeoutMs: this.#times.requestMs };
    const onFault = (err: unknown): void => this.#parts.log.warn({ err }, 'ssh request');
    const onLines = (lines: readonly string[]): void =>
      void this.#answer(socket, lines).catch((error: unknown) => {
        onFault(error);
        socket.destroy();
      });
    readRequest(socket, limits, onLines, onFault);
  }

  async #answer(socket: Socket, [first = '', ...rest]: readonly string[]): Promise<void> {
    const [, type, blob] = /^key (\S+) (\S+)$/.exec(first) ?? [];
    if (type !== undefined && blob !== undefined) {
      socket.end(Buffer.concat([...(await this.#keyLine(type, blob)).map((line) => packet(line)), FLUSH]));
      return;
    }
    const fingerprint = this.#parts.passes.read(/^session (\S+)$/.exec(first)?.[1] ?? '');
    const [command = '', terminal, ...more] = rest;
    if (
      fingerprint === undefined ||
      !command.startsWith('command ') ||
      (terminal !== undefined && terminal !== 'terminal') ||
      more.length > 0
    )
      throw new Error('the request is not understood');
    const session = new Session(socket, fingerprint);
    this.#sessions.add(session);
    try {
      await this.#hold(session, command.slice('command '.length), terminal !== undefined);
    } finally {
      this.#sessions.delete(session);
    }
  }

  /** The key with what goes for it; nothing for one that nobody has. `restrict` takes all that sshd offers besides. */
  async #keyLine(type: string, blob: string): Promise<string[]> {
    const key = await this.#parts.people.ownerOfKey(type, blob);
    if (key === undefined) return [];
    const pass = this.#parts.passes.passOf(key.fingerprint);
    return [`restrict,pty,command="${pass}" ${key.type} ${key.blob}`];
  }

  async #hold(session: Session, text: string, hasTerminal: boolean): Promise<void> {
    try {
      const who = await this.#parts.people.identityOfKey(session.fingerprint);
      if (who === undefined) throw new SlipwayError('unauthorized', 'this key was removed');
      session.name = who.name;
      this.#checkRoom(who.name);
      await this.#grant(session, who, parseWish(text, hasTerminal));
    } catch (thrown) {
      const error = toSlipwayError(thrown);
      if (error.code === 'internal') this.#parts.log.error({ err: thrown }, 'ssh session');
      const lines =
        error.code === 'internal'
          ? ['Slipway could not do this. The operator finds why in its log.']
          : describeError(error);
      session.tell(lines.map((line) => ` !     ${line}\n`).join(''));
      session.end(error.code === 'bad_request' ? REFUSED.usage : REFUSED.failed);
    }
  }

  async #grant(session: Session, who: Identity, wish: Wish): Promise<void> {
    if (wish.kind === 'nothing') {
      session.tell(
        `Hello ${who.name}. Slipway gives no shell: push with git, or name a command; \`help\` lists them.\n`,
      );
      session.end(0);
    } else if (wish.kind === 'git') await this.#serveGit(session, who, wish);
    else await this.#run(session, wish.argv);
  }

  async #serveGit(session: Session, who: Identity, wish: Extract<Wish, { kind: 'git' }>): Promise<void> {
    const { apps, services, limits, log } = this.#parts;
    const access = await grantAccess(apps, who, wish.repository, wish.service);
    log.debug({ app: access.app, who: who.name, service: wish.service }, 'git by ssh');
    const haves = wish.service === 'git-receive-pack' ? await services.haves(access) : [];
    let failure: unknown;
    const call = {
      options: [],
      env: {},
      drive: async (child: Parameters<typeof carry>[0]): Promise<boolean> => {
        const bounds = { maxInputBytes: limits.packBytes + AROUND_PACK_BYTES, idleMs: this.#times.idleMs };
        try {
          await carry(child, session.asCaller(), bounds, haves);
          return false;
        } catch (thrown) {
          failure = thrown;
          return true;
        }
      },
    };
    if (wish.service === 'git-receive-pack') await services.receive(access, who, call);
    else await services.upload(access, call);
    if (failure !== undefined) throw failure;
    session.end(0);
  }

  /** The command line ends by itself; the connection that it keeps says when. */
  async #run(session: Session, argv: readonly string[]): Promise<void> {
    const { passes, apiUrl } = this.#parts;
    const { token, takeBack } = passes.issue(session.fingerprint);
    try {
      const env = { SLIPWAY_URL: apiUrl, SLIPWAY_TOKEN: token, SLIPWAY_SSH: '1', HOME: '/' };
      session.become(programOf(env, [...COMMAND_LINE, ...argv]));
      await session.closed;
    } finally {
      takeBack();
    }
  }

  #checkRoom(name: string): void {
    const others = [...this.#sessions].filter((session) => session.name === name).length;
    if (others <= SESSIONS_OF_A_USER && this.#sessions.size <= SESSIONS) return;
    throw new SlipwayError(
      'unavailable',
      others > SESSIONS_OF_A_USER
        ? `${name} has ${SESSIONS_OF_A_USER} sessions already`
        : `there are ${SESSIONS} sessions already`,
      { hint: 'end one, or try again later', temporary: true },
    );
  }

  /** Whose key was removed meanwhile does not stay. */
  async #watch(): Promise<void> {
    for (const session of this.#sessions) {
      const who = await this.#parts.people.identityOfKey(session.fingerprint).catch(() => null);
      // Null: it could not be read, which says nothing about the key.
      if (who === undefined) session.letGo('this key was removed');
    }
  }
}

/** One command of a caller, at the far end of ssh-caller's socket. */
class Session {
  readonly fingerprint: string;
  /** Resolves when the caller has gone. */
  readonly closed: Promise<void>;
  /** Whose it is, once that is known. */
  name = '';
  readonly #socket: Socket;
  readonly #gone = new AbortController();

  constructor(socket: Socket, fingerprint: string) {
    this.#socket = socket;
    this.fingerprint = fingerprint;
    this.closed = new Promise((resolve) => {
      if (socket.destroyed) resolve();
      socket.once('close', () => resolve());
      // A command line that has ended closes its side.
      socket.once('end', () => socket.end());
    });
    void this.closed.then(() => this.#gone.abort(new SlipwayError('unavailable', 'the caller is gone')));
    socket.resume();
  }

  tell(text: string): void {
    this.#send(BAND_ERRORS, Buffer.from(text));
  }

  become(program: Buffer): void {
    this.#send(BAND_BECOME, program);
  }

  end(code: number): void {
    this.#send(BAND_EXIT, Buffer.from(String(code)));
    if (this.#socket.writable) this.#socket.end();
  }

  /** Whatever goes on ends. */
  letGo(reason: string): void {
    this.#gone.abort(new SlipwayError('unauthorized', reason));
    this.tell(` !     ${reason}\n`);
    this.end(REFUSED.failed);
  }

  /** From here on the caller's input is listened to. */
  asCaller(): Parameters<typeof carry>[1] {
    const socket = this.#socket;
    const input = new PassThrough();
    const parser = new PacketParser();
    const onData = (chunk: Buffer): void => {
      try {
        for (const frame of parser.push(chunk)) {
          if (frame === null) input.end();
          else if (!input.writableEnded && !input.write(frame)) {
            socket.pause();
            input.once('drain', () => socket.resume());
          }
        }
      } catch (error) {
        input.destroy(error as Error);
      }
    };
    socket.on('data', onData);
    void this.closed.then(() => input.destroy(new Error('the caller is gone')));
    this.#send(BAND_INPUT, Buffer.alloc(0));
    return { input, output: new BandedOutput(socket), signal: this.#gone.signal };
  }

  #send(band: number, payload: Uint8Array): void {
    if (this.#socket.writable) this.#socket.write(packet(Buffer.concat([Buffer.of(band), payload])));
  }
}

/** What git says, in packets, at the pace at which they are taken. */
class BandedOutput extends Writable {
  readonly #socket: Socket;

  constructor(socket: Socket) {
    super();
    this.#socket = socket;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    let hasRoom = true;
    for (let at = 0; at < chunk.length; at += MAX_PAYLOAD_BYTES - 1) {
      if (!this.#socket.writable) break;
      const part = chunk.subarray(at, at + MAX_PAYLOAD_BYTES - 1);
      hasRoom = this.#socket.write(packet(Buffer.concat([Buffer.of(BAND_OUTPUT), part])));
    }
    if (hasRoom || !this.#socket.writable) {
      done();
      return;
    }
    const goOn = (): void => {
      this.#socket.off('drain', goOn).off('close', goOn);
      done();
    };
    this.#socket.on('drain', goOn).on('close', goOn);
  }
}
