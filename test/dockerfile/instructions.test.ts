// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the variables of a Dockerfile
import { describe, expect, it } from 'vitest';
import { hint, instruction, parse, problem } from './support.js';

const from = (text: string) => parse(text).stages[0]!.from;

describe('FROM', () => {
  it.each([
    ['FROM alpine', { image: 'alpine' }],
    ['from alpine:3.20', { image: 'alpine:3.20' }],
    ['FROM alpine AS Build', { image: 'alpine', stageName: 'build' }],
    ['FROM alpine as b.u-i_ld9', { stageName: 'b.u-i_ld9' }],
    ['FROM --platform=$BUILDPLATFORM golang AS x', { platform: '$BUILDPLATFORM', image: 'golang' }],
    ['FROM --platform="linux/amd64" golang', { platform: 'linux/amd64' }],
    ['FROM ${IMAGE:-alpine}@sha256:abc', { image: '${IMAGE:-alpine}@sha256:abc' }],
  ])('%s', (text, expected) => expect(from(text)).toMatchObject(expected));

  it.each([
    ['FROM', 'FROM needs an argument'],
    ['FROM a b', 'FROM takes an image'],
    ['FROM a AS', 'FROM takes an image'],
    ['FROM a IS b', 'FROM takes an image'],
    ['FROM a AS b c', 'FROM takes an image'],
    ['FROM a AS 1b', '"1b" cannot name a stage'],
    ['FROM a AS b/c', '"b/c" cannot name a stage'],
    ['FROM --platfrom=x a', 'FROM has no flag "--platfrom"'],
    ['FROM --platform a', 'the flag --platform needs a value'],
    ['FROM --platform=a --platform=b a', 'the flag --platform is given twice'],
  ])('%s is refused', (text, message) => expect(problem(() => parse(text))).toContain(message));
});

describe('RUN, CMD and ENTRYPOINT', () => {
  it.each([
    ['RUN echo  a "b"', { form: 'shell', line: 'echo  a "b"' }],
    ['RUN ["echo", "a b"]', { form: 'exec', argv: ['echo', 'a b'] }],
    ['RUN  [ "echo" , "\\u0041" ] ', { form: 'exec', argv: ['echo', 'A'] }],
    ["RUN ['echo']", { form: 'shell', line: "['echo']" }],
    ['RUN ["echo"] && x', { form: 'shell', line: '["echo"] && x' }],
    ['RUN [ -f x ] || y', { form: 'shell', line: '[ -f x ] || y' }],
    ['RUN ["a",]', { form: 'shell', line: '["a",]' }],
    ['CMD []', { form: 'exec', argv: [] }],
    ['CMD ["a"]', { form: 'exec', argv: ['a'] }],
    ['CMD a | b', { form: 'shell', line: 'a | b' }],
    ['ENTRYPOINT ["a", ""]', { form: 'exec', argv: ['a', ''] }],
    ['ENTRYPOINT a $b', { form: 'shell', line: 'a $b' }],
    ['CMD ["\\ud800"]', { form: 'exec', argv: ['\ufffd'] }],
    ['CMD', { form: 'shell', line: '' }],
    ['ENTRYPOINT', { form: 'shell', line: '' }],
    ['RUN', { form: 'shell', line: '' }],
    ['RUN --network=none', { form: 'shell', line: '' }],
  ])('%s', (text, command) => expect(instruction(text)).toMatchObject({ command }));

  it.each([
    ['RUN []', 'RUN needs a command'],
    ['RUN ["a", 1]', 'RUN: the JSON array may hold only strings'],
    ['CMD ["a", null]', 'CMD: the JSON array may hold only strings'],
    ['CMD [["a"]]', 'CMD: the JSON array may hold only strings'],
    ['CMD --x a', 'CMD has no flag "--x"'],
    ['RUN ["a\\u0000"]', 'NUL'],
    ['RUN --network=bridge a', 'RUN --network=bridge: there is no such mode'],
    ['RUN --security=none a', 'there is no such mode'],
    ['RUN --mont=type=cache a', 'RUN has no flag "--mont"'],
    ['RUN --network a', 'the flag --network needs a value'],
  ])('%s is refused', (text, message) => expect(problem(() => instruction(text))).toContain(message));

  it('takes --network=none, and the defaults by name', () => {
    expect(instruction('RUN --network=none a')).toMatchObject({ network: 'none' });
    expect(instruction('RUN --network=default --security=sandbox a')).toMatchObject({ network: 'default' });
    expect(instruction('RUN --network=none a').unsupported).toBeUndefined();
  });
});

