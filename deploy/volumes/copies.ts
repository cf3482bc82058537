/**
 * Copies of what is in a volume: out of it to whoever is connected or into the registry, and back into a content that nobody uses yet.
 * They are tar streams, packed by gzip, and go through as they come: nothing is held in memory, and only what goes to or comes from the
 * registry is for a while a file here. A restore becomes the volume's other content when all of it has been checked; until then the ledger
 * calls it removed, so that what a killed deployer leaves goes like anything else that is. See decision 47.
 */
import { createHash, randomInt } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { Duplex, PassThrough, type Readable, Transform, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { type CopyWish, checkCopy, type VolumeCopy } from '../../src/api/volume-views.js';
import { SlipwayError, toSlipwayError } from '../../src/errors.js';
import { FRAME, frame } from '../../src/frames.js';
import { changeVolumes, findVolume, newContent, withVolume } from '../../src/ledger/volume-settings.js';
import type { Volume } from '../../src/model/volume.js';
import { whileItAnswers } from '../answering.js';
import { type Attached, converse } from '../attached.js';
import { onHost } from '../everywhere.js';
import { type EngineHost, isEngine } from '../hosts.js';
import { COPY_PREFIX } from '../names.js';
import type { DeployerParts } from '../parts.js';
import type { OpenContent } from '../targets/volume-archive.js';
import { type BackupParts, fetchBackup, pushBackup, withScratch } from './backups.js';
import { sweepVolumes } from './sweep.js';
import { haltWriters } from './writers.js';

export interface CopyParts
  extends BackupParts,
    Pick<DeployerParts, 'config' | 'ledger' | 'hosts' | 'followed' | 'turns' | 'log'> {}

/** The volume, and who asked. */
export interface Asked {
  readonly app: string;
  readonly volume: string;
  readonly who: string;
}

/** Fast, since the disk or the network should be what is waited for. */
const GZIP_LEVEL = 1;
/** For what a failed or a former restore has left. */
const SWEEP_MS = 60_000;

/** Serves the connection to its end; its first message is a {@link CopyWish}. */
export async function copyVolume(parts: CopyParts, asked: Asked, client: Duplex): Promise<void> {
  await converse(client, parts.log, async (wish, signal) => {
    const checked = checkCopy(wish);
    const volume = findVolume((await parts.ledger.read(asked.app)).volumes, asked.app, asked.volume);
    const host = await engineOf(parts, volume);
    try {
      return 'backup' in checked
        ? await backUp(parts, host, asked, volume, checked.backup, signal)
        : await restore(parts, host, asked, checked.restore, signal);
    } catch (error) {
      throw onHost(host.name, error);
    }
  });
}

async function backUp(
  parts: CopyParts,
  host: EngineHost,
  asked: Asked,
  { content }: Volume,
  { to, stop }: Extract<CopyWish, { backup: unknown }>['backup'],
  signal: AbortSignal,
): Promise<Attached> {
  const halted = stop ? await haltWriters(parts, host, asked, content) : undefined;
  const stopped = (halted?.containers ?? []).map(({ instance }) => `${instance.process}.${instance.number}`);
  const opened = await openFor(parts, host, asked, content).catch(async (error: unknown) => {
    await halted?.startAgain();
    throw error;
  });
  const out = new PassThrough();
  const counted = new Counted();
  const pack = async (sinks: readonly Writable[], until: AbortSignal): Promise<VolumeCopy> => {
    const tar = await opened.content.read(until);
    await pipeline([tar, createGzip({ level: GZIP_LEVEL }), counted, ...sinks], { signal: until });
    await halted?.check();
    await halted?.startAgain();
    return { ...counted.result(), stopped };
  };
  const work = async (until: AbortSignal): Promise<VolumeCopy> => {
    if (to === 'client') return pack([framed(), out], until);
    const copy = await withScratch(parts, async (file) => {
      const packed = await pack([createWriteStream(file, { mode: 0o600 })], until);
      return { ...packed, tag: await pushBackup(parts, asked, { file, ...packed }, until) };
    });
    out.end();
    return copy;
  };
  const done = whileItAnswers(host.target, signal, work);
  done.catch((error: unknown) => out.destroy(error as Error));
  return {
    ...started(opened.name, host),
    // It has no input.
    stream: Duplex.from({ readable: out, writable: new PassThrough().resume() }),
    exit: async () => ({ code: 0, outOfMemory: false, copy: await done }),
    release: async () => {
      await done.catch(() => undefined);
      await halted?.startAgain();
      await opened.close();
    },
  };
}

async function restore(
  parts: CopyParts,
  host: EngineHost,
  asked: Asked,
  { from, sha256 }: Extract<CopyWish, { restore: unknown }>['restore'],
  signal: AbortSignal,
): Promise<Attached> {
  const { app, volume, who } = asked;
  const content = newContent();
  const opened = await openFor(parts, host, asked, content);
  const input = new PassThrough();
  const work = async (until: AbortSignal): Promise<VolumeCopy> => {
    await changeVolumes(parts.ledger, app, who, `begin to restore ${volume}`, (now) => ({
      ...now,
      removed: [...now.removed, content],
    }));
    const fill = (packed: Readable): Promise<VolumeCopy> => unpack(packed, opened.content, sha256, until);
    const copy =
      from === undefined
        ? await fill(input)
        : await withScratch(parts, async (file) => {
            await fetchBackup(parts, asked, from, file, until);
            return fill(createReadStream(file));
          });
    const at = new Date().toISOString();
    await changeVolumes(parts.ledger, app, who, `restore ${volume}`, (now) => {
      const { other } = findVolume(now, app, volume);
      const removed = now.removed.filter((one) => one !== content);
      return withVolume(
        { ...now, removed: other === undefined ? removed : [...removed, other.content] },
        app,
        volume,
        (one) => ({ ...one, other: { content, is: 'restored', at, by: who } }),
      );
    });
    return copy;
  };
  const done = whileItAnswers(host.target, signal, work);
  const output = new PassThrough();
  done.then(
    () => output.end(),
    (error: unknown) => output.destroy(error as Error),
  );
  return {
    ...started(opened.name, host),
    stream: Duplex.from({ readable: output, writable: input }),
    exit: async () => ({ code: 0, outOfMemory: false, copy: await done }),
    release: async () => {
      input.destroy();
      await done.catch(() => undefined);
      await opened.close();
      // The half of it, or what was restored before and nobody has put in use.
      const sweep = sweepVolumes(parts, AbortSignal.timeout(SWEEP_MS), { app });
      await sweep.catch((error: unknown) =>
        parts.log.warn({ app, volume, ...toSlipwayError(error) }, 'left a content to the reconciler'),
      );
    },
  };
}

/** Throws `bad_request` for what is no backup, or damaged. */
async function unpack(
  packed: Readable,
  content: OpenContent,
  sha256: string | undefined,
  signal: AbortSignal,
): Promise<VolumeCopy> {
  const counted = new Counted();
  const tar = new PassThrough();
  const failures: unknown[] = [];
  const note = (error: unknown): void => {
    failures.push(error);
    tar.destroy(error as Error);
  };
  await Promise.all([
    pipeline(packed, counted, createGunzip(), tar, { signal }).catch(note),
    content.write(tar, signal).catch(note),
  ]);
  const copy = { ...counted.result(), stopped: [] };
  if (failures.length > 0) throw damaged(failures[0]);
  if (sha256 !== undefined && copy.sha256 !== sha256)
    throw new SlipwayError('bad_request', `these bytes are sha256 ${copy.sha256}, not ${sha256}`, {
      hint: 'nothing was changed; is it another backup, or was it changed on its way?',
    });
  return copy;
}

function damaged(thrown: unknown): unknown {
  const { code = '' } = thrown as NodeJS.ErrnoException;
  if (!code.startsWith('Z_')) return thrown;
  return new SlipwayError('bad_request', `the backup is damaged: ${(thrown as Error).message}`, {
    hint: 'nothing was changed; it has to be a tar packed by gzip, as slipway volumes:backup makes it',
    cause: thrown,
  });
}

interface Opened {
  readonly name: string;
  readonly content: OpenContent;
  close(): Promise<void>;
}

async function openFor(
  { followed, log }: CopyParts,
  { name: host, target }: EngineHost,
  { app, volume, who }: Asked,
  content: string,
): Promise<Opened> {
  const name = `${COPY_PREFIX}${randomInt(100_000, 1_000_000)}`;
  const run = `${app}.${name}`;
  followed.add(run);
  try {
    const wish = { app, volume, content, name, by: who, follower: await followed.name() };
    const opened = await target.openContent(wish, {});
    return {
      name,
      content: opened,
      close: async () => {
        await opened.close().catch((error: unknown) => {
          log.warn({ app, host, run: name, ...toSlipwayError(error) }, 'a copy was left to the reconciler');
        });
        followed.delete(run);
      },
    };
  } catch (error) {
    followed.delete(run);
    throw error;
  }
}

async function engineOf({ hosts }: Pick<CopyParts, 'hosts'>, { host: name }: Volume): Promise<EngineHost> {
  const host = await hosts.get(name);
  if (isEngine(host)) return host;
  throw new SlipwayError('conflict', `${name} is a Swarm, whose nodes have no volumes of Slipway`);
}

function started(
  name: string,
  { name: host }: EngineHost,
): Pick<Attached, 'started' | 'hasTerminal' | 'resize'> {
  return { started: { name, host }, hasTerminal: false, resize: async () => undefined };
}

/** As the output of a command comes from an engine. */
function framed(): Transform {
  return new Transform({
    transform: (chunk: Buffer, _encoding, next) => next(null, frame(FRAME.output, chunk)),
  });
}

/** Lets everything through. */
class Counted extends Transform {
  readonly #hash = createHash('sha256');
  #bytes = 0;

  override _transform(chunk: Buffer, _encoding: string, next: (error: null, chunk: Buffer) => void): void {
    this.#hash.update(chunk);
    this.#bytes += chunk.length;
    next(null, chunk);
  }

  /** Asked once, at the end. */
  result(): { readonly bytes: number; readonly sha256: string } {
    return { bytes: this.#bytes, sha256: this.#hash.digest('hex') };
  }
}
