import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { TokenUses } from '../../src/ledger/token-uses.js';
import { HeldClock } from '../support/clock.js';
import { temporaryDirectory } from '../support/directories.js';

it('the last use of a token is known after a restart, and a file that is damaged is no loss', async () => {
  const path = join(await temporaryDirectory(), 'token-uses.json');
  const clock = new HeldClock();
  const uses = new TokenUses(path, clock);
  expect([...(await uses.all())]).toEqual([]);
  await uses.note('a');
  clock.advance(1000);
  await uses.note('a');
  await uses.note('b');
  const at = new Date(clock.now()).toISOString();
  await uses.write();
  expect(JSON.parse(await readFile(path, 'utf8'))).toEqual({ a: at, b: at });
  expect((await new TokenUses(path, clock).all()).get('a')).toBe(at);
  await writeFile(path, '{');
  const again = new TokenUses(path, clock);
  await again.note('c');
  await again.write();
  expect(JSON.parse(await readFile(path, 'utf8'))).toEqual({ c: at });
});
