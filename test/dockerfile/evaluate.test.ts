// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the variables of a Dockerfile
import { describe, expect, it } from 'vitest';
import { evaluate } from '../../src/dockerfile/evaluate.js';
import type { CopyStep, RunStep, WorkdirStep } from '../../src/dockerfile/step.js';
import { history, plan, problem, run, walk } from './support.js';

const PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const config = (text: string, buildArgs = {}, base = {}) => run(text, buildArgs, base).state.image.config;
const last = (text: string, buildArgs = {}, base = {}) => history(run(text, buildArgs, base)).at(-1);
const runOf = (text: string, buildArgs = {}, base = {}) => run(text, buildArgs, base).steps.at(-1) as RunStep;
const copyOf = (text: string, buildArgs = {}, base = {}) =>
  run(text, buildArgs, base).steps.at(-1) as CopyStep;

const paths = (...all: string[]) => all.map((path) => ({ kind: 'path', path }));

describe('history', () => {
  it.each([
    ['ENV a=1 b="c d"', 'ENV a=1 b=c d'],
    ['ENV a b c', 'ENV a=b c'],
    ['LABEL a=1 "b c"=d', 'LABEL a=1 b c=d'],
    ['ARG a', 'ARG a'],
    ['ARG a=1 b', 'ARG a=1 b'],
    ['WORKDIR /app', 'WORKDIR /app'],
    ['WORKDIR app', 'WORKDIR /app'],
    ['USER app:grp', 'USER app:grp'],
    ['CMD ["node", "a b"]', 'CMD ["node" "a b"]'],
    ['CMD node "x"', 'CMD ["/bin/sh" "-c" "node \\"x\\""]'],
    ['CMD []', 'CMD []'],
    ['CMD ["a\\tb\\u0001\\u00a0é"]', 'CMD ["a\\tb\\x01\\u00a0é"]'],
    ['ENTRYPOINT ["a"]', 'ENTRYPOINT ["a"]'],
    ['ENTRYPOINT exec a', 'ENTRYPOINT ["/bin/sh" "-c" "exec a"]'],
    ['SHELL ["/bin/bash", "-c"]', 'SHELL [/bin/bash -c]'],
    ['EXPOSE 80', 'EXPOSE [80/tcp]'],
    ['EXPOSE 8080 443/UDP', 'EXPOSE [443/udp 8080/tcp]'],
    ['EXPOSE 7000-7002/udp', 'EXPOSE [7000/udp 7001/udp 7002/udp]'],
    ['VOLUME /a /b', 'VOLUME [/a /b]'],
    ['VOLUME ["/a b"]', 'VOLUME [/a b]'],
    ['STOPSIGNAL SIGQUIT', 'STOPSIGNAL SIGQUIT'],
    ['MAINTAINER me', 'MAINTAINER me'],
    ['HEALTHCHECK NONE', 'HEALTHCHECK &{["NONE"] "0s" "0s" "0s" "0s" \'\\x00\'}'],
    [
      'HEALTHCHECK --interval=90s --timeout=500ms --retries=3 CMD curl -f x',
      'HEALTHCHECK &{["CMD-SHELL" "curl -f x"] "1m30s" "500ms" "0s" "0s" \'\\x03\'}',
    ],
    ['HEALTHCHECK --retries=34 CMD a', 'HEALTHCHECK &{["CMD-SHELL" "a"] "0s" "0s" "0s" "0s" \'"\'}'],
    ['RUN echo  a', 'RUN /bin/sh -c echo  a # buildkit'],
    ['RUN ["echo", "a b"]', 'RUN echo a b # buildkit'],
    ['ARG b=2\nARG a\nRUN x', 'RUN |2 b=2 a= /bin/sh -c x # buildkit'],
    ['ARG a=1\nARG b=2\nARG a=3\nRUN x', 'RUN |2 a=3 b=2 /bin/sh -c x # buildkit'],
    ['ARG a=1\nENV a=2\nRUN x', 'RUN |1 a=2 /bin/sh -c x # buildkit'],
    ['SHELL ["/bin/bash", "-o", "pipefail", "-c"]\nRUN x', 'RUN /bin/bash -o pipefail -c x # buildkit'],
    ['COPY a /b', 'COPY a /b # buildkit'],
    ['COPY a b/ ./', 'COPY a b/ ./ # buildkit'],
    ['COPY --chown=1:1 --chmod=755 a b', 'COPY --chown=1:1 --chmod=755 a b # buildkit'],
    ['COPY --from=img /a /b', 'COPY /a /b # buildkit'],
    ['ADD a /b', 'ADD a /b # buildkit'],
    ['ARG v=x\nCOPY $v /b', 'COPY x /b # buildkit'],
    ['COPY <<EOF /b\nhi\nEOF', 'COPY <<EOF /b # buildkit'],
  ])('of %j is %s', (text, expected) => expect(last(text)).toBe(expected));

  it('marks what makes no layer, and keeps the entries of the base', () => {
    const base = { history: [{ created: '2020-01-01T00:00:00Z', created_by: 'x', odd: 1 } as object] };
    const { state } = run('ENV a=1\nRUN b\nWORKDIR /\nWORKDIR /a', {}, base);
    expect(state.image.history).toEqual([
      { created: '2020-01-01T00:00:00Z', created_by: 'x', odd: 1 },
      { created_by: 'ENV a=1', comment: 'buildkit.dockerfile.v0', empty_layer: true },
      { created_by: 'RUN /bin/sh -c b # buildkit', comment: 'buildkit.dockerfile.v0' },
      { created_by: 'WORKDIR /', comment: 'buildkit.dockerfile.v0', empty_layer: true },
      { created_by: 'WORKDIR /a', comment: 'buildkit.dockerfile.v0' },
    ]);
  });

  it('has as many entries with a layer as there are steps', () => {
    const { state, steps } = run('RUN a\nCOPY b c\nWORKDIR /x\nWORKDIR /\nENV d=e\nADD f g');
    expect(state.image.history?.filter((entry) => entry.empty_layer !== true)).toHaveLength(steps.length);
  });

  it('never shows the value of a proxy', () => {
    const secret = 'http://user:secret@proxy';
    const walked = run('ARG HTTP_PROXY\nARG https_proxy=$HTTP_PROXY\nRUN a', { HTTP_PROXY: secret });
    expect(JSON.stringify(history(walked))).not.toContain('secret');
    expect((walked.steps[0] as RunStep).env).toContain(`HTTP_PROXY=${secret}`);
  });

  it('does not grow without end', () => {
    const text = `ARG a=${'x'.repeat(60_000)}\nARG b=$a$a$a$a$a$a$a$a$a$a\n${'RUN x\n'.repeat(20)}`;
    expect(problem(() => run(text))).toContain('grows beyond 8 MiB');
  });
});

