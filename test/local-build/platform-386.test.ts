/** `slipway build --platform linux/386` on amd64, where the kernel needs no emulation. */
import { chmod, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { program32 } from '../support/program-32.js';
import { LocalBuilds } from './support.js';

describe.skipIf(process.arch !== 'x64')('a build for 386', () => {
  let builds: LocalBuilds;
  beforeAll(async () => {
    builds = await LocalBuilds.start();
  });
  afterAll(() => builds.stop());

  test('runs its commands', async () => {
    await builds.write({ 'a/Dockerfile': 'FROM scratch\nCOPY program /\nRUN ["/program"]\n' });
    await writeFile(builds.path('a/program'), program32());
    await chmod(builds.path('a/program'), 0o755);
    const built = await builds.build(['a', '--platform', 'linux/386']);
    expect([built.code, built.err]).toEqual([0, expect.stringMatching(/\d thirty-two\n/)]);
  });
});
