/**
 * Volumes: making and removing them, what is mounted where, and exchanging what is in one. Mounts are a part of the formation, so that they
 * hold over what a commit declares, and a change of them is a release. See model/volume.ts.
 */
import { SlipwayError } from './errors.js';
import { changeFormation, checkTypes } from './formation-changes.js';
import type { AppState } from './ledger/app-documents.js';
import {
  changeVolumes,
  findVolume,
  withoutVolume,
  withVolume,
  withVolumes,
} from './ledger/volume-settings.js';
import { refuseLocked } from './model/app.js';
import type { Deployment } from './model/deployment.js';
import { placedOn } from './model/host.js';
import { declaredBy, formed } from './model/process.js';
import type { ReleaseProcess, ReleaseWithOutcome } from './model/release.js';
import {
  checkVolumeHost,
  checkVolumeName,
  describeMount,
  MountFault,
  type MountSetting,
  parseMount,
  type VolumeMount,
  volumesOf,
} from './model/volume.js';
import { type ChangeTools, contentOf, newestStanding, startRelease } from './next-release.js';

/** A volume on that host, or on the one where the app is. What it holds is made with the first container that has it. */
export async function createVolume(
  { ledger, hostBook }: Pick<ChangeTools, 'ledger' | 'hostBook'>,
  app: string,
  name: string,
  host: string | undefined,
  who: string,
): Promise<AppState> {
  checkVolumeName(name);
  const hosts = await hostBook.list();
  const at = new Date().toISOString();
  return changeVolumes(ledger, app, who, `create ${name}`, (now, { placement }) => {
    const where = placedOn(host === undefined ? placement : { hosts: [host] }, hosts);
    checkVolumeHost([name], where, now, hosts);
    if (Object.hasOwn(now.volumes, name))
      throw new SlipwayError('conflict', `${app} has a volume ${name} already`, {
        hint: `see: slipway volumes -a ${app}`,
      });
    return withVolumes(now, [name], where[0] ?? '', { at, by: who });
  });
}

/** `web:/data`, `worker:/data:ro`. Undefined: nothing had to be rolled out. */
export async function requestMount(
  tools: ChangeTools,
  app: string,
  name: string,
  wanted: readonly string[],
  who: string,
): Promise<Deployment | undefined> {
  const mounts = wanted.map(parsed);
  if (mounts.length === 0)
    throw new SlipwayError('bad_request', 'where is it to be mounted?', {
      hint: `slipway volumes:mount ${name} web:/data -a ${app}`,
    });
  const state = await tools.ledger.read(app);
  findVolume(state.volumes, app, name);
  await checkTypes(
    tools,
    app,
    mounts.map(({ type }) => type),
  );
  const hosts = await tools.hostBook.list();
  checkVolumeHost([name], placedOn(state.placement, hosts), state.volumes, hosts);
  const settings = mounts.map(({ type, path, readOnly }): [string, string, MountSetting] => [
    type,
    path,
    { volume: name, ...(readOnly ? { readOnly } : {}) },
  ]);
  const said = mounts.map(({ type, ...mount }) => text(type, mount)).join(' ');
  return changeMounts(tools, app, settings, who, `mount ${name} ${said}`);
}

/** From these places, or from wherever it is. Undefined: nothing had to be rolled out. */
export async function requestUnmount(
  tools: ChangeTools,
  app: string,
  name: string,
  wanted: readonly string[],
  who: string,
): Promise<Deployment | undefined> {
  const state = await tools.ledger.read(app);
  findVolume(state.volumes, app, name);
  const there = mountsNow(state, await newestStanding(tools.store, app, state)).filter(
    ({ volume }) => volume === name,
  );
  const places = wanted.length === 0 ? there : wanted.map(parsed);
  const strange = places.find(
    ({ type, path }) => !there.some((one) => one.type === type && one.path === path),
  );
  if (strange !== undefined || places.length === 0)
    throw new SlipwayError(
      'bad_request',
      `${name} is not mounted${strange === undefined ? '' : ` at ${strange.type}:${strange.path}`}`,
      { hint: `see: slipway volumes -a ${app}` },
    );
  const said = places.map(({ type, path }) => text(type, { path })).join(' ');
  const settings = places.map(({ type, path }): [string, string, MountSetting] => [type, path, null]);
  return changeMounts(tools, app, settings, who, `unmount ${name} ${said}`);
}