describe('the config', () => {
  it.each<[string, object, object?]>([
    ['ENV a=1', { Env: [PATH, 'a=1'] }],
    ['ENV a=1\nENV a=2 b=3', { Env: [PATH, 'a=2', 'b=3'] }],
    ['ENV PATH=/x:$PATH', { Env: [`PATH=/x:${PATH.slice(5)}`] }],
    ['ENV a=1\nENV a=2 b=$a', { Env: [PATH, 'a=2', 'b=1'] }],
    ['ENV k=x\nENV $k=y', { Env: [PATH, 'k=x', 'x=y'] }],
    ["ENV a='$x' b=\\$x", { Env: [PATH, 'a=$x', 'b=$x'] }],
    ['LABEL a=1\nLABEL b=2 a=3', { Labels: { a: '3', b: '2' } }],
    ['LABEL a=1', { Labels: { base: 'x', a: '1' } }, { Labels: { base: 'x' } }],
    ['CMD ["a"]', { Cmd: ['a'], ArgsEscaped: true }],
    ['CMD a', { Cmd: ['/bin/sh', '-c', 'a'] }],
    ['SHELL ["/bin/bash", "-c"]\nCMD a', { Cmd: ['/bin/bash', '-c', 'a'], Shell: ['/bin/bash', '-c'] }],
    ['CMD a', { Cmd: ['/bin/ash', '-c', 'a'] }, { Shell: ['/bin/ash', '-c'] }],
    ['CMD []', { Cmd: undefined }, { Cmd: ['x'] }],
    ['CMD $a', { Cmd: ['/bin/sh', '-c', '$a'] }],
    ['ENTRYPOINT ["a"]', { Entrypoint: ['a'], Cmd: undefined }, { Cmd: ['inherited'] }],
    ['CMD ["b"]\nENTRYPOINT ["a"]', { Entrypoint: ['a'], Cmd: ['b'] }],
    ['ENTRYPOINT []', { Entrypoint: undefined }, { Entrypoint: ['x'] }],
    ['WORKDIR /a\nWORKDIR b/c', { WorkingDir: '/a/b/c' }],
    ['WORKDIR ../x/.', { WorkingDir: '/srv/x' }, { WorkingDir: '/srv/app' }],
    ['ENV d=/data\nWORKDIR $d/x', { WorkingDir: '/data/x' }],
    ['WORKDIR //a//b/', { WorkingDir: '/a/b' }],
    ['WORKDIR a b', { WorkingDir: '/a b' }],
    ['ARG u=1000\nUSER $u:$u', { User: '1000:1000' }],
    ['EXPOSE 80 90-91/udp', { ExposedPorts: { '80/tcp': {}, '90/udp': {}, '91/udp': {} } }],
    ['EXPOSE 80', { ExposedPorts: { '22/tcp': {}, '80/tcp': {} } }, { ExposedPorts: { '22/tcp': {} } }],
    ['ENV p="80 81/udp"\nEXPOSE $p', { ExposedPorts: { '80/tcp': {}, '81/udp': {} } }],
    ['EXPOSE 127.0.0.1:8080:80', { ExposedPorts: { '80/tcp': {} } }],
    ['ENV d=/x\nVOLUME $d /y', { Volumes: { '/x': {}, '/y': {} } }],
    ['ENV s=KILL\nSTOPSIGNAL SIG$s', { StopSignal: 'SIGKILL' }],
    ['STOPSIGNAL rtmin+3', { StopSignal: 'rtmin+3' }],
    ['STOPSIGNAL 9', { StopSignal: '9' }],
    ['HEALTHCHECK NONE', { Healthcheck: { Test: ['NONE'] } }, { Healthcheck: { Test: ['CMD', 'x'] } }],
  ])('after %j holds %j', (text, expected, base = {}) => {
    const found = config(text, {}, { config: base });
    expect(found).toMatchObject(JSON.parse(JSON.stringify(expected)));
    for (const [field, value] of Object.entries(expected))
      if (value === undefined) expect(found).not.toHaveProperty(field);
  });

  it('keeps what it does not know', () => {
    const base = {
      architecture: 'amd64',
      'os.version': '1',
      config: { Odd: [1], Env: ['A=1'] },
      odd: { deep: true },
    };
    const { image } = run('ENV b=2', {}, base).state;
    expect(image).toMatchObject({
      'os.version': '1',
      odd: { deep: true },
      config: { Odd: [1], Env: ['A=1', PATH, 'b=2'] },
    });
  });

  it('takes null for absent, as Docker writes it', () => {
    const base = {
      config: { Cmd: null, Entrypoint: null, Env: null, Volumes: null, OnBuild: null },
      history: null,
    } as object;
    expect(config('VOLUME /a\nEXPOSE 80', {}, base)).toMatchObject({ Volumes: { '/a': {} }, Env: [PATH] });
  });

  it('keeps the PATH of the base', () => {
    expect(config('ENV a=1', {}, { config: { Env: ['PATH=/only'] } })).toMatchObject({
      Env: ['PATH=/only', 'a=1'],
    });
  });

  it('of scratch has a PATH, a directory and the platform', () => {
    const { image } = walk(plan('FROM scratch\nENV a=1')).state;
    expect(image).toMatchObject({
      architecture: 'amd64',
      os: 'linux',
      config: { Env: [PATH, 'a=1'], WorkingDir: '/' },
    });
  });

  it('MAINTAINER sets the author', () => expect(run('MAINTAINER a <b>').state.image.author).toBe('a <b>'));

  it.each([
    ['USER $nobody', 'USER $nobody: the user is empty'],
    ['ENV $x=1', 'ENV $x: the name is empty'],
    ['VOLUME $x', 'VOLUME: a path is empty'],
    ['STOPSIGNAL SIGFOO', '"SIGFOO" is not a signal'],
    ['STOPSIGNAL 0', '"0" is not a signal'],
    ['STOPSIGNAL 65', '"65" is not a signal'],
    ['STOPSIGNAL RTMIN+16', 'is not a signal'],
    ['EXPOSE 65536', 'is not a port'],
    ['EXPOSE 90-80', 'is not a port'],
    ['EXPOSE http', 'is not a port'],
    ['EXPOSE 80/icmp', 'is not a protocol'],
    ['ARG x="${y:?is needed}"', 'y: is needed'],
    ['ENV a=${b', 'a } is missing'],
  ])('%s is refused', (text, message) => {
    expect(problem(() => run(text))).toMatch(/^dockerfile_invalid Dockerfile:2: /);
    expect(problem(() => run(text))).toContain(message);
  });

  it('of a broken base image is an error with its field', () => {
    const message = problem(() => run('ENV a=1', {}, { config: { Env: 'A=1' } } as object));
    expect(message).toBe('image_invalid Dockerfile:1: the config of the image base is not valid: config.Env');
  });

  it('keeps nothing of the ONBUILD triggers of the base', () => {
    expect(config('ENV a=1', {}, { config: { OnBuild: ['ENV b=2'] } })).not.toHaveProperty('OnBuild');
  });
});

