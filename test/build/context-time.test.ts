/** SOURCE_DATE_EPOCH=context: the image is as old as its commit. */
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openDirectoryContext } from '../../src/build/context/directory-context.js';
import { DEFAULT_LIMITS } from '../../src/config.js';
import { TestBuilder } from '../support/builder.js';

let builder: TestBuilder;
beforeAll(async () => {
  builder = await TestBuilder.start();
});
afterAll(() => builder.stop());

it('is the time of the commit, for the image and for an ARG', async () => {
  const run = 'ARG SOURCE_DATE_EPOCH\nRUN echo "at <$SOURCE_DATE_EPOCH>"\n';
  const commit = await builder.commit({ Dockerfile: `FROM busybox\n${run}` });
  const seconds = execFileSync('git', ['show', '-s', '--format=%ct', commit], {
    cwd: builder.gitDir,
    encoding: 'utf8',
  }).trim();
  const buildArgs = { SOURCE_DATE_EPOCH: 'context' };
  const built = await builder.build(commit, { buildArgs });
  expect(built.log).toContain(`at <${seconds}>`);
  const { created } = JSON.parse(built.image.config.toString()) as { created: string };
  expect(Date.parse(created)).toBe(Number(seconds) * 1000);
  const directory = await openDirectoryContext(
    `${builder.gitDir}/..`,
    DEFAULT_LIMITS,
    new AbortController().signal,
  );
  const plain = await builder.build(directory, { buildArgs });
  expect((JSON.parse(plain.image.config.toString()) as { created: string }).created).toBe(
    '1980-01-01T00:00:00Z',
  );
});
