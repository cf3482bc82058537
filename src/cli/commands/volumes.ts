/** Volumes: what there is, what is mounted where, and copies of what is in them. */
import { createHash } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { Readable, Writable } from 'node:stream';
import type { BuildView } from '../../api/views.js';
import type { BackupView, CopyWish, VolumeCopy, VolumeView } from '../../api/volume-views.js';
import { isErrno, SlipwayError } from '../../errors.js';
import { formatBytes } from '../../format-bytes.js';
import { beAttached } from '../attached.js';
import { shortTime, table } from '../output.js';
import { type Command, EXIT, type Input, type Invocation, type OptionSpec, UsageError } from '../usage.js';
import { followUnlessDetached } from './builds.js';

const DETACH: OptionSpec = { type: 'boolean', help: 'do not wait for the rollout' };

interface Answer {
  readonly build?: BuildView;
}

const list: Command = {
  name: 'volumes',
  aliases: ['volumes:list'],
  usage: '',
  help: 'Show the volumes of an app: where each is, and where its processes have it.',
  examples: ['slipway volumes -a hello'],
  args: { min: 0, max: 0 },
  async run(invocation) {
    const app = await invocation.app();
    const { volumes } = await (await invocation.client()).get<{ volumes: VolumeView[] }>(
      `/v1/apps/${app}/volumes`,
    );
    const rows = volumes.map((volume) => [
      volume.name,
      volume.host,
      volume.mounts.join(' ') || 'nowhere',
      volume.other === undefined ? '' : `${volume.other.is} ${shortTime(volume.other.at)}`,
      shortTime(volume.createdAt),
    ]);
    invocation.output.result(
      volumes,
      rows.length === 0
        ? [`${app} has no volumes; to have one: slipway volumes:create NAME -a ${app}`]
        : table(['VOLUME', 'HOST', 'MOUNTED', 'OTHER CONTENT', 'CREATED'], rows),
    );
    return EXIT.done;
  },
};

const create: Command = {
  name: 'volumes:create',
  usage: 'NAME',
  help: `Make a volume: data of the app that outlives its containers and releases. It is on one host, and so is then
everything of the app that has it.`,
  examples: ['slipway volumes:create data -a hello', 'slipway volumes:mount data web:/data -a hello'],
  args: { min: 1, max: 1 },
  options: { host: { type: 'string', help: 'the host; by default the one where the app is' } },
  async run(invocation) {
    const [name] = invocation.args;
    const { host } = invocation.options;
    const app = await invocation.app();
    const wish = { name, ...(host === undefined ? {} : { host }) };
    const answer = await (await invocation.client()).post<object>(`/v1/apps/${app}/volumes`, wish);
    invocation.output.result(answer, [
      `created ${name}; to use it: slipway volumes:mount ${name} web:/data -a ${app}`,
    ]);
    return EXIT.done;
  },
};

function change(
  verb: 'mount' | 'unmount',
  about: Pick<Command, 'usage' | 'help' | 'examples' | 'args'>,
): Command {
  return {
    ...about,
    name: `volumes:${verb}`,
    options: { detach: DETACH },
    async run(invocation) {
      const [name = '', ...mounts] = invocation.args;
      const app = await invocation.app();
      const path = `/v1/apps/${app}/volumes/${encodeURIComponent(name)}/${verb}`;
      const answer = await (await invocation.client()).post<Answer>(path, { mounts });
      return finish(invocation, answer, `stored; ${app} has it so with its next release`);
    },
  };
}

const remove: Command = {
  name: 'volumes:remove',
  usage: 'NAME',
  help: `Remove a volume with all that is in it. Refused while a process has it mounted; with --force it is unmounted
first. Backups in the registry stay.`,
  examples: ['slipway volumes:remove data -a hello'],
  args: { min: 1, max: 1 },
  options: { force: { type: 'boolean', help: 'unmount it, wait for the rollout, and remove it' } },
  async run(invocation) {
    const [name = ''] = invocation.args;
    const app = await invocation.app();
    const path = `/v1/apps/${app}/volumes/${encodeURIComponent(name)}`;
    const client = await invocation.client();
    if (invocation.options.force) {
      const { volumes } = await client.get<{ volumes: VolumeView[] }>(`/v1/apps/${app}/volumes`);
      if (volumes.some((volume) => volume.name === name && volume.mounts.length > 0)) {
        const { build } = await client.post<Answer>(`${path}/unmount`, { mounts: [] });
        const code = build === undefined ? EXIT.done : await followUnlessDetached(invocation, build);
        if (code !== EXIT.done) return code;
      }
    }
    invocation.output.result(await client.delete(path), [`removed ${name}`]);
    return EXIT.done;
  },
};

