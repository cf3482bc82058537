/** i386 programs on amd64: run where the sandbox lets them, and killed by its filter where not. */
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { program32 } from '../support/program-32.js';
import { type Fixture, sandboxFixture, skipped } from './fixture.js';

let fixture: Fixture | undefined;
afterEach(async () => {
  await fixture?.[Symbol.asyncDispose]();
});

async function run(with32Bit: boolean): Promise<{ exitCode: number; output: string }> {
  fixture = await sandboxFixture({ with32Bit });
  const path = join(fixture.rootfs, 'program');
  await writeFile(path, program32());
  await chmod(path, 0o755);
  return fixture.sh('/program; echo "ended with $?"');
}

describe.skipIf(skipped('i386 programs') || process.arch !== 'x64')('an i386 program on amd64', () => {
  it('runs in a sandbox that lets it', async () => {
    expect((await run(true)).output).toBe('thirty-two\nended with 0\n');
  });

  it('does nothing in another', async () => {
    const { output } = await run(false);
    expect(output).not.toContain('thirty-two');
    expect(output).not.toContain('ended with 0');
  });
});
