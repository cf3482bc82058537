/** Stages that take nothing from each other are built side by side, and everything else is as if they were not. */
import { readdir, readFile } from 'node:fs/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Slots } from '../../src/build/slots.js';
import { stepsAtOnce } from '../../src/build/steps-at-once.js';
import { toSlipwayError } from '../../src/errors.js';
import { type Built, TestBuilder } from '../support/builder.js';

let builder: TestBuilder;
beforeAll(async () => {
  builder = await TestBuilder.start();
});
afterAll(() => builder.stop());

/** Two RUNs that end only when both run at the same time. */
let meetings = 0;
function meeting(): { readonly here: string; readonly there: string } {
  const run = (mine: string, other: string): string =>
    `RUN --mount=type=cache,id=meet-${meetings},target=/meet touch /meet/${mine}; until [ -e /meet/${other} ]; do sleep 0.05; done`;
  meetings++;
  return { here: run('a', 'b'), there: run('b', 'a') };
}

const commit = (...lines: readonly string[]): Promise<string> =>
  builder.commit({ Dockerfile: `${lines.join('\n')}\n` });

async function failure(build: Promise<Built>): Promise<{ message: string; where?: string; log: string }> {
  const thrown = await build.then(
    () => new Error('it did not fail'),
    (error: unknown) => error,
  );
  const { message, where } = toSlipwayError(thrown);
  return { message, ...(where === undefined ? {} : { where }), log: (thrown as Built).log };
}

async function commandLines(): Promise<string> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const lines = pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''));
  return (await Promise.all(lines)).join('\n');
}

describe('at the same time', () => {
  it('run independent stages', async () => {
    const { here, there } = meeting();
    const { steps } = await builder.build(
      await commit(
        ...['FROM busybox AS a', here, 'RUN echo a > /a', 'FROM busybox AS b', there, 'RUN echo b > /b'],
        ...['FROM scratch', 'COPY --from=a /a /', 'COPY --from=b /b /'],
      ),
    );
    expect(steps).toEqual({ cached: 0, total: 6 });
  });

  it('run what comes before the COPY that needs another stage', async () => {
    const { here, there } = meeting();
    await builder.build(
      await commit(
        'FROM busybox AS a',
        here,
        'RUN echo a > /a',
        'FROM busybox',
        there,
        'COPY --from=a /a /',
        'RUN test -s /a',
      ),
    );
  });

  it('run a stage that only a trigger asks for', async () => {
    const { here, there } = meeting();
    const { log } = await builder.build(
      await commit(
        ...['FROM busybox AS tools', here, 'RUN echo tool > /tool'],
        ...['FROM busybox AS parent', there, 'ONBUILD COPY --from=tools /tool /tool', 'FROM parent'],
      ),
    );
    expect(log).toContain('[tools 2/4] RUN echo tool');
    expect(log).toContain('[stage-2 4/4] ONBUILD COPY');
  });

  it('number the steps from top to bottom, and say of each line whose it is', async () => {
    const { here, there } = meeting();
    const text = (title: string): string => title.slice(0, 40);
    const { log } = await builder.build(
      await commit(
        ...['FROM busybox AS a', here, 'RUN echo from a', 'FROM busybox AS b', 'WORKDIR $NOTHING/', there],
        ...['RUN echo from b', 'FROM scratch', 'COPY --from=a /bin/sh /', 'COPY --from=b /bin/sh /'],
      ),
    );
    for (const title of [`[a 1/6] ${text(here)}`, '[a 2/6] RUN', `[b 3/6] ${text(there)}`, '[b 4/6] RUN'])
      expect(log).toContain(title);
    expect(log).toMatch(/^ +2 \| from a$/m);
    expect(log).toMatch(/^ +4 \| from b$/m);
    expect(log).toMatch(/^ +6 done in /m);
  });
});

it('where no two steps can run at once, lines need no numbers', async () => {
  const { log } = await builder.build(
    await commit('FROM busybox AS a', 'RUN echo said', 'FROM a AS b', 'FROM b', 'RUN true'),
  );
  const told = log.split('\n').filter((line) => /FROM|RUN|\|/.test(line));
  expect(told.map((line) => line.slice(7))).toEqual([
    'FROM busybox AS a',
    '[1/2] RUN echo said',
    '  | said',
    'FROM a AS b',
    'FROM b',
    '[2/2] RUN true',
  ]);
});

describe('a stage that fails', () => {
  const two = (id: string): readonly string[] => [
    'FROM busybox AS slow',
    `RUN --mount=type=cache,id=${id},target=/meet touch /meet/up; sleep 86399`,
    'RUN echo never',
    'FROM busybox AS failing',
    `RUN --mount=type=cache,id=${id},target=/meet until [ -e /meet/up ]; do sleep 0.05; done; exit 3`,
    'FROM scratch',
    'COPY --from=slow /bin/sh /',
    'COPY --from=failing /bin/sh /',
  ];

  it('stops the others, and its error is the build’s', async () => {
    const { message, where, log } = await failure(builder.build(await commit(...two('stop'))));
    expect(message).toContain('exit code 3');
    expect(where).toBe('Dockerfile:5');
    expect(log).toMatch(/^ +3 failed$/m);
    expect(log).toMatch(/^ +1 stopped$/m);
    expect(log).not.toContain('never');
    expect(await commandLines()).not.toContain('86399');
  });

  it('leaves what others had finished in the cache', async () => {
    const { here, there } = meeting();
    const lines = ['FROM busybox AS a', here, 'FROM busybox AS b', there, 'FROM scratch'];
    const whole = [...lines, 'COPY --from=a /bin/sh /', 'COPY --from=b /missing /'];
    expect((await failure(builder.build(await commit(...whole)))).where).toBe('Dockerfile:7');
    const { steps } = await builder.build(await commit(...whole.slice(0, -1)), { target: '2' });
    expect(steps).toEqual({ cached: 2, total: 2 });
  });

  it('is told as a cancelled build is when that comes first', async () => {
    const cancel = new AbortController();
    const building = failure(builder.build(await commit(...two('cancel').slice(0, 3)), cancel));
    setTimeout(() => cancel.abort(new Error('nobody wants it')), 500);
    expect((await building).message).toContain('nobody wants it');
    expect(await commandLines()).not.toContain('86399');
  });
});

