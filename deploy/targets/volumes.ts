/**
 * Docker volumes: one for each content of an app's volume, marked with platform, app and both names. Never one of somebody else's, and
 * removed only by who was told so (deploy/volumes/sweep.ts).
 */
import { SlipwayError } from '../../src/errors.js';
import { dockerVolumeName, LABELS } from '../names.js';
import { type CallOptions, type Engine, statusOf } from './engine.js';

export interface VolumeContent {
  readonly platform: string;
  readonly app: string;
  readonly volume: string;
  readonly content: string;
}

/** As it is found on an engine. */
export interface FoundVolume extends Omit<VolumeContent, 'platform'> {
  /** Docker's. */
  readonly name: string;
}

interface Document {
  readonly Name: string;
  readonly Labels?: Readonly<Record<string, string>> | null;
}

/** Its name, when it is there. Throws `conflict` when one of that name is not ours. */
export async function ensureVolume(
  engine: Engine,
  { platform, app, volume, content }: VolumeContent,
  options: CallOptions,
): Promise<string> {
  const name = dockerVolumeName(platform, app, volume, content);
  const labels = {
    [LABELS.platform]: platform,
    [LABELS.app]: app,
    [LABELS.volume]: volume,
    [LABELS.content]: content,
  };
  // With one of that name there the engine answers with that one.
  const found = await engine.call(
    'create a volume',
    (api, signal) =>
      api.json<Document>({
        method: 'POST',
        path: '/volumes/create',
        body: { Name: name, Driver: 'local', Labels: labels },
        signal,
      }),
    options,
  );
  const isOurs = Object.entries(labels).every(([label, value]) => found.Labels?.[label] === value);
  if (isOurs) return name;
  throw new SlipwayError('conflict', `the engine has a volume ${name} that is not of this platform`, {
    hint: 'the operator of the host may rename or remove it: docker volume inspect',
  });
}

export async function listVolumes(
  engine: Engine,
  platform: string,
  app: string | undefined,
  options: CallOptions,
): Promise<FoundVolume[]> {
  const label = [
    `${LABELS.platform}=${platform}`,
    ...(app === undefined ? [] : [`${LABELS.app}=${app}`]),
    LABELS.content,
  ];
  const query = { filters: JSON.stringify({ label }) };
  const { Volumes: found } = await engine.call(
    'list volumes',
    (api, signal) => api.json<{ Volumes: readonly Document[] | null }>({ path: '/volumes', query, signal }),
    options,
  );
  return (found ?? []).flatMap(({ Name: name, Labels: labels }) => {
    const [of, volume, content] = [LABELS.app, LABELS.volume, LABELS.content].map((key) => labels?.[key]);
    if (of === undefined || volume === undefined || content === undefined) return [];
    return [{ name, app: of, volume, content }];
  });
}

/** False when a container has it. */
export async function removeVolume(engine: Engine, name: string, options: CallOptions): Promise<boolean> {
  try {
    await engine.call(
      'remove a volume',
      (api, signal) => api.bytes({ method: 'DELETE', path: `/volumes/${name}`, signal }),
      options,
    );
    return true;
  } catch (error) {
    const status = statusOf(error);
    if (status === 404) return true;
    if (status === 409) return false;
    throw error;
  }
}