describe('ENV, LABEL and ARG', () => {
  it.each([
    ['ENV a=1', [['a', '1']]],
    [
      'ENV a=1 b=2',
      [
        ['a', '1'],
        ['b', '2'],
      ],
    ],
    [
      'ENV a=1   b=2  ',
      [
        ['a', '1'],
        ['b', '2'],
      ],
    ],
    [
      'ENV a="b c" d=\'e f\'',
      [
        ['a', '"b c"'],
        ['d', "'e f'"],
      ],
    ],
    ['ENV a=b\\ c', [['a', 'b\\ c']]],
    ['ENV a=', [['a', '']]],
    ['ENV a=b=c', [['a', 'b=c']]],
    ['ENV a b c', [['a', 'b c']]],
    ['ENV ONE TWO= THREE=world', [['ONE', 'TWO= THREE=world']]],
    ['ENV a  "b  c"', [['a', '"b  c"']]],
    [
      'ENV a=1 \\\n  b=2',
      [
        ['a', '1'],
        ['b', '2'],
      ],
    ],
    [
      'LABEL "a b"="c d" e=f',
      [
        ['"a b"', '"c d"'],
        ['e', 'f'],
      ],
    ],
    ['LABEL a.b/c d', [['a.b/c', 'd']]],
    [
      "ENV a='\\' b=c",
      [
        ['a', "'\\'"],
        ['b', 'c'],
      ],
    ],
  ])('%j', (text, expected) => {
    const pairs = expected.map(([key, value]) => ({ key, value }));
    expect(instruction(text)).toMatchObject({ pairs });
  });

  it.each([
    ['ARG a', [{ key: 'a' }]],
    ['ARG a=', [{ key: 'a', value: '' }]],
    ['ARG a="b c" d', [{ key: 'a', value: '"b c"' }, { key: 'd' }]],
    ['ARG a=b=c', [{ key: 'a', value: 'b=c' }]],
  ])('%s', (text, args) => expect(instruction(text)).toMatchObject({ args }));

  it.each([
    ['ENV', 'ENV needs an argument'],
    ['ENV a', 'ENV needs a name and a value'],
    ['LABEL a', 'LABEL needs a name and a value'],
    ['ENV a=1 b', 'there is no = in "b"'],
    ['ENV =b', 'a name is missing'],
    ['LABEL a=1 =b', 'a name is missing'],
    ['ARG =b', 'a name is missing'],
    ['ARG', 'ARG needs an argument'],
    ['ENV --a=b c=d', 'ENV has no flag'],
  ])('%s is refused', (text, message) => expect(problem(() => instruction(text))).toContain(message));
});

describe('COPY and ADD', () => {
  it.each([
    ['COPY a b', { sources: ['a'], destination: 'b' }],
    ['COPY a b c/', { sources: ['a', 'b'], destination: 'c/' }],
    ['COPY ["a b", "c d"]', { sources: ['a b'], destination: 'c d' }],
    ['COPY [a b', { sources: ['[a'], destination: 'b' }],
    ['COPY --from=build /a /b', { from: 'build', sources: ['/a'] }],
    ['COPY --from= a b', { sources: ['a'] }],
    ['COPY --chown=1:2 --chmod=755 a b', { chown: '1:2', chmod: '755' }],
    ['ADD --chown=$u a b', { kind: 'ADD', chown: '$u' }],
    ['COPY --link=false a b', { sources: ['a'] }],
    ['COPY <<EOF a /d/\nx\nEOF', { sources: ['a'], heredocs: [{ name: 'EOF', content: 'x\n' }] }],
    ['COPY << EOF a /d/\nx\nEOF', { sources: ['a'], heredocs: [{ name: 'EOF', content: 'x\n' }] }],
    ['ADD <<\t EOF /d\nx\nEOF', { sources: [], heredocs: [{ name: 'EOF', content: 'x\n' }] }],
    ['COPY <<- EOF /d', { sources: ['<<-', 'EOF'], heredocs: [] }],
  ])('%j', (text, expected) => {
    expect(instruction(text)).toMatchObject(expected);
    expect(instruction(text).unsupported).toBeUndefined();
  });

  it.each([
    ['COPY', 'COPY needs at least one source'],
    ['COPY a', 'COPY needs at least one source'],
    ['ADD ["a"]', 'ADD needs at least one source'],
    ['COPY ["a", 1]', 'only strings'],
    ['COPY --form=a b c', 'COPY has no flag "--form"'],
    ['ADD --from=a b c', 'ADD has no flag "--from"'],
    ['COPY --checksum=a b c', 'COPY has no flag "--checksum"'],
    ['COPY --from=$x a b', 'variables are not expanded here'],
    ['COPY --link=maybe a b', '--link must be true or false'],
    ['COPY --chown=a --chown=b c d', 'given twice'],
    ['COPY a <<EOF\nEOF', 'a heredoc cannot be the destination'],
    ['COPY << EOF\nEOF', 'COPY needs at least one source'],
    ['COPY <<"a b" /x\na b', "a heredoc's name must be one word"],
    ['COPY <<a/b /x\na/b', 'cannot become a file'],
  ])('%j is refused', (text, message) => expect(problem(() => instruction(text))).toContain(message));
});