describe('RUN', () => {
  it('gets the environment of ENV and ARG, in order', () => {
    const step = runOf('ENV a=1\nARG b=2\nARG c\nRUN x', {}, { config: { Env: ['PATH=/p', 'z=0'] } });
    expect(step.env).toEqual(['PATH=/p', 'z=0', 'a=1', 'b=2']);
  });

  it.each([
    ['the default', 'ARG a=1', {}, '1'],
    ['the build arg', 'ARG a=1', { a: '2' }, '2'],
    ['an empty build arg', 'ARG a=1', { a: '' }, ''],
    ['a bare ARG has no value', 'ARG a', {}, undefined],
    ['no ARG, no value', 'ENV b=1', { a: '2' }, undefined],
    ['the default is expanded', 'ENV b=1\nARG a=$b$b', {}, '11'],
    ['on one line the earlier is seen', 'ARG b=1 a=$b', {}, '1'],
    ['the last default counts', 'ARG a=1\nARG a=2', {}, '2'],
    ['ENV after ARG wins', 'ARG a=1\nENV a=2', { a: '3' }, '2'],
    ['ENV may use ARG', 'ARG b=1\nENV a=${b}x', { b: '5' }, '5x'],
    ['a strange name', 'ARG constructor\nARG a=$constructor', {}, ''],
  ])('sees %s', (_, text, buildArgs, expected) => {
    const found = runOf(`${text}\nRUN x`, buildArgs).env.find((pair) => pair.startsWith('a='));
    expect(found).toBe(expected === undefined ? undefined : `a=${expected}`);
  });

  it('sees a global ARG only where the stage declares it', () => {
    const of = (text: string, buildArgs = {}) =>
      (walk(plan(text, { buildArgs })).steps[0] as RunStep).env.slice(1);
    expect(of('ARG v=1\nFROM b\nRUN x')).toEqual([]);
    expect(of('ARG v=1\nFROM b\nARG v\nRUN x')).toEqual(['v=1']);
    expect(of('ARG v=1\nFROM b\nARG v=2\nRUN x')).toEqual(['v=2']);
    expect(of('ARG v=1\nFROM b\nARG v=2\nRUN x', { v: '3' })).toEqual(['v=3']);
    expect(of('FROM b\nARG TARGETARCH\nARG TARGETPLATFORM\nRUN x')).toEqual([
      'TARGETARCH=amd64',
      'TARGETPLATFORM=linux/amd64',
    ]);
  });

  it('sees an ARG only from its line on', () => {
    const { steps } = run('RUN a\nARG v=1\nRUN b');
    expect(steps.map((step) => (step as RunStep).env.includes('v=1'))).toEqual([false, true]);
  });

  it('gets proxies in both cases, apart from the environment', () => {
    const step = runOf('RUN x', { http_proxy: 'h', NO_PROXY: 'n' });
    expect(step.proxyEnv).toEqual(['HTTP_PROXY=h', 'http_proxy=h', 'NO_PROXY=n', 'no_proxy=n']);
    expect(step.env).toEqual([PATH]);
    expect(runOf('ARG HTTP_PROXY\nRUN x', { HTTP_PROXY: 'h' }).proxyEnv).toEqual(['http_proxy=h']);
  });

  it('runs in the directory, as the user, in the network that was asked for', () => {
    expect(runOf('WORKDIR /a\nUSER u:g\nRUN --network=none x')).toMatchObject({
      cwd: '/a',
      user: 'u:g',
      network: 'none',
    });
    expect(runOf('RUN x', {}, { config: { WorkingDir: '/b', User: 'v' } })).toMatchObject({
      cwd: '/b',
      user: 'v',
    });
    expect(runOf('RUN x')).not.toHaveProperty('network');
    expect(runOf('RUN x')).toMatchObject({ cwd: '/', user: '' });
  });

  it.each([
    ['RUN a $b "c"', ['/bin/sh', '-c', 'a $b "c"']],
    ['RUN ["a", "$b"]', ['a', '$b']],
    ['SHELL ["s"]\nRUN x', ['s', 'x']],
    ['ENTRYPOINT ["e"]\nRUN x', ['/bin/sh', '-c', 'x']],
    ['RUN <<E\na $b\nc\nE', ['/bin/sh', '-c', 'a $b\nc\n']],
    ['RUN <<-E\n\ta\n\t\tb\n\tE', ['/bin/sh', '-c', 'a\nb\n']],
    ['SHELL ["bash", "-c"]\nRUN <<E\na\nE', ['bash', '-c', 'a\n']],
    ['RUN <<E python3\nprint(1)\nE', ['/bin/sh', '-c', '<<E python3\nprint(1)\nE']],
    [
      'RUN cat <<A >1 && cat <<"B" >2\na\nA\nb\nB',
      ['/bin/sh', '-c', 'cat <<A >1 && cat <<"B" >2\na\nA\nb\nB'],
    ],
  ])('%j executes %j', (text, argv) => expect(runOf(text)).toMatchObject({ argv, files: [] }));

  it('gets a heredoc with a shebang as a file', () => {
    expect(runOf('RUN <<E\n#!/usr/bin/env python3\nprint("$a")\nE')).toMatchObject({
      argv: ['/bin/sh', '-c', '/dev/pipes/E'],
      files: [{ path: '/dev/pipes/E', mode: 0o755, content: '#!/usr/bin/env python3\nprint("$a")\n' }],
    });
  });
});

