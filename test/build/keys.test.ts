import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type CopyKeyParts,
  copyKey,
  type RunKeyParts,
  runKey,
  workdirKey,
} from '../../src/build/cache/keys.js';

const run: RunKeyParts = {
  parent: 'sha256:aa',
  platform: 'linux/amd64',
  argv: ['/bin/sh', '-c', 'make'],
  env: ['PATH=/bin', 'CI=1'],
  cwd: '/app',
  user: '',
  network: 'default',
  security: 'sandbox',
  hostname: 'h',
  mounts: [],
  files: [],
};

const copy: CopyKeyParts = {
  parent: 'sha256:aa',
  destination: '/app/',
  selections: [{ name: 'a.js', content: 'blob:644:1' }],
  chown: undefined,
  chmod: undefined,
  instruction: 'COPY',
};

describe('the key of a RUN', () => {
  it('is the same for the same step, in whatever order its variables were declared', () => {
    expect(runKey({ ...run })).toBe(runKey(run));
    expect(runKey({ ...run, env: [...run.env].reverse() })).toBe(runKey(run));
  });

  it.each<[string, Partial<RunKeyParts>]>([
    ['the layers below', { parent: 'sha256:bb' }],
    ['the platform', { platform: 'linux/arm64' }],
    ['the command', { argv: ['/bin/sh', '-c', 'make all'] }],
    ['where the words of the command end', { argv: ['/bin/sh', '-c make'] }],
    ['a value of the environment', { env: ['PATH=/bin', 'CI=2'] }],
    ['a variable without a =', { env: ['PATH=/bin', 'CI'] }],
    ['the working directory', { cwd: '/' }],
    ['the user', { user: 'nobody' }],
    ['the network', { network: 'none' }],
    ['a file of a heredoc', { files: [{ path: '/dev/pipes/EOF', mode: 0o644, content: 'x' }] }],
  ])('changes with %s', (_what, change) => {
    expect(runKey({ ...run, ...change })).not.toBe(runKey(run));
  });
});

describe('the key of a COPY', () => {
  it.each<[string, Partial<CopyKeyParts>]>([
    ['the layers below', { parent: 'sha256:bb' }],
    ['the content', { selections: [{ name: 'a.js', content: 'blob:644:2' }] }],
    ['the name of the source', { selections: [{ name: 'b.js', content: 'blob:644:1' }] }],
    ['the destination', { destination: '/app' }],
    ['the owner', { chown: '0:0' }],
    ['the mode', { chmod: '755' }],
    ['ADD instead of COPY', { instruction: 'ADD' }],
  ])('changes with %s', (_what, change) => {
    expect(copyKey({ ...copy, ...change })).not.toBe(copyKey(copy));
  });

  it('never mistakes one list of sources for another', () => {
    const lists = fc.array(fc.record({ name: fc.string(), content: fc.string() }), { maxLength: 4 });
    fc.assert(
      fc.property(lists, lists, (a, b) => {
        const same = JSON.stringify(a) === JSON.stringify(b);
        expect(copyKey({ ...copy, selections: a }) === copyKey({ ...copy, selections: b })).toBe(same);
      }),
    );
  });
});

describe('keys of different kinds', () => {
  it('are never alike', () => {
    const { parent } = run;
    const keys = [runKey(run), copyKey(copy), workdirKey({ parent, path: '/app', user: '' })];
    expect(new Set(keys).size).toBe(3);
  });
});
