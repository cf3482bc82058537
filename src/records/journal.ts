/**
 * The journal of one deployment: a file of JSON lines that is only ever appended to. Each event is one O_APPEND write
 * of "\n" + JSON, so lines of several processes never mix, and a line torn by a crash or a full disk spoils itself only.
 */
import { constants } from 'node:fs';
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { isErrno, SlipwayError } from '../errors.js';
import type { DeploymentEvent } from '../model/deployment.js';

const TYPES: ReadonlySet<string> = new Set<DeploymentEvent['type']>([
  'accepted',
  'claimed',
  'built',
  'release',
  'phase',
  'cancel',
  'ended',
]);

/** Creates the journal with its first event; throws EEXIST if there is one. On disk when it returns. */
export async function createJournal(path: string, first: DeploymentEvent): Promise<void> {
  const file = await open(
    path,
    constants.O_CREAT | constants.O_EXCL | constants.O_APPEND | constants.O_WRONLY,
    0o600,
  );
  try {
    await writeEvents(path, file, [first]);
  } finally {
    await file.close();
  }
}

/** Appends events in one write; on disk when it returns. Throws ENOENT if there is no journal, `disk_full` if the line is torn. */
export async function appendToJournal(path: string, ...events: readonly DeploymentEvent[]): Promise<void> {
  // No O_CREAT: an event without its `accepted` means nothing.
  const file = await open(path, constants.O_APPEND | constants.O_WRONLY);
  try {
    await writeEvents(path, file, events);
  } finally {
    await file.close();
  }
}

async function writeEvents(
  path: string,
  file: FileHandle,
  events: readonly DeploymentEvent[],
): Promise<void> {
  const line = Buffer.from(events.map((event) => `\n${JSON.stringify(event)}`).join(''));
  const { bytesWritten } = await file.write(line);
  if (bytesWritten < line.byteLength) {
    // A second write could land behind another process's line. The torn one is skipped by every reader.
    throw new SlipwayError('disk_full', 'the disk is full: the event could not be recorded', {
      where: path,
      hint: 'free some space or give SLIPWAY_HOME a larger disk, then try again',
    });
  }
  await file.datasync();
}

/** The whole text, or undefined when there is no journal. */
export async function readJournal(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (thrown) {
    if (isErrno(thrown, 'ENOENT')) return undefined;
    throw thrown;
  }
}

/** The events in the order of the file. Torn and unknown lines are skipped. */
export function parseJournal(text: string): DeploymentEvent[] {
  return text.split('\n').flatMap((line) => {
    if (line === '') return [];
    try {
      const event: unknown = JSON.parse(line);
      return isEvent(event) ? [event] : [];
    } catch {
      return [];
    }
  });
}

/** A line that parses was written whole by this program, so its type vouches for the rest. */
function isEvent(value: unknown): value is DeploymentEvent {
  return (
    typeof value === 'object' &&
    value !== null &&
    'type' in value &&
    typeof value.type === 'string' &&
    TYPES.has(value.type)
  );
}
