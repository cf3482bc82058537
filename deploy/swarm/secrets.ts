/**
 * Config vars as secrets of the Swarm, for an app that wants its values from files: `SLIPWAY_SECRET_FILES=1` among its config vars, and
 * the app finds `FOO_FILE=/run/secrets/FOO` where it would find `FOO`, as the images of many databases take it. The Swarm keeps secrets
 * encrypted and shows them to nobody; variables it shows with the service.
 */
import { createHash } from 'node:crypto';

export const AS_FILES = 'SLIPWAY_SECRET_FILES';
const DIRECTORY = '/run/secrets';
/** Neither more nor nothing (Engine API 1.41, SecretCreate). */
const SECRET_BYTES = 500 * 1024;

export interface Surroundings {
  readonly env: Readonly<Record<string, string>>;
  /** By the names of their files. */
  readonly files: ReadonlyMap<string, string>;
}

/** PORT and what can be no secret stay variables. */
export function surroundingsOf(config: Readonly<Record<string, string>>): Surroundings {
  const { [AS_FILES]: wish, ...vars } = config;
  if (wish === undefined || /^(0|no|false|)$/i.test(wish)) return { env: config, files: new Map() };
  const env: Record<string, string> = {};
  const files = new Map<string, string>();
  for (const [name, value] of Object.entries(vars)) {
    const sizeBytes = Buffer.byteLength(value);
    if (name === 'PORT' || sizeBytes === 0 || sizeBytes > SECRET_BYTES) {
      env[name] = value;
      continue;
    }
    env[`${name}_FILE`] = `${DIRECTORY}/${name}`;
    files.set(name, value);
  }
  return { env, files };
}

/**
 * The same for the same release, whoever makes it. By the deployment, not by the release's number: an app of the same name may have had
 * that number before. Nothing of the value is in it.
 */
export function secretName(platform: string, deployment: string, variable: string): string {
  const hash = createHash('sha256').update(`${deployment} ${variable}`).digest('hex').slice(0, 40);
  return `slipway_${platform}_${hash}`;
}

export interface SecretReference {
  readonly SecretID: string;
  readonly SecretName: string;
  readonly File: {
    readonly Name: string;
    readonly UID: string;
    readonly GID: string;
    readonly Mode: number;
  };
}

/** Readable by whatever user the image runs as, as a variable is. */
export function secretReference(id: string, name: string, file: string): SecretReference {
  return { SecretID: id, SecretName: name, File: { Name: file, UID: '0', GID: '0', Mode: 0o444 } };
}
