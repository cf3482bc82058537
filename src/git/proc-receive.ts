/**
 * The `proc-receive` hook that git receive-pack starts (githooks(5), "proc-receive", version 1): a thin client of the web
 * process. It passes the proposed updates on through the hook socket (see hook-protocol.ts), writes the log that comes
 * back to stderr, which git carries to the pusher line by line, and hands the verdicts to git.
 * A program of its own: it imports nothing but Node's net and the framing, since every push waits for its start.
 */
import { connect } from 'node:net';
import { BAND_ACCEPTED, BAND_LOG, BAND_REPORT, PUSH_ID_VARIABLE, SOCKET_VARIABLE } from './hook-protocol.js';
import { FLUSH, PacketParser, packet } from './pkt-line.js';

const FEATURES = ['push-options', 'atomic'];

interface Proposal {
  readonly features: readonly string[];
  /** `<old> <new> <ref>`, as git wrote them. */
  readonly updates: readonly string[];
  readonly options: readonly string[];
}

/** What git sent, section by section; a section ends with a flush. */
class Sections {
  readonly #parser = new PacketParser();
  readonly #packets: (Buffer | null)[] = [];
  #wake: () => void = () => {};

  constructor() {
    process.stdin.on('data', (chunk: Buffer) => {
      try {
        this.#packets.push(...this.#parser.push(chunk));
      } catch (error) {
        fail(`what receive-pack said is not understood: ${(error as Error).message}`);
      }
      this.#wake();
    });
    // git keeps our stdin open until it has our answer: when it closes, git is gone and nobody reads any more.
    process.stdin.on('end', () => process.exit(1));
  }

  async next(): Promise<string[]> {
    const lines: string[] = [];
    for (;;) {
      const [line] = this.#packets.splice(0, 1);
      if (line === null) return lines;
      if (line !== undefined) lines.push(line.toString('utf8').replace(/\n$/, ''));
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}

function fail(message: string): never {
  process.stderr.write(` !     ${message}\n`);
  process.exit(1);
}

async function readProposal(sections: Sections): Promise<Proposal> {
  const [hello = ''] = await sections.next();
  const [version, offered = ''] = hello.split('\0');
  if (version !== 'version=1') fail(`receive-pack speaks ${JSON.stringify(version)}, not version=1`);
  const features = FEATURES.filter((name) => offered.split(' ').includes(name));
  process.stdout.write(Buffer.concat([packet(`version=1\0${features.join(' ')}\n`), FLUSH]));
  const updates = await sections.next();
  const options = features.includes('push-options') ? await sections.next() : [];
  return { features, updates, options };
}

/** Answers git and ends. */
function report(lines: readonly string[]): void {
  process.stdout.write(Buffer.concat([...lines.map((line) => packet(`${line}\n`)), FLUSH]), () =>
    process.exit(0),
  );
}

function refuseAll(proposal: Proposal, reason: string): void {
  report(proposal.updates.map((update) => `ng ${update.split(' ').slice(2).join(' ')} ${reason}`));
}

function passOn(proposal: Proposal): void {
  const socketPath = process.env[SOCKET_VARIABLE];
  const pushId = process.env[PUSH_ID_VARIABLE];
  if (socketPath === undefined || pushId === undefined) {
    process.stderr.write(
      ' !     Push over HTTP to Slipway: it does not look at what is pushed to its files directly.\n',
    );
    refuseAll(proposal, 'not pushed through Slipway');
    return;
  }
  const socket = connect(socketPath);
  const parser = new PacketParser();
  const lines: string[] = [];
  /** `<app> <build id>`, once the push is accepted. */
  let build: readonly string[] | undefined;
  let done = false;

  socket.on('connect', () => {
    const request = [
      `push ${pushId}`,
      ...(proposal.features.includes('atomic') ? ['atomic'] : []),
      ...proposal.updates.map((update) => `update ${update}`),
      ...proposal.options.map((option) => `option ${option}`),
    ];
    socket.write(Buffer.concat([...request.map((line) => packet(line)), FLUSH]));
  });
  socket.on('data', (chunk: Buffer) => {
    for (const frame of parser.push(chunk)) {
      if (frame === null) {
        done = true;
        socket.destroy();
        report(lines);
        return;
      }
      const payload = frame.subarray(1);
      if (frame[0] === BAND_LOG) process.stderr.write(payload);
      else if (frame[0] === BAND_REPORT) lines.push(payload.toString('utf8'));
      else if (frame[0] === BAND_ACCEPTED) build = payload.toString('utf8').split(' ');
    }
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    if (done) return;
    if (build === undefined) {
      process.stderr.write(' !     Slipway went away before it accepted this push. Push again.\n');
      refuseAll(proposal, 'Slipway is not available');
      return;
    }
    const [app, id] = build;
    process.stderr.write(
      ` !     The connection to Slipway was lost. Build ${id} is accepted and goes on; follow it with\n` +
        ` !     slipway builds:output -a ${app} ${id} -f\n`,
    );
    refuseAll(proposal, `lost sight of build ${id}, which goes on`);
  });
}

// The pusher is gone: nobody reads any more.
process.stderr.on('error', () => process.exit(1));
process.stdout.on('error', () => process.exit(1));
passOn(await readProposal(new Sections()));
