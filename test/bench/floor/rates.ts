/** How fast this machine is at what a build consists of, each measured alone on one core. Medians of a few tries. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { deflateSync, inflateSync } from 'node:zlib';
import { openLayerWriter } from '../../../native/index.js';
import { median } from '../report/statistics.js';
import { Random } from '../workloads/random.js';
import { sourceText } from '../workloads/source-text.js';

export interface Rates {
  readonly hashMBs: number;
  /** With igzip, as the layers are written: hashing of both streams included. */
  readonly compressMBs: number;
  readonly inflateMBs: number;
  readonly writeMBs: number;
  readonly sendMBs: number;
  /** A program in namespaces of its own that does nothing. */
  readonly startMs: number;
  readonly createFileMs: number;
  /** A small answer of the registry over a connection that is open. */
  readonly requestMs: number;
}

const TRIES = 5;
const MB = 1_000_000;
const BYTES = 64 * MB;
const FILES = 2000;
const REQUESTS = 20;

export async function measureRates(registry: string): Promise<Rates> {
  const directory = await mkdtemp(join(tmpdir(), 'slipway-floor-'));
  try {
    const data = mixed();
    const perSecond = async (work: () => Promise<void>): Promise<number> =>
      Math.round(BYTES / MB / ((await typicalMs(work)) / 1000));
    const deflated = deflateSync(data, { level: 1 });
    return {
      hashMBs: await perSecond(async () => void createHash('sha256').update(data).digest()),
      compressMBs: await perSecond(() => compress(join(directory, 'layer'), data)),
      inflateMBs: await perSecond(async () => void inflateSync(deflated)),
      writeMBs: await perSecond(() => writeThrough(join(directory, 'file'), data)),
      sendMBs: await perSecond(() => send(data)),
      startMs: await typicalMs(() => start()),
      createFileMs: (await typicalMs(() => createFiles(directory))) / FILES,
      requestMs: (await typicalMs(() => request(registry))) / REQUESTS,
    };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function typicalMs(work: () => Promise<void>): Promise<number> {
  const times: number[] = [];
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const started = performance.now();
    await work();
    times.push(performance.now() - started);
  }
  return median(times);
}

/** Half text, half bytes that do not get smaller. */
function mixed(): Buffer {
  const random = new Random(9);
  return Buffer.concat([Buffer.from(sourceText(random, BYTES / 2)), random.bytes(BYTES / 2)]);
}

async function compress(path: string, data: Buffer): Promise<void> {
  const writer = openLayerWriter({ path, compression: 'gzip' });
  try {
    await writer.write([{ path: 'data', type: 'file', mode: 0o644, uid: 0, gid: 0, mtime: 0, data }]);
    await writer.finish();
  } finally {
    await writer.abort();
    await rm(path, { force: true });
  }
}

async function writeThrough(path: string, data: Buffer): Promise<void> {
  const file = await open(path, 'w');
  try {
    await file.write(data);
    await file.datasync();
  } finally {
    await file.close();
    await rm(path);
  }
}

/** Over a connection on this machine. */
async function send(data: Buffer): Promise<void> {
  const server = createServer((socket) => {
    let received = 0;
    socket.on('data', (chunk) => {
      received += chunk.length;
      if (received === data.length) socket.end('.');
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.write(data);
  await once(socket, 'data');
  socket.destroy();
  server.close();
}

async function start(): Promise<void> {
  const namespaces = ['--mount', '--uts', '--ipc', '--net', '--pid', '--fork'];
  await promisify(execFile)('unshare', [...namespaces, '/bin/true']);
}

async function createFiles(directory: string): Promise<void> {
  const work = await mkdtemp(join(directory, 'files-'));
  const script = `i=0; while [ $i -lt ${FILES} ]; do : > f$i; i=$((i+1)); done`;
  await promisify(execFile)('/bin/busybox', ['sh', '-c', script], { cwd: work });
}

async function request(registry: string): Promise<void> {
  for (let round = 0; round < REQUESTS; round++) await (await fetch(`http://${registry}/v2/`)).arrayBuffer();
}
