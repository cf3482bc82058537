/** What comes from outside of a build besides the Dockerfile: whatever it is, it is used, passed over or refused by name. */
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { openArchive } from '../../src/build/add/archive.js';
import { openBuilderStore } from '../../src/build/builder-store.js';
import { DEFAULT_BOUNDS, EMPTY_INDEX, mergeIndex, parseIndex } from '../../src/build/cache/remote-index.js';
import { planCopy } from '../../src/build/copy/copy.js';
import { Destination, EMPTY_TREE } from '../../src/build/copy/destination.js';
import { assembleImage } from '../../src/build/image.js';
import { writeLayer } from '../../src/build/steps/copy-step.js';
import { DEFAULT_LIMITS } from '../../src/config.js';
import { evaluate, startStage, withTriggers } from '../../src/dockerfile/evaluate.js';
import type { ImageDocument } from '../../src/dockerfile/image-document.js';
import { SlipwayError } from '../../src/errors.js';
import { historyRows } from '../../src/images/history-rows.js';
import { dockerCredentials } from '../../src/local-build/credentials.js';
import { plan } from '../dockerfile/support.js';
import { picture } from '../native/support.js';
import { type RawEntry, tar } from '../native/tar.js';
import { temporaryDirectory } from '../support/directories.js';

const SOON_MS = 2000;

async function answered<T>(work: () => T | Promise<T>): Promise<T | undefined> {
  const before = performance.now();
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof SlipwayError) || error.code === 'internal') throw error;
    expect(error.message).not.toBe('');
    return undefined;
  } finally {
    expect(performance.now() - before).toBeLessThan(SOON_MS);
  }
}

const json = fc.oneof(fc.jsonValue({ maxDepth: 3 }), fc.constantFrom(null, 0, 'x', [], {}, [null], -1, 1e21));

it('a base image of any config gives an image or is refused', async () => {
  const words = fc.oneof(
    json,
    fc.array(fc.oneof(fc.constantFrom('PATH=/x', 'A=b', 'A', '=', ''), json), { maxLength: 3 }),
  );
  const names = [
    'Env',
    'Cmd',
    'Entrypoint',
    'Volumes',
    'ExposedPorts',
    'Labels',
    'OnBuild',
    'Shell',
    'User',
    'WorkingDir',
    'StopSignal',
    'Healthcheck',
  ];
  const document = fc.record(
    {
      config: fc.oneof(
        json,
        fc.record(Object.fromEntries(names.map((name) => [name, words])), { requiredKeys: [] }),
      ),
      history: fc.oneof(
        json,
        fc.array(fc.oneof(json, fc.record({ created_by: json, empty_layer: json }, { requiredKeys: [] }))),
      ),
      rootfs: json,
      architecture: json,
      created: json,
      author: json,
    },
    { requiredKeys: [] },
  );
  const text =
    'FROM a\nENV A=1 B=$A\nLABEL a=b\nEXPOSE 1\nVOLUME /v\nWORKDIR x\nUSER 1\nRUN y\nHEALTHCHECK CMD x\nCMD z\n';
  await fc.assert(
    fc.asyncProperty(document, async (base) => {
      await answered(() => {
        const built = plan(text);
        const from = { kind: 'image', document: base as ImageDocument } as const;
        const stage = withTriggers(built, built.target, from);
        let state = startStage(built, stage, from);
        for (const each of stage.instructions) ({ state } = evaluate(state, each));
        const layer = { diffId: 'sha256:1', digest: 'sha256:2', sizeBytes: 1, mediaType: 'x' };
        const { history } = base as { history?: { length?: number } };
        const image = assembleImage(state.image, [layer, layer, layer], history?.length ?? 0, 10);
        expect(historyRows(image).filter(({ digest }) => digest !== undefined)).toHaveLength(3);
      });
    }),
    { numRuns: 800 },
  );
}, 60_000);

it('a cache index of any bytes is one, or none', async () => {
  const step = {
    layer: {
      diffId: `sha256:${'1'.repeat(64)}`,
      digest: `sha256:${'2'.repeat(64)}`,
      sizeBytes: 1,
      mediaType: 'x',
    },
    ms: 1,
  };
  const key = fc.oneof(fc.constantFrom('a'.repeat(64), '__proto__', '../x'), json);
  const indexed = fc.record({
    key,
    value: fc.oneof(fc.constant(step), json),
    used: fc.oneof(fc.nat(), json),
  });
  const document = fc.record({
    version: fc.constantFrom<unknown>(1, 1, 2, '1'),
    exports: fc.oneof(fc.nat(), json),
    steps: fc.array(indexed, { maxLength: 3 }),
    selections: fc.array(indexed, { maxLength: 3 }),
  });
  const bytes = fc.oneof(
    fc.uint8Array(),
    document.map((each) => Buffer.from(JSON.stringify(each))),
    json.map((each) => Buffer.from(JSON.stringify(each))),
  );
  await fc.assert(
    fc.asyncProperty(bytes, async (given) => {
      await answered(() => {
        const index = parseIndex(given) ?? EMPTY_INDEX;
        mergeIndex(
          index,
          {
            steps: new Map([['a'.repeat(64), { step, executed: true }]]),
            selections: new Map(),
            builds: new Map(),
          },
          DEFAULT_BOUNDS,
        );
      });
    }),
    { numRuns: 1500 },
  );
});

