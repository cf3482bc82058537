/**
 * The open markers: an empty file `<app>+<id>` for every deployment that has not ended, so that finding the work that
 * is left never reads the records of the past. A marker may outlive its deployment for a while, never the reverse.
 * Those of deployments that have ended lie in a directory beside, until whoever tells of ends has seen them (src/notify).
 */
import { open, readdir, rename, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { makeDirectory, syncDirectory } from '../durable.js';
import { isErrno } from '../errors.js';
import { isAppName } from '../model/app.js';
import { isDeploymentId } from './deployment-id.js';

export interface OpenMarker {
  readonly app: string;
  readonly id: string;
}

export class OpenMarkers {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** On disk when it returns. Nothing happens if it is there. */
  async place(marker: OpenMarker): Promise<void> {
    await makeDirectory(this.#directory);
    await (await open(this.#path(marker), 'a', 0o600)).close();
    await syncDirectory(this.#directory);
  }

  /** Not synced: a marker that comes back after a power cut is removed again by whoever reads it. */
  async remove(marker: OpenMarker): Promise<void> {
    await unlink(this.#path(marker)).catch(ignoreMissing);
  }

  /** Moves the marker among those of another directory. Nothing happens when it is gone. As little synced as `remove`. */
  async moveTo(others: OpenMarkers, marker: OpenMarker): Promise<void> {
    const move = (): Promise<void> => rename(this.#path(marker), others.#path(marker));
    await move().catch(async (thrown: unknown) => {
      ignoreMissing(thrown);
      await makeDirectory(others.#directory);
      await move().catch(ignoreMissing);
    });
  }

  /** When it was placed, in ms since the epoch; undefined when it is gone. */
  async placedAt(marker: OpenMarker): Promise<number | undefined> {
    return (await stat(this.#path(marker)).catch(ignoreMissing))?.mtimeMs;
  }

  async list(): Promise<OpenMarker[]> {
    const names = (await readdir(this.#directory).catch(ignoreMissing)) ?? [];
    return names.flatMap((name) => {
      const [app = '', id = '', ...rest] = name.split('+');
      return rest.length === 0 && isAppName(app) && isDeploymentId(id) ? [{ app, id }] : [];
    });
  }

  #path({ app, id }: OpenMarker): string {
    return join(this.#directory, `${app}+${id}`);
  }
}

function ignoreMissing(thrown: unknown): undefined {
  if (isErrno(thrown, 'ENOENT')) return undefined;
  throw thrown;
}