describe('COPY and ADD', () => {
  it.each([
    ['COPY a /b', { sources: paths('a'), destination: '/b', add: false }],
    ['ADD a /b', { add: true }],
    ['COPY a b', { destination: '/app/b' }],
    ['COPY a .', { destination: '/app/' }],
    ['COPY a ./', { destination: '/app/' }],
    ['COPY a ..', { destination: '/' }],
    ['COPY a ../x/', { destination: '/x/' }],
    ['COPY a ../../../x', { destination: '/x' }],
    ['COPY a /b/.', { destination: '/b/' }],
    ['COPY a //b', { destination: '/b' }],
    ['COPY a /', { destination: '/' }],
    ['COPY a $unset', { destination: '/app/' }],
    ['COPY a "/b c/"', { sources: paths('a', '"/b') }],
    ['COPY ["a b", "/c d"]', { sources: paths('a b'), destination: '/c d' }],
    ['COPY . .', { sources: paths('.') }],
    ['COPY / /x/', { sources: paths('.') }],
    ['COPY ../../a/../b/ /x', { sources: paths('b') }],
    ['COPY ./src/ /x', { sources: paths('src') }],
    ['COPY /abs /x', { sources: paths('abs') }],
    ['COPY package*.json [ab].txt ./', { sources: paths('package*.json', '[ab].txt') }],
    ['ARG v=1\nCOPY a-$v.txt /x-${v}', { sources: paths('a-1.txt'), destination: '/x-1' }],
    ['ARG u=app\nCOPY --chown=$u:$u --chmod=${m:-644} a b', { chown: 'app:app', chmod: '644' }],
    ['COPY --chmod=u=rwX,go=rX a b', { chmod: 'u=rwX,go=rX' }],
    ['COPY --chmod=+x a b', { chmod: '+x' }],
    ['COPY --from=img /a /b', { from: { kind: 'image', reference: 'img' } }],
    [
      'COPY <<a <<b /d/\n$x "$y"\na\n2\nb',
      {
        sources: [],
        heredocs: [
          { name: 'a', content: ' ""\n' },
          { name: 'b', content: '2\n' },
        ],
      },
    ],
    ['ENV x=1\nCOPY <<a /d\n"$x" \'$x\' \\$x\na', { heredocs: [{ name: 'a', content: '"1" \'1\' $x\n' }] }],
    ['ENV x=1\nCOPY <<"a" /d\n$x\na', { heredocs: [{ name: 'a', content: '$x\n' }] }],
    ['COPY <<-a /d\n\t$x-\n\ta', { heredocs: [{ name: 'a', content: '-\n' }] }],
  ])('%j', (text, expected) => {
    const base = { config: { WorkingDir: '/app' } };
    if (text === 'COPY a "/b c/"') expect(() => run(text, {}, base)).toThrow();
    else expect(copyOf(text, {}, base)).toMatchObject(expected);
  });

  it('knows an earlier stage by name and by index', () => {
    const from = (name: string) =>
      (walk(plan(`FROM a AS x\nFROM b\nCOPY --from=${name} /a /b`)).steps[0] as CopyStep).from;
    expect(from('x')).toEqual({ kind: 'stage', index: 0 });
    expect(from('X')).toEqual({ kind: 'stage', index: 0 });
    expect(from('0')).toEqual({ kind: 'stage', index: 0 });
    expect(from('y:1')).toEqual({ kind: 'image', reference: 'y:1' });
  });

  it.each([
    ['COPY --chmod=888 a b', 'dockerfile_invalid Dockerfile:2: COPY --chmod=888: that is not a mode'],
    ['COPY --chmod=u=q a b', 'that is not a mode'],
    ['COPY https://a/b c', 'COPY takes no URLs'],
  ])('%j is refused', (text, message) => expect(problem(() => run(text))).toContain(message));

  it('takes everything where a variable leaves a source empty', () =>
    expect(copyOf('COPY $x b', {}).sources).toEqual([{ kind: 'path', path: '.' }]));

  it('leaves it to the copy whether what wildcards match needs a directory', () =>
    expect(copyOf('COPY no* a c', {})).toMatchObject({ destination: '/c' }));
});