it("docker's config.json of any content has credentials, none, or is refused", async () => {
  const directory = await temporaryDirectory();
  const text = fc.oneof(json, fc.constantFrom('YTpi', 'Og==', '!', 'x', '-rf', '../sh', 'a b'));
  const auth = fc.oneof(
    json,
    fc.record({ auth: text, username: text, password: text }, { requiredKeys: [] }),
  );
  const host = fc.constantFrom('h', 'https://h/v1/', 'https://index.docker.io/v1/', '__proto__');
  // A helper's name that is one would be started.
  const helper = fc.constantFrom<unknown>(
    '../x',
    '-x',
    '',
    null,
    5,
    {},
    ['x y'],
    'a/b',
    'slipway-test-there-is-none',
  );
  const config = fc.oneof(
    json,
    fc.record(
      {
        auths: fc.oneof(json, fc.dictionary(host, auth)),
        credHelpers: fc.oneof(json, fc.dictionary(host, helper)),
        credsStore: helper,
      },
      { requiredKeys: [] },
    ),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        config.map((each) => JSON.stringify(each)),
        fc.string(),
      ),
      fc.constantFrom('h', 'docker.io', 'constructor'),
      async (content, registry) => {
        await writeFile(join(directory, 'config.json'), content);
        const found = await answered(() =>
          dockerCredentials({ DOCKER_CONFIG: directory, PATH: '/nowhere' })(registry),
        );
        if (found === undefined) return;
        expect([typeof found.username, typeof found.password]).toEqual(['string', 'string']);
      },
    ),
    { numRuns: 800 },
  );
}, 60_000);

it('an archive of anything is unpacked inside its destination, or refused', async () => {
  const directory = await temporaryDirectory();
  const store = await openBuilderStore(join(directory, 'store'), DEFAULT_LIMITS);
  const canary = await mkdtemp(join(directory, 'canary-'));
  await writeFile(join(canary, 'secret'), 'untouched');
  const before = await picture(canary);
  const name = fc.oneof(
    { weight: 12, arbitrary: fc.constantFrom('a', 'b', 'd', 'l', 'é', '.', '', '/') },
    { weight: 1, arbitrary: fc.constantFrom('..', '.wh.a', '.wh..wh..opq') },
  );
  const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
  const link = fc.oneof(path, fc.constantFrom('/', '/etc', '../../..', canary, `${canary}/secret`, '../x/a'));
  const entry: fc.Arbitrary<RawEntry> = fc.record({
    path,
    type: fc.constantFrom(...'000000005555555122222467g'.split('')),
    link,
    data: fc.constantFrom('', 'x', 'x'.repeat(600)),
    mode: fc.constantFrom(0o644, 0o7777, 0),
    rdev: fc.constantFrom([0, 0] as const, [1, 3] as const),
  });
  const program = (argv: readonly [string, ...string[]]) => (bytes: Buffer) =>
    execFileSync(argv[0], argv.slice(1), { input: bytes });
  const pack = fc.constantFrom(
    (bytes: Buffer) => bytes,
    (bytes: Buffer) => bytes,
    gzipSync,
    program(['zstd', '-c']),
    program(['xz', '-c']),
    program(['bzip2', '-c']),
  );
  const flips = fc.oneof(
    { weight: 3, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.array(fc.tuple(fc.nat(1 << 16), fc.nat(255)), { maxLength: 2 }) },
  );
  const selection = { name: 'a.tar', path: 'a.tar', content: 'x', entries: async () => [] };
  let unpacked = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(entry, { minLength: 1, maxLength: 5 }),
      pack,
      fc.boolean(),
      flips,
      async (entries, packed, first, bytes) => {
        const flip = (data: Buffer): Buffer => {
          for (const [at, value] of bytes) data[at % data.length] = value;
          return data;
        };
        const data = first ? packed(flip(tar(entries))) : flip(Buffer.from(packed(tar(entries))));
        const scratches: string[] = [];
        const signal = new AbortController().signal;
        const scratch = async (): Promise<string> => {
          const made = await mkdtemp(join(directory, 'scratch-'));
          scratches.push(made);
          return made;
        };
        await answered(async () => {
          const archive = await openArchive('a.tar', { data }, { scratch, maxBytes: 1 << 26, signal });
          if (archive === undefined) return;
          const planned = await planCopy(
            [{ source: archive.source, selection, archive }],
            new Destination(EMPTY_TREE, new Map()),
            {
              destination: '/x/',
              directoryMtime: 0,
            },
          );
          for (const { entry: made } of planned.entries()) expect(made.path).toMatch(/^x(\/|$)/);
          await store.blobs.use((await writeLayer(planned.entries(), store, signal)).digest);
          unpacked++;
        });
        for (const each of scratches) await rm(each, { recursive: true });
        expect(await picture(canary)).toEqual(before);
      },
    ),
    { numRuns: 250 },
  );
  expect(unpacked).toBeGreaterThan(20);
}, 60_000);
