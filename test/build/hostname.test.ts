/** BUILDKIT_SANDBOX_HOSTNAME: what a RUN is called, and that its result depends on it. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { TestBuilder } from '../support/builder.js';

let builder: TestBuilder;
beforeAll(async () => {
  builder = await TestBuilder.start();
});
afterAll(() => builder.stop());

it('names the machine of a RUN, and is in its key', async () => {
  const commit = await builder.commit({ Dockerfile: 'FROM busybox\nRUN echo "on <$(hostname)>"\n' });
  const plain = await builder.build(commit);
  expect(plain.log).toContain('on <buildkitsandbox>');
  const buildArgs = { BUILDKIT_SANDBOX_HOSTNAME: 'forge' };
  const named = await builder.build(commit, { buildArgs });
  expect(named.log).toContain('on <forge>');
  expect(named.log).toContain('BUILDKIT_SANDBOX_HOSTNAME');
  expect(named.steps.cached).toBe(0);
  expect((await builder.build(commit, { buildArgs })).steps.cached).toBe(1);
  expect((await builder.build(commit)).steps.cached).toBe(1);
});