const backup: Command = {
  name: 'volumes:backup',
  usage: 'NAME [FILE]',
  help: `Copy what is in a volume into a file, or with --registry into the registry. The file is a tar packed by gzip. The
processes go on meanwhile, so that files that they write may be caught half written; with --stop
those that may write it are stopped until the copy is done.`,
  examples: [
    'slipway volumes:backup data data.tar.gz --stop -a hello',
    'slipway volumes:backup data --registry -a hello',
  ],
  args: { min: 1, max: 2 },
  options: {
    registry: { type: 'boolean', help: 'into the registry; see volumes:backups' },
    stop: { type: 'boolean', help: 'stop the processes that may write it meanwhile' },
  },
  onlyHere: ({ options }) => !options.registry,
  async run(invocation) {
    const [name = '', given] = invocation.args;
    const { registry, stop } = invocation.options;
    if (registry && given !== undefined)
      throw new UsageError('a backup goes into a file or into the registry', 'leave out FILE or --registry');
    const wish: CopyWish = { backup: { to: registry ? 'registry' : 'client', stop: stop === true } };
    if (registry) {
      const copy = await copied(invocation, name, wish, { stdin: Readable.from([]), out: nowhere() });
      invocation.output.result(copy, [
        `${formatBytes(copy.bytes)} in the registry as ${copy.tag}`,
        ...wasStopped(copy),
        `to bring it back: slipway volumes:restore ${name} --from ${copy.tag} -a ${await invocation.app()}`,
      ]);
      return EXIT.done;
    }
    const file = given ?? `${await invocation.app()}-${name}-${today()}.tar.gz`;
    const copy = await intoFile(file, (out) =>
      copied(invocation, name, wish, { stdin: Readable.from([]), out }),
    );
    invocation.output.result({ ...copy, file }, [
      `${formatBytes(copy.bytes)} in ${file}`,
      `sha256 ${copy.sha256}`,
      ...wasStopped(copy),
    ]);
    return EXIT.done;
  },
};

const restore: Command = {
  name: 'volumes:restore',
  usage: 'NAME [FILE]',
  help: `Bring back what was in a volume, from a file or from the registry. All of it is unpacked beside the volume and
checked before it takes the place of what is there, and the processes that have the volume start anew. What was
there is kept until the next restore: volumes:exchange puts it back.`,
  examples: [
    'slipway volumes:restore data data.tar.gz -a hello',
    'slipway volumes:restore data --from 20261130-040000-1a2b -a hello',
  ],
  args: { min: 1, max: 2 },
  options: {
    from: { type: 'string', value: 'BACKUP', help: 'one of the registry; see volumes:backups' },
    sha256: { type: 'string', value: 'HEX', help: 'what the file must have, as volumes:backup said' },
    'no-exchange': { type: 'boolean', help: 'leave it beside the volume' },
    detach: DETACH,
  },
  onlyHere: ({ args }) => args.length > 1,
  async run(invocation) {
    const [name = '', file] = invocation.args;
    const { from, sha256, 'no-exchange': keep } = invocation.options;
    if ((file === undefined) === (from === undefined))
      throw new UsageError('from where?', `slipway volumes:restore ${name || 'NAME'} FILE, or --from BACKUP`);
    const wish: CopyWish = {
      restore: {
        ...(typeof from === 'string' ? { from } : {}),
        ...(typeof sha256 === 'string' ? { sha256 } : {}),
      },
    };
    const stdin = file === undefined ? Readable.from([]) : await fileToRead(file);
    const copy = await copied(invocation, name, wish, { stdin, out: nowhere() });
    const said = `restored ${formatBytes(copy.bytes)}, sha256 ${copy.sha256}`;
    if (!invocation.output.json) invocation.output.note(said);
    const app = await invocation.app();
    if (keep) {
      invocation.output.result(copy, [`to put it in use: slipway volumes:exchange ${name} -a ${app}`]);
      return EXIT.done;
    }
    return exchangeNow(invocation, name);
  },
};

const exchange: Command = {
  name: 'volumes:exchange',
  usage: 'NAME',
  help: `Put the other content of a volume in use. That is what was restored and left beside it, or what was there before
the last exchange. The processes that have the volume start anew.`,
  examples: ['slipway volumes:exchange data -a hello'],
  args: { min: 1, max: 1 },
  options: { detach: DETACH },
  run: (invocation) => exchangeNow(invocation, invocation.args[0] ?? ''),
};

const backups: Command = {
  name: 'volumes:backups',
  usage: 'NAME',
  help: 'List the backups of a volume in the registry, newest first.',
  examples: ['slipway volumes:backups data -a hello'],
  args: { min: 1, max: 1 },
  async run(invocation) {
    const [name = ''] = invocation.args;
    const app = await invocation.app();
    const path = `/v1/apps/${app}/volumes/${encodeURIComponent(name)}/backups`;
    const { backups: found } = await (await invocation.client()).get<{ backups: BackupView[] }>(path);
    const rows = found.map(({ tag, at, by, bytes, stopped }) => [
      tag,
      formatBytes(bytes),
      stopped.join(', ') || 'nothing',
      by,
      shortTime(at),
    ]);
    invocation.output.result(
      found,
      rows.length === 0
        ? [`${name} has no backups in the registry`]
        : table(['BACKUP', 'SIZE', 'STOPPED', 'BY', 'MADE'], rows),
    );
    return EXIT.done;
  },
};