describe('the other instructions', () => {
  it.each([
    ['WORKDIR /a b', { path: '/a b' }],
    ['USER a:b', { user: 'a:b' }],
    ['EXPOSE 90 80/tcp', { ports: ['80/tcp', '90'] }],
    ['VOLUME /a /b', { paths: ['/a', '/b'] }],
    ['VOLUME ["/a b"]', { paths: ['/a b'] }],
    ['SHELL ["/bin/bash", "-c"]', { argv: ['/bin/bash', '-c'] }],
    ['STOPSIGNAL SIGQUIT', { signal: 'SIGQUIT' }],
    ['MAINTAINER a b <c@d>', { author: 'a b <c@d>' }],
    ['HEALTHCHECK NONE', { healthcheck: { Test: ['NONE'] } }],
    ['HEALTHCHECK CMD curl -f x || exit 1', { healthcheck: { Test: ['CMD-SHELL', 'curl -f x || exit 1'] } }],
    ['HEALTHCHECK cmd ["a", "b"]', { healthcheck: { Test: ['CMD', 'a', 'b'] } }],
    [
      'HEALTHCHECK --interval=1m30s --timeout=500ms --start-period=0s --start-interval=1s --retries=3 CMD a',
      { healthcheck: { Interval: 90e9, Timeout: 5e8, StartInterval: 1e9, Retries: 3 } },
    ],
    ['HEALTHCHECK --retries=0 CMD a', { healthcheck: { Test: ['CMD-SHELL', 'a'] } }],
  ])('%s', (text, expected) => expect(instruction(text)).toMatchObject(expected));

  it('leaves out of a health check what inherits the default', () => {
    expect(instruction('HEALTHCHECK --interval=0 --retries=0 CMD a')).toMatchObject({
      healthcheck: { Test: ['CMD-SHELL', 'a'] },
    });
    expect(
      Object.keys((instruction('HEALTHCHECK --interval=0 CMD a') as { healthcheck: object }).healthcheck),
    ).toEqual(['Test']);
  });

  it.each([
    ['WORKDIR', 'WORKDIR needs an argument'],
    ['SHELL /bin/bash -c', 'SHELL needs a JSON array'],
    ['SHELL []', 'SHELL needs a JSON array'],
    ['VOLUME []', 'a path is empty'],
    ['VOLUME [""]', 'a path is empty'],
    ['HEALTHCHECK', 'HEALTHCHECK needs an argument'],
    ['HEALTHCHECK NONE a', 'takes no arguments'],
    ['HEALTHCHECK CMD', 'needs a command'],
    ['HEALTHCHECK CMD []', 'needs a command'],
    ['HEALTHCHECK curl x', 'unknown type "CURL"'],
    ['HEALTHCHECK --interval=5 CMD a', 'is not a duration'],
    ['HEALTHCHECK --interval=5q CMD a', 'is not a duration'],
    ['HEALTHCHECK --interval=-5s CMD a', 'shorter than 1ms'],
    ['HEALTHCHECK --interval=10us CMD a', 'shorter than 1ms'],
    ['HEALTHCHECK --retries=-1 CMD a', 'is not a whole number'],
    ['HEALTHCHECK --retries=x CMD a', 'is not a whole number'],
    ['HEALTHCHECK --intreval=5s CMD a', 'has no flag "--intreval"'],
    ['ONBUILD ONBUILD RUN a', 'ONBUILD is not allowed in ONBUILD'],
    ['ONBUILD FROM a', 'FROM is not allowed in ONBUILD'],
    ['ONBUILD RNU a', 'unknown instruction "RNU" in ONBUILD'],
    ['FORM alpine', 'unknown instruction "FORM"'],
    ['EOF', 'unknown instruction "EOF"'],
  ])('%s is refused', (text, message) => {
    expect(problem(() => instruction(text))).toMatch(/^dockerfile_invalid Dockerfile:2: /);
    expect(problem(() => instruction(text))).toContain(message);
  });

  it.each([
    ['FORM alpine', 'did you mean FROM?'],
    ['RNU a', 'did you mean RUN?'],
    ['EXPSOE 80', 'did you mean EXPOSE?'],
    ['WORKDIRECTORY /a', 'a line that continues'],
    ['COPY --form=a b c', 'did you mean --from?'],
    ['FROM --platfrom=a b', 'did you mean --platform?'],
    ['USER --x a', 'USER takes no flags'],
  ])('%s: %s', (text, expected) => expect(hint(() => instruction(text))).toContain(expected));
});