describe('WORKDIR', () => {
  it('stays where it is when a variable is empty', () => {
    const { steps } = run('WORKDIR /a\nWORKDIR $x');
    expect(steps.at(-1)).toMatchObject({ kind: 'workdir', path: '/a' });
  });

  it('is a step but for the root, owned by the user of that moment', () => {
    const { steps } = run('WORKDIR /a\nUSER u\nWORKDIR b\nWORKDIR /');
    expect(steps).toEqual([
      { kind: 'workdir', path: '/a', user: '', history: 'WORKDIR /a' },
      { kind: 'workdir', path: '/a/b', user: 'u', history: 'WORKDIR /a/b' },
    ] satisfies WorkdirStep[]);
  });
});

describe('a stage on a stage', () => {
  it('inherits ENV, ARG, config and history, but a CMD only until it sets an ENTRYPOINT', () => {
    const { state, steps } = walk(
      plan(
        'FROM a AS x\nARG v=1\nENV e=2\nUSER u\nWORKDIR /w\nCMD ["c"]\nRUN one\nFROM x\nENTRYPOINT ["e"]\nRUN two',
      ),
    );
    expect(state.image.config).toMatchObject({ User: 'u', WorkingDir: '/w', Entrypoint: ['e'] });
    expect(state.image.config).not.toHaveProperty('Cmd');
    expect(steps[0]).toMatchObject({
      env: [PATH, 'v=1', 'e=2'],
      user: 'u',
      cwd: '/w',
      // As with BuildKit, the history tells of the stage's own ARGs only.
      history: 'RUN /bin/sh -c two # buildkit',
    });
    expect(state.image.history).toHaveLength(8);
  });

  it('sees an ENV again that an ARG of the same name overrode', () => {
    const text = 'FROM a AS p\nENV x=env\nARG x=arg\nRUN one\nFROM p\nRUN two';
    expect((walk(plan(text, { target: 'p' })).steps[0] as RunStep).env).toContain('x=arg');
    expect((walk(plan(text)).steps[0] as RunStep).env).toContain('x=env');
  });

  it('takes nothing from a stage that it only copies from', () => {
    const { state } = walk(plan('FROM a AS x\nENV e=2\nFROM b\nCOPY --from=x /a /b'));
    expect(state.image.config?.Env).toEqual([PATH]);
  });
});

it('a state is never changed by what comes after it', () => {
  const built = plan('FROM a\nENV a=1\nLABEL b=2\nEXPOSE 80\nVOLUME /v\nARG c=3\nRUN x');
  const { state } = walk(built);
  const before = JSON.stringify([state.image, state.args, [...state.env]]);
  for (const each of built.target.instructions) evaluate(state, each);
  expect(JSON.stringify([state.image, state.args, [...state.env]])).toBe(before);
});
