import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { runProgram } from '../../deploy/hosts/program.js';
import { temporaryDirectory } from '../support/directories.js';

it('starts nothing for somebody who has gone already', async () => {
  const path = join(await temporaryDirectory(), 'touched');
  const signal = AbortSignal.abort(new Error('gone'));
  await expect(runProgram('touch', [path], { timeoutMs: 10_000, signal })).rejects.toThrow('gone');
  await expect(access(path)).rejects.toMatchObject({ code: 'ENOENT' });
});
