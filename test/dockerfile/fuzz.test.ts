// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the variables of a Dockerfile
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { evaluate, startStage, withTriggers } from '../../src/dockerfile/evaluate.js';
import { SlipwayError } from '../../src/errors.js';
import { parse, plan, walk } from './support.js';

/** Whatever the input: an answer, or a SlipwayError that says where. */
function answers(call: () => unknown): void {
  try {
    call();
  } catch (error) {
    if (!(error instanceof SlipwayError)) throw error;
    expect(error.code).toMatch(/^dockerfile_|^image_invalid$/);
    expect(error.where).toMatch(/^Dockerfile(:\d+)?$/);
    expect(error.message).not.toBe('');
  }
}

const word = fc.oneof(
  fc.constantFrom(
    'a',
    '$a',
    '${a}',
    '${a:-b}',
    '${a',
    '"a b"',
    "'",
    '"',
    '\\',
    '`',
    '/',
    './',
    '..',
    '<<E',
    '<<-"E"',
  ),
  fc.constantFrom(
    '--from=x',
    '--chown=1',
    '--mount=type=cache',
    '--',
    '--platform=$b',
    '["a"]',
    '["a',
    '[1]',
    'AS',
    '80/udp',
  ),
  fc.constantFrom(
    'a=b',
    '=',
    'a=$a',
    'CMD',
    'NONE',
    '\\\n',
    '\n',
    '\r\n',
    '# x\n',
    '\t',
    'E\n',
    '\nE\n',
    '${a/b/c}',
    '${a##*}',
  ),
  fc.constantFrom(
    '--mount=target=$a',
    '--mount=type=secret,id=a,env=b',
    '--mount=type=$a,"target=/x"',
    '--mount=from=y,dst=x',
    '--mount=type=tmpfs,target=/,size=1g',
    '--link',
    '--parents',
    '--exclude=!a[',
    '--unpack=false',
    '--checksum=$a',
    '--network=host',
    'https://x/$a.git?tag=$b#c:d',
    'git@x:y',
    'a/./b',
    'linux/arm',
  ),
  fc.string({ maxLength: 5 }),
);
const keyword = fc.constantFrom(
  ...'FROM RUN COPY ADD ENV ARG LABEL CMD ENTRYPOINT WORKDIR USER EXPOSE VOLUME STOPSIGNAL SHELL HEALTHCHECK ONBUILD'.split(
    ' ',
  ),
  'MAINTAINER',
  'FORM',
);
const line = fc
  .tuple(keyword, fc.array(word, { maxLength: 6 }))
  .map(([first, words]) => [first, ...words].join(' '));
const file = fc
  .tuple(fc.constantFrom('', '# escape=`\n', 'ARG a=1\n'), fc.array(line, { maxLength: 12 }))
  .map(([head, lines]) => `${head}FROM x AS y\n${lines.join('\n')}`);

describe('any input is answered', () => {
  it('when it is arbitrary bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => answers(() => parse(bytes))),
      { numRuns: 2000 },
    );
  });

  it('when it is arbitrary text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) =>
        answers(() => walk(plan(`FROM a\n${text}`))),
      ),
      { numRuns: 2000 },
    );
  });

  it('when it looks like a Dockerfile', () => {
    fc.assert(
      fc.property(
        file,
        fc.dictionary(fc.constantFrom('a', 'b', 'HTTP_PROXY', 'toString'), word),
        (text, buildArgs) => answers(() => walk(plan(text, { buildArgs }))),
      ),
      { numRuns: 5000 },
    );
  });

  it('when one instruction has arbitrary arguments', () => {
    fc.assert(
      fc.property(keyword, fc.string({ unit: 'grapheme', maxLength: 60 }), (first, rest) =>
        answers(() => walk(plan(`FROM a\nENV a=1\n${first} ${rest}`))),
      ),
      { numRuns: 5000 },
    );
  });

  it('when the base image says anything', () => {
    fc.assert(
      fc.property(fc.record({ config: fc.anything(), history: fc.anything() }), (base) =>
        answers(() =>
          walk(plan('FROM a\nENV a=1\nENTRYPOINT ["x"]\nEXPOSE 1\nVOLUME /v\nRUN b'), base as object),
        ),
      ),
    );
  });
});