/** With all that it holds. Throws `conflict` while something has it mounted. */
export async function removeVolume(
  { ledger, store, queues }: Pick<ChangeTools, 'ledger' | 'store' | 'queues'>,
  app: string,
  name: string,
  who: string,
): Promise<void> {
  const before = await ledger.read(app);
  const stands = await newestStanding(store, app, before);
  const live = before.releases.find(({ number }) => number === before.live);
  await changeVolumes(ledger, app, who, `remove ${name}`, (now, state) => {
    const mounts = [...mountsNow(state, stands), ...mountsOf(live?.processes ?? [])];
    const used = mounts.filter(({ volume }) => volume === name).map(({ type, path }) => text(type, { path }));
    if (used.length > 0)
      throw new SlipwayError('conflict', `${name} is mounted at ${[...new Set(used)].join(', ')}`, {
        hint: `slipway volumes:unmount ${name} -a ${app}; or both at once: slipway volumes:remove ${name} --force`,
      });
    return withoutVolume(now, app, name);
  });
  // The deployer removes what it held.
  await queues.enqueueRollout(app);
}

/**
 * Puts the other content in use: what was restored, or, after that, what was there before. What has it mounted is started anew. Throws
 * `conflict` when there is none. Undefined: nothing has it mounted.
 */
export async function requestExchange(
  tools: ChangeTools,
  app: string,
  name: string,
  who: string,
): Promise<Deployment | undefined> {
  const { ledger, store } = tools;
  refuseLocked(app, (await ledger.read(app)).lock);
  const at = new Date().toISOString();
  const what = `exchange what is in ${name}`;
  const state = await changeVolumes(ledger, app, who, what, (now) =>
    withVolume(now, app, name, ({ content, other, ...volume }) => {
      if (other === undefined)
        throw new SlipwayError('conflict', `${name} has no other content`, {
          hint: `to have one: slipway volumes:restore ${name} FILE -a ${app}`,
        });
      return { ...volume, content: other.content, other: { content, is: 'replaced', at, by: who } };
    }),
  );
  const base = await newestStanding(store, app, state);
  if (base === undefined || !volumesOf(base.processes).includes(name)) return undefined;
  return startRelease(tools, app, who, {
    kind: 'volumes',
    headline: `Volumes of ${app}: ${what}`,
    content: async (now) => contentOf((await newestStanding(store, app, now)) ?? base),
    description: what,
  });
}

interface TypedMount extends VolumeMount {
  readonly type: string;
}

/** Where volumes are mounted now, or will be by the next release. */
export function mountsNow(
  { formation }: Pick<AppState, 'formation'>,
  stands: ReleaseWithOutcome | undefined,
): TypedMount[] {
  const set = Object.keys(formation.mounts ?? {}).map((type) => ({ type }));
  return mountsOf(formed(stands === undefined ? set : declaredBy(stands.processes), formation));
}

function mountsOf(processes: readonly ReleaseProcess[]): TypedMount[] {
  return processes.flatMap(({ type, mounts = [] }) => mounts.map((mount) => ({ type, ...mount })));
}

function changeMounts(
  tools: ChangeTools,
  app: string,
  settings: readonly [string, string, MountSetting][],
  who: string,
  description: string,
): Promise<Deployment | undefined> {
  return changeFormation(tools, app, who, {
    decide: (now) => {
      const mounts: Record<string, Record<string, MountSetting>> = { ...now.mounts };
      for (const [type, path, mount] of settings) mounts[type] = { ...mounts[type], [path]: mount };
      return { ...now, mounts };
    },
    kind: 'volumes',
    headline: `Volumes of ${app}: ${description}`,
    description,
  });
}

function parsed(wanted: string): ReturnType<typeof parseMount> {
  try {
    return parseMount(wanted);
  } catch (thrown) {
    if (!(thrown instanceof MountFault)) throw thrown;
    throw new SlipwayError('bad_request', thrown.message, {
      hint: 'for example: web:/data or worker:/data:ro',
    });
  }
}

function text(type: string, mount: { readonly path: string; readonly readOnly?: boolean }): string {
  return describeMount(type, { path: mount.path, ...(mount.readOnly ? { readOnly: true } : {}) });
}
