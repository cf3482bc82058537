/**
 * An app's volumes in its ledger: one commit for each change (volumes.json). What may be done is decided by the callers; here is how it is
 * written. Contents are removed by the deployer, and only those that are written down as removed.
 */
import { randomBytes } from 'node:crypto';
import { SlipwayError } from '../errors.js';
import { VOLUMES_LIMIT, type Volume, type Volumes } from '../model/volume.js';
import { type AppState, toDocument } from './app-documents.js';
import type { Ledger } from './ledger.js';
import { VOLUMES_PATH } from './volume-documents.js';

/** Never used twice, so that no app ever sees what another of its name has left. */
export function newContent(): string {
  return randomBytes(6).toString('hex');
}

export function findVolume({ volumes: known }: Volumes, app: string, name: string): Volume {
  const found = Object.hasOwn(known, name) ? known[name] : undefined;
  if (found !== undefined) return found;
  throw new SlipwayError('not_found', `${app} has no volume ${JSON.stringify(name.slice(0, 60))}`, {
    hint: `see: slipway volumes -a ${app}; to have one: slipway volumes:create NAME`,
  });
}

/** With those that are mounted and were not there before, on this host. */
export function withVolumes(
  now: Volumes,
  names: readonly string[],
  host: string,
  { at, by }: { readonly at: string; readonly by: string },
): Volumes {
  const missing = names.filter((name) => !Object.hasOwn(now.volumes, name));
  if (missing.length === 0) return now;
  const made = missing.map((name) => [name, { host, content: newContent(), at, by }] as const);
  const next = { ...now, volumes: { ...now.volumes, ...Object.fromEntries(made) } };
  if (Object.keys(next.volumes).length <= VOLUMES_LIMIT) return next;
  throw new SlipwayError('bad_request', `an app has at most ${VOLUMES_LIMIT} volumes`, {
    hint: 'see: slipway volumes; to remove one: slipway volumes:remove NAME',
  });
}

/** `decide` gets the volumes as they are, and may be asked several times. */
export async function changeVolumes(
  ledger: Pick<Ledger, 'changeSettings'>,
  app: string,
  who: string,
  what: string,
  decide: (now: Volumes, state: AppState) => Volumes,
): Promise<AppState> {
  return ledger.changeSettings(app, who, (state) => {
    const next = decide(state.volumes, state);
    if (next === state.volumes) return undefined;
    return { files: { [VOLUMES_PATH]: toDocument(next) }, message: `volumes: ${what} by ${who}` };
  });
}

/** One volume changed. Throws `not_found`. */
export function withVolume(
  now: Volumes,
  app: string,
  name: string,
  change: (one: Volume) => Volume,
): Volumes {
  return { ...now, volumes: { ...now.volumes, [name]: change(findVolume(now, app, name)) } };
}

/** Without the volume; what it held may go. Throws `not_found`. */
export function withoutVolume(now: Volumes, app: string, name: string): Volumes {
  const { content: held, other: beside } = findVolume(now, app, name);
  const { [name]: _gone, ...left } = now.volumes;
  return {
    volumes: left,
    removed: [...now.removed, held, ...(beside === undefined ? [] : [beside.content])],
  };
}

/** As it is when its app goes with its data. */
export function withNone(now: Volumes): Volumes {
  return Object.keys(now.volumes).reduce((all, name) => withoutVolume(all, '', name), now);
}
