import { afterAll, beforeAll, expect, it } from 'vitest';
import { toSlipwayError } from '../../src/errors.js';
import { hostPlatform } from '../../src/registry/pull.js';
import { TestBuilder } from '../support/builder.js';

let builder: TestBuilder;
beforeAll(async () => {
  builder = await TestBuilder.start();
});
afterAll(() => builder.stop());

const PARENT = `FROM busybox AS tools
RUN echo tool > /tool
FROM busybox AS parent
ONBUILD COPY file /from-context
ONBUILD COPY --from=tools /tool /tool
ONBUILD RUN cat /from-context /tool > /both
ONBUILD ENV after=1
`;

it('runs the triggers of a stage right after FROM, and builds a stage that only they need', async () => {
  const commit = await builder.commit({
    file: 'a\n',
    Dockerfile: `${PARENT}FROM parent\nRUN test "$(cat /both)" = "$(printf 'a\\ntool')" && test "$after" = 1\n`,
  });
  const { image, steps, log } = await builder.build(commit);
  expect(log).toContain('ONBUILD COPY --from=tools /tool /tool');
  expect(steps).toEqual({ cached: 0, total: 5 });
  const { config, history = [] } = image.document;
  expect(config).not.toHaveProperty('OnBuild');
  expect(history.slice(-5).map(({ created_by = '' }) => created_by.replace(/ \/bin.*/, ''))).toEqual([
    'COPY file /from-context # buildkit',
    'COPY /tool /tool # buildkit',
    'RUN',
    'ENV after=1',
    'RUN',
  ]);
  expect((await builder.build(commit)).steps).toEqual({ cached: 5, total: 5 });
});

it('names the FROM and the trigger that fails', async () => {
  const commit = await builder.commit({
    Dockerfile: 'FROM busybox AS parent\nONBUILD RUN exit 7\n\nFROM parent\n',
  });
  const error = toSlipwayError(await builder.build(commit).catch((thrown: unknown) => thrown));
  expect(error.where).toBe('Dockerfile:4');
  expect(error.message).toContain('ONBUILD RUN exit 7');
  expect(error.message).toContain('exit code 7');
});

it('tells a stage for another platform what this machine is', async () => {
  const platform = { os: 'linux', architecture: hostPlatform().architecture === 'arm64' ? 'amd64' : 'arm64' };
  const commit = await builder.commit({
    Dockerfile:
      'FROM scratch\nARG BUILDPLATFORM TARGETPLATFORM\nLABEL on=$BUILDPLATFORM for=$TARGETPLATFORM\n',
  });
  const { image } = await builder.build(commit, { platform });
  expect(image.document).toMatchObject({
    architecture: platform.architecture,
    config: { Labels: { on: `linux/${hostPlatform().architecture}`, for: `linux/${platform.architecture}` } },
  });
});