it('runs stages one after the other where that is asked for', async () => {
  const { log } = await builder.build(
    await commit(
      'FROM busybox AS a',
      'RUN echo one',
      'FROM busybox',
      'RUN echo two',
      'COPY --from=a /bin/sh /x',
    ),
    { tools: { stepsAtOnce: 1 } },
  );
  const told = log.split('\n').filter((line) => /^ +(\[|\|)/.test(line));
  expect(told.map((line) => line.trim())).toEqual([
    '[1/3] RUN echo one',
    '| one',
    '[2/3] RUN echo two',
    '| two',
    '[3/3] COPY --from=a /bin/sh /x',
  ]);
});

it('gives the same image side by side and one after the other', async () => {
  const number = fc.integer({ min: 0, max: 9 });
  const step = (stage: number): fc.Arbitrary<string> => {
    const own: fc.Arbitrary<string>[] = [
      number.map((n) => `RUN echo ${stage} ${n} >> /f${n % 3}`),
      number.map((n) => `COPY file /copied${n}`),
      number.map((n) => `WORKDIR /w${n}/x`),
      number.map((n) => `ENV V${n % 3}=${stage}`),
      number.map((n) => `RUN rm -rf /f${n % 3}`),
      number.map((n) => `ONBUILD RUN echo built on ${stage} ${n} > /on${n % 2}`),
    ];
    if (stage > 0) {
      const from = fc.integer({ min: 0, max: stage - 1 });
      own.push(
        from.map((at) => `COPY --from=s${at} /etc /etc-of-${at}`),
        from.map((at) => `RUN --mount=from=s${at},target=/m ls /m | sort > /seen${at}`),
        from.map((at) => `ONBUILD COPY --from=s${at} /etc/passwd /users${at}`),
      );
    }
    return fc.oneof(...own);
  };
  const stages = fc.integer({ min: 2, max: 5 }).chain((count) =>
    fc.tuple(
      ...Array.from({ length: count }, (_, at) =>
        fc.tuple(
          at === 0
            ? fc.constant('busybox')
            : fc.oneof(
                { weight: 2, arbitrary: fc.constant('busybox') },
                fc.integer({ min: 0, max: at - 1 }).map((n) => `s${n}`),
              ),
          fc.array(step(at), { minLength: 1, maxLength: 3 }),
        ),
      ),
    ),
  );
  await fc.assert(
    fc.asyncProperty(stages, async (made) => {
      const lines = made.flatMap(([base, steps], at) => [`FROM ${base} AS s${at}`, ...steps]);
      const all = made.map((_, at) => `COPY --from=s${at} /etc/passwd /of${at}`);
      const from = await builder.commit({
        file: 'x',
        Dockerfile: `${[...lines, 'FROM busybox', ...all].join('\n')}\n`,
      });
      const sideBySide = await builder.build(from, { noCache: true });
      const inTurn = await builder.build(from, { noCache: true, tools: { stepsAtOnce: 1 } });
      expect(sideBySide.image.digest).toBe(inTurn.image.digest);
      expect(sideBySide.steps).toEqual(inTurn.steps);
      expect(numbersOf(sideBySide.log)).toEqual(numbersOf(inTurn.log));
      const again = await builder.build(from);
      expect([again.image.digest, again.steps.cached]).toEqual([inTurn.image.digest, inTurn.steps.total]);
    }),
    { numRuns: 8 },
  );
}, 180_000);

/** `3/7 RUN make`, as the lines begin in the order of their numbers. */
function numbersOf(log: string): readonly string[] {
  const found = [...log.matchAll(/^ +\[(?:[\w-]+ )?(\d+\/\d+)\] (.*)$/gm)];
  return found
    .map(([, place = '', text = '']) => `${place} ${text}`)
    .sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10));
}

describe('slots', () => {
  it('give work its turn in the order in which it came', async () => {
    const slots = new Slots(2);
    const told: string[] = [];
    let running = 0;
    const work = (name: string) => () => {
      told.push(name);
      expect(++running).toBeLessThanOrEqual(2);
      return new Promise<void>((resolve) =>
        setTimeout(() => {
          running--;
          resolve();
        }, 1),
      );
    };
    await Promise.all(['a', 'b', 'c', 'd', 'e'].map((name) => slots.take(work(name))));
    expect(told).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  it('are given back by work that fails', async () => {
    const slots = new Slots(1);
    await expect(slots.take(() => Promise.reject(new Error('x')))).rejects.toThrow('x');
    await expect(slots.take(async () => 'next')).resolves.toBe('next');
  });

  it('are never more than the memory holds, and always one', () => {
    expect(stepsAtOnce({ stepMemoryBytes: 1 })).toBeGreaterThanOrEqual(2);
    expect(stepsAtOnce({ stepMemoryBytes: Number.MAX_SAFE_INTEGER })).toBe(1);
  });
});
