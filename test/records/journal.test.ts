import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import type { DeploymentEvent } from '../../src/model/deployment.js';
import { appendToJournal, createJournal, parseJournal, readJournal } from '../../src/records/journal.js';
import { temporaryDirectory } from '../support/directories.js';

const accepted: DeploymentEvent = { type: 'accepted', at: 1, kind: 'push', who: 'alice' };
const cancel = (who: string): DeploymentEvent => ({ type: 'cancel', at: 2, who });
let directory: string;
let count = 0;

beforeAll(async () => {
  directory = await temporaryDirectory();
});

function newPath(): string {
  count += 1;
  return join(directory, `journal-${count}`);
}

describe('a journal', () => {
  it('gives back its events in the order they were appended', async () => {
    const path = newPath();
    await createJournal(path, accepted);
    await appendToJournal(path, cancel('bob'));
    await appendToJournal(path, cancel('eve'));
    expect(parseJournal((await readJournal(path)) ?? '')).toEqual([accepted, cancel('bob'), cancel('eve')]);
  });

  it('is created once', async () => {
    const path = newPath();
    await createJournal(path, accepted);
    await expect(createJournal(path, accepted)).rejects.toMatchObject({ code: 'EEXIST' });
  });

  it('is not brought into being by an append', async () => {
    await expect(appendToJournal(newPath(), cancel('bob'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('loses only the line that a crash tore, wherever it was torn', async () => {
    const line = `\n${JSON.stringify(cancel('torn "quoted" ü'))}`;
    const bytes = Buffer.from(line);
    for (let cut = 0; cut < bytes.length; cut += 1) {
      const path = newPath();
      await createJournal(path, accepted);
      await appendFile(path, bytes.subarray(0, cut));
      await appendToJournal(path, cancel('bob'));
      expect(parseJournal((await readJournal(path)) ?? '')).toEqual([accepted, cancel('bob')]);
    }
  });

  it('keeps the lines of many writers apart', async () => {
    const path = newPath();
    await createJournal(path, accepted);
    await Promise.all(
      Array.from({ length: 100 }, (_, n) => appendToJournal(path, cancel(`${n}`.padEnd(n * 20, 'x')))),
    );
    const lines = (await readFile(path, 'utf8')).split('\n').filter((line) => line !== '');
    expect(lines).toHaveLength(101);
    expect(parseJournal(lines.join('\n'))).toHaveLength(101);
  });

  it('skips whatever is not an event', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.string(), fc.json())), (lines) => {
        const events = parseJournal([JSON.stringify(accepted), ...lines].join('\n'));
        expect(events[0]).toEqual(accepted);
        expect(events.every((event) => typeof event.type === 'string')).toBe(true);
      }),
    );
    expect(parseJournal('{"type":"unheard of"}\n[]\nnull\n7\n"accepted"\n\0\0\0')).toEqual([]);
  });

  it('is undefined when there is none, and an error when it cannot be read', async () => {
    expect(await readJournal(newPath())).toBeUndefined();
    await writeFile(join(directory, 'plain'), '');
    await expect(readJournal(join(directory, 'plain', 'journal'))).rejects.toMatchObject({ code: 'ENOTDIR' });
  });
});