it('a parsed file is the same whatever its line ends', () => {
  fc.assert(
    fc.property(file, (text) => {
      const of = (each: string) => {
        try {
          return JSON.stringify(
            parse(each).stages.map((stage) => stage.instructions.map(({ kind, text }) => [kind, text])),
          );
        } catch (error) {
          return error instanceof SlipwayError ? error.code : 'crash';
        }
      };
      if (text.includes('\r') || text.includes('<<')) return;
      expect(of(text.replaceAll('\n', '\r\n'))).toBe(of(text));
    }),
    { numRuns: 1000 },
  );
});

const onBuild = fc.array(fc.oneof(line, fc.string({ unit: 'binary', maxLength: 40 })), { maxLength: 4 });

describe('any base, context and argument is answered', () => {
  it('when the base has any triggers', () => {
    fc.assert(
      fc.property(file, onBuild, (text, OnBuild) =>
        answers(() => {
          const built = plan(text);
          const from = { kind: 'image', document: { config: { OnBuild } } } as const;
          const stage = withTriggers(built, built.target, from);
          let state = startStage(built, stage, from);
          for (const each of stage.instructions) ({ state } = evaluate(state, each));
        }),
      ),
      { numRuns: 2000 },
    );
  });

  it('when contexts have any names', () => {
    const contexts = fc.array(fc.tuple(word, fc.constantFrom({ kind: 'directory' } as const)), {
      maxLength: 3,
    });
    fc.assert(
      fc.property(file, contexts, (text, given) => answers(() => plan(text, { contexts: new Map(given) }))),
      { numRuns: 1000 },
    );
  });

  it('when a mount or a source has any options', () => {
    const option = fc.oneof(word, fc.string({ unit: 'grapheme', maxLength: 12 }));
    fc.assert(
      fc.property(fc.array(option, { maxLength: 5 }), (options) => {
        answers(() => walk(plan(`FROM a\nRUN --mount=${options.join(',')} x`)));
        answers(() => walk(plan(`FROM a\nADD https://h/r.git?${options.join('&')} x`)));
        answers(() => walk(plan(`FROM --platform=${options.join('/')} a`)));
      }),
      { numRuns: 3000 },
    );
  });
});

describe('a hostile file', () => {
  it.each([
    ['doubles a variable for ever', `ENV a=xxxxxxxxxx\n${'ENV a=$a$a\n'.repeat(400)}`],
    ['doubles within ARG', `ARG a=xxxxxxxxxx\n${'ARG a=$a$a\n'.repeat(400)}`],
    ['has an endless line', `RUN ${'a\\\n'.repeat(300_000)}`],
    ['is made of quotes', `ENV a=${'"\''.repeat(30_000)}`],
    ['is made of heredocs', `RUN ${'<<a '.repeat(10_000)}\n${'a\n'.repeat(10_000)}`],
    ['is made of substitutions', `ENV a=${'${'.repeat(30_000)}`],
    ['is made of brackets', `RUN ${'['.repeat(60_000)}`],
    ['exposes every port again and again', 'EXPOSE 0-65535\n'.repeat(20)],
    ['has flags without end', `RUN ${'--a=b '.repeat(10_000)}`],
    ['has a long duration', `HEALTHCHECK --interval=${'1'.repeat(60_000)} CMD a`],
    ['has mounts without end', `RUN ${'--mount=target=/x '.repeat(4000)}a`],
    ['has options without end', `RUN --mount=${'id=a,'.repeat(12_000)}target=/x a`],
    ['is made of quotes in a mount', `RUN --mount=${'\\"\\"\\"'.repeat(10_000)} a`],
    ['excludes without end', `COPY ${'--exclude=*a*a*a '.repeat(3000)}a b`],
    ['has a URL without end', `ADD https://h/r.git?${'a&'.repeat(30_000)} b`],
    ['builds one stage on the other', 'FROM a AS x\nFROM x\n'.repeat(24)],
    ['has a long mode', `COPY --chmod=${'u+x,'.repeat(10_000)} a b`],
  ])('that %s is answered in time', (_, text) => {
    answers(() => walk(plan(`FROM a\n${text}`)));
  });
});
