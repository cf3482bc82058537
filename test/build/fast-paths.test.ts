/** Each quick way on and off: the same layers, byte for byte, and the same files for a RUN to see. */
import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openBuilderStore } from '../../src/build/builder-store.js';
import { DEFAULT_LIMITS } from '../../src/config.js';
import { type FastPaths, fastPaths } from '../../src/fast-paths.js';
import { type Built, type Files, TestBuilder } from '../support/builder.js';
import { temporaryDirectory } from '../support/directories.js';

let builder: TestBuilder;
beforeAll(async () => {
  builder = await TestBuilder.start();
});
afterAll(async () => {
  await builder?.stop();
});

const ON = fastPaths({});
const NAMES = Object.keys(ON) as (keyof FastPaths)[];
const OFF = Object.fromEntries(NAMES.map((name) => [name, false])) as unknown as FastPaths;

async function built(commit: string, fast: FastPaths): Promise<Built> {
  const directory = await temporaryDirectory();
  try {
    return await builder.build(commit, { store: await openBuilderStore(directory, DEFAULT_LIMITS, fast) });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Without what differs from run to run: digests of RUN's layers, since their times are the present. */
const shown = ({ log }: Built): string[] => log.split('\n').filter((line) => line.includes('seen '));

function files(): Files {
  const many = Array.from({ length: 300 }, (_, i): [string, Files[string]] => [
    `src/d${i % 7}/f${i}`,
    i % 50 === 0
      ? { bytes: Buffer.alloc(i * 3001, i) }
      : { text: `file ${i}\n`, mode: i % 3 ? 0o644 : 0o755 },
  ]);
  return {
    ...Object.fromEntries(many),
    '.gitattributes': 'src/d1/* text eol=crlf\nsrc/d2/f2 ident\n',
    'src/d2/f2': '$Id$\n',
    'src/link': { link: 'd3/f3' },
    'src/empty': '',
    'manifest.json': '{}\n',
  };
}

it('gives the same layers and shows the same files whichever quick way is off', async () => {
  const lines = [
    'FROM busybox',
    'WORKDIR /app/deep',
    'COPY manifest.json .',
    'COPY --chown=app --chmod=u+x src /app/src/',
    'COPY src/d1 <<E /app/mixed/',
    'inline',
    'E',
    'RUN find /app -exec stat -c "seen %n %F %a %u:%g %s" {} + | sort && cat $(find /app -type f | sort) | md5sum | sed "s/^/seen /"',
    'COPY src/d2 /app/src/d1',
    'RUN cat /app/src/d1/f2 | sed "s/^/seen /"; ls /app/src/d1 | sort | sed "s/^/seen /"',
    'COPY . /last',
  ];
  const commit = await builder.commit({ ...files(), Dockerfile: `${lines.join('\n')}\n` });
  const on = await built(commit, ON);
  const copies = ({ image: { layers } }: Built): string[] =>
    layers.filter((_, i) => i !== 5 && i !== 7).map(({ digest }) => digest);
  expect(shown(on).length).toBeGreaterThan(400);
  for (const fast of [OFF, ...NAMES.map((name) => ({ ...ON, [name]: false }))]) {
    const off = await built(commit, fast);
    expect(shown(off)).toEqual(shown(on));
    expect(copies(off)).toEqual(copies(on));
  }
}, 120_000);

it('is read from the environment: only 0 turns a quick way off', () => {
  expect(Object.values(ON)).not.toContain(false);
  for (const name of NAMES) {
    const variable = `SLIPWAY_FAST_${name.toUpperCase()}`;
    expect(fastPaths({ [variable]: '0' })).toEqual({ ...ON, [name]: false });
    expect(fastPaths({ [variable]: '' })).toEqual(ON);
  }
});