async function exchangeNow(invocation: Invocation, name: string): Promise<number> {
  const app = await invocation.app();
  const path = `/v1/apps/${app}/volumes/${encodeURIComponent(name)}/exchange`;
  return finish(
    invocation,
    await (await invocation.client()).post<Answer>(path),
    `exchanged; nothing has ${name} mounted`,
  );
}

function finish(invocation: Invocation, answer: Answer, otherwise: string): Promise<number> | number {
  if (answer.build !== undefined) return followUnlessDetached(invocation, answer.build);
  invocation.output.result(answer, [otherwise]);
  return EXIT.done;
}

/** Resolves when the other side says that it is done, and what it copied. */
async function copied(
  { client, app, signal, output }: Invocation,
  name: string,
  wish: CopyWish,
  { stdin, out }: { readonly stdin: Input; readonly out: Writable },
): Promise<VolumeCopy> {
  const path = `/v1/apps/${await app()}/volumes/${encodeURIComponent(name)}/copy`;
  const connection = await (await client()).connect(path);
  const broken = new AbortController();
  // The file, here or there, cannot be written or read.
  for (const stream of [stdin, out]) stream.once('error', (error: Error) => broken.abort(error));
  let copy: VolumeCopy | undefined;
  await beAttached(connection, wish, {
    stdin,
    streams: { out, err: output.streams.err },
    signal: AbortSignal.any([signal, broken.signal]),
    hasTerminal: false,
    onStarted: () => undefined,
    lost: { what: 'copy', hint: 'nothing was changed; try again' },
    onExit: (exit) => {
      copy = exit.copy;
    },
  });
  broken.signal.throwIfAborted();
  if (copy !== undefined) return copy;
  throw new SlipwayError('cancelled', 'interrupted', { hint: 'nothing was changed' });
}

/** The file is there when it is whole, and has the bytes that were sent. One that is there already is left alone. */
async function intoFile(file: string, copy: (out: Writable) => Promise<VolumeCopy>): Promise<VolumeCopy> {
  const part = `${file}.part`;
  await (await createFile(file)).close();
  try {
    const handle = await createFile(part);
    const hash = createHash('sha256');
    const out = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        hash.update(chunk);
        handle.appendFile(chunk).then(() => done(), done);
      },
    });
    try {
      const done = await copy(out);
      await new Promise<void>((resolve, reject) => {
        out.once('error', reject);
        out.end(resolve);
      });
      if (hash.digest('hex') !== done.sha256)
        throw new SlipwayError('unavailable', 'what arrived is not what was sent', { hint: 'try again' });
      await handle.sync();
      await rename(part, file);
      return done;
    } finally {
      await handle.close();
    }
  } catch (error) {
    await rm(part, { force: true });
    await rm(file, { force: true });
    throw error;
  }
}

async function createFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'wx', 0o600);
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw unusable(path, error);
    throw new UsageError(`${path} is there already`, 'name another file, or remove it first');
  }
}

async function fileToRead(path: string): Promise<Readable> {
  try {
    return (await open(path)).createReadStream();
  } catch (error) {
    throw unusable(path, error);
  }
}

function unusable(path: string, error: unknown): UsageError {
  return new UsageError(`${path}: ${(error as Error).message}`, 'name a file that can be used');
}

function wasStopped({ stopped }: VolumeCopy): string[] {
  return stopped.length === 0 ? [] : [`stopped meanwhile: ${stopped.join(', ')}`];
}

function nowhere(): Writable {
  return new Writable({ write: (_chunk, _encoding, done) => done() });
}

function today(): string {
  return new Date().toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-');
}

export const volumeCommands: readonly Command[] = [
  list,
  create,
  change('mount', {
    usage: 'NAME PLACE...',
    help: `Mount a volume in the containers of a process type. A place is web:/data or
worker:/data:ro. It is a part of the release, and holds over the volumes of app.json; a rollback brings mounts back,
and never what was in a volume. run, run:detached and the release phase have all that the app's processes have.`,
    examples: ['slipway volumes:mount data web:/data worker:/data:ro -a hello'],
    args: { min: 2, max: 51 },
  }),
  change('unmount', {
    usage: 'NAME [PLACE...]',
    help: 'Unmount a volume, from the places that are named or from all. What is in it stays.',
    examples: ['slipway volumes:unmount data -a hello', 'slipway volumes:unmount data worker:/data -a hello'],
    args: { min: 1, max: 51 },
  }),
  remove,
  backup,
  restore,
  exchange,
  backups,
];
