/** The base images of the cases, pushed to the bench's own registry: the machine's busybox, and for some something beside it. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { basicItems, pushBase, sha256 } from '../../conformance/bases.js';
import { type TarItem, writeTar } from '../../conformance/tar.js';
import { MIXED_SOURCE } from './mixed-source.js';
import { Random } from './random.js';
import { sourceText } from './source-text.js';

/** `bench/plain` has busybox and {@link MIXED_SOURCE}, `bench/large` 240 MB besides, in four layers. */
export const PLAIN = 'bench/plain';
export const LARGE = 'bench/large';

const MB = 1_000_000;
const LARGE_LAYERS = 4;
const LARGE_FILE_BYTES = 40_000;

export async function pushPlain(registry: string): Promise<void> {
  const mixed: TarItem = { path: 'bin/mixed', data: await compileMixed(), mode: 0o755 };
  await push(registry, PLAIN, [[...basicItems(), mixed]]);
}

/** As a distribution with a language in it: half text, half machine code, which hardly gets smaller. */
export async function pushLarge(registry: string, bytes: number = 240 * MB): Promise<void> {
  const random = new Random(240);
  const perLayer = Math.floor(bytes / LARGE_LAYERS);
  const layers = Array.from({ length: LARGE_LAYERS }, (_, layer): TarItem[] => [
    ...(layer === 0 ? basicItems() : []),
    ...largeFiles(random, layer, perLayer),
  ]);
  await push(registry, LARGE, layers);
}

function largeFiles(random: Random, layer: number, bytes: number): TarItem[] {
  const files: TarItem[] = [{ path: `opt-${layer}`, type: 'directory' }];
  for (let left = bytes, index = 0; left > 0; left -= LARGE_FILE_BYTES, index++) {
    const size = Math.min(left, LARGE_FILE_BYTES);
    const data = index % 2 === 0 ? sourceText(random, size) : random.bytes(size);
    files.push({ path: `opt-${layer}/file-${index}`, data });
  }
  return files;
}

async function push(registry: string, name: string, layers: readonly TarItem[][]): Promise<void> {
  const tars = layers.map(writeTar);
  const compressed = await Promise.all(tars.map((tar) => promisify(gzip)(tar, { level: 6 })));
  await pushBase(
    registry,
    { name, layers: compressed as Buffer[], config: { Cmd: ['sh'], Env: ['PATH=/bin'] } },
    tars.map(sha256),
  );
}

/** With the compiler that the addon needs anyway. */
async function compileMixed(): Promise<Buffer> {
  const work = await mkdtemp(join(tmpdir(), 'slipway-bench-'));
  try {
    const [source, program] = [join(work, 'mixed.c'), join(work, 'mixed')];
    await writeFile(source, MIXED_SOURCE);
    await promisify(execFile)('cc', ['-O2', '-static', '-s', '-o', program, source]);
    return await readFile(program);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
