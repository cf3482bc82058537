// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the variables of a Dockerfile
import { describe, expect, it } from 'vitest';
import { csvFields } from '../../src/dockerfile/csv.js';
import type { RunStep } from '../../src/dockerfile/step.js';
import { hint, plan, problem, run, walk } from './support.js';

const mountsOf = (text: string, buildArgs = {}, base = {}) =>
  (run(text, buildArgs, base).steps.at(-1) as RunStep).mounts;

const BIND = { kind: 'bind', target: '/x', source: '.', readWrite: false };
const CACHE = {
  kind: 'cache',
  target: '/x',
  id: '/x',
  sharing: 'shared',
  source: '.',
  mode: 0o755,
  uid: 0,
  gid: 0,
  readOnly: false,
};
const SECRET = { kind: 'secret', required: false, mode: 0o400, uid: 0, gid: 0, inKey: false };
const SSH = { kind: 'ssh', id: 'default', required: false, mode: 0o600, uid: 0, gid: 0 };
const AGENT = '/run/buildkit/ssh_agent.';

describe('RUN --mount', () => {
  it.each<[string, object]>([
    ['target=/x', BIND],
    ['type=bind,target=/x', BIND],
    ['TYPE=Bind,TARGET=/x', BIND],
    ['dst=/x', BIND],
    ['destination=/x/', BIND],
    ['target=x', BIND],
    ['"target=/x"', BIND],
    ['target=/x,source=/a/../b/', { ...BIND, source: 'b' }],
    ['target=/x,src=../../a', { ...BIND, source: 'a' }],
    ['target=/x,rw', { ...BIND, readWrite: true }],
    ['target=/x,readwrite=T', { ...BIND, readWrite: true }],
    ['target=/x,rw=0', BIND],
    ['target=/x,ro=false', { ...BIND, readWrite: true }],
    ['target=/x,readonly', BIND],
    ['target=/x,from=img:1', { ...BIND, from: { kind: 'image', reference: 'img:1' } }],
    ['target=/x,from=', BIND],
    ['\\"target=/x,y\\"', { ...BIND, target: '/x,y' }],
    ['type=cache,target=/x', CACHE],
    ['type=cache,target=/x/', CACHE],
    ['type=cache,target=x', { ...CACHE, id: 'x' }],
    ['type=cache,target=/x,id=n,sharing=LOCKED', { ...CACHE, id: 'n', sharing: 'locked' }],
    [
      'type=cache,target=/x,sharing=private,mode=0700,uid=1,gid=2',
      { ...CACHE, sharing: 'private', mode: 0o700, uid: 1, gid: 2 },
    ],
    ['type=cache,target=/x,ro', { ...CACHE, readOnly: true }],
    [
      'type=cache,target=/x,from=img,source=a',
      { ...CACHE, from: { kind: 'image', reference: 'img' }, source: 'a' },
    ],
    ['type=cache,target=/x,from=scratch', CACHE],
    ['type=tmpfs,target=/x', { kind: 'tmpfs', target: '/x' }],
    ['type=tmpfs,target=/x,size=64m', { kind: 'tmpfs', target: '/x', sizeBytes: 64 << 20 }],
    ['type=tmpfs,target=/x,size=1.5KiB', { kind: 'tmpfs', target: '/x', sizeBytes: 1536 }],
    ['type=tmpfs,target=/x,size=100', { kind: 'tmpfs', target: '/x', sizeBytes: 100 }],
    ['type=secret,id=a', { ...SECRET, id: 'a', target: '/run/secrets/a' }],
    ['type=secret,id=d/a', { ...SECRET, id: 'd/a', target: '/run/secrets/a' }],
    ['type=secret,source=a', { ...SECRET, id: 'a', target: '/run/secrets/a' }],
    ['type=secret,target=/root/.npmrc', { ...SECRET, id: '.npmrc', target: '/root/.npmrc' }],
    ['type=secret,id=a,dst=rel', { ...SECRET, id: 'a', target: '/rel' }],
    ['type=secret,id=a,env=TOKEN', { ...SECRET, id: 'a', env: 'TOKEN' }],
    ['type=secret,id=a,env=T,target=/t', { ...SECRET, id: 'a', env: 'T', target: '/t' }],
    [
      'type=secret,id=a,required,mode=0444,uid=3,gid=4',
      { ...SECRET, id: 'a', target: '/run/secrets/a', required: true, mode: 0o444, uid: 3, gid: 4 },
    ],
    [
      'type=secret,id=a,required=true,cachekey=hash',
      { ...SECRET, id: 'a', target: '/run/secrets/a', required: true, inKey: true },
    ],
    ['type=ssh', { ...SSH, target: `${AGENT}0` }],
    [
      'type=ssh,id=gh,required=1,mode=0666',
      { ...SSH, id: 'gh', target: `${AGENT}0`, required: true, mode: 0o666 },
    ],
    ['type=ssh,target=/agent', { ...SSH, target: '/agent' }],
  ])('%s', (mount, expected) => expect(mountsOf(`RUN --mount=${mount} a`)).toEqual([expected]));

  it('is relative to WORKDIR, which is the target of one without', () => {
    expect(mountsOf('WORKDIR /app\nRUN --mount=target=x a')).toEqual([{ ...BIND, target: '/app/x' }]);
    expect(mountsOf('WORKDIR /app\nRUN --mount=type=bind a')).toEqual([{ ...BIND, target: '/app' }]);
    expect(mountsOf('WORKDIR /app\nRUN --mount=target=. a')).toEqual([{ ...BIND, target: '/app' }]);
  });

  it('has its values expanded with ENV and ARG', () => {
    const text = 'ENV d=/x\nARG t=cache\nRUN --mount=type=$t,target=${d},id=${i:-n} a';
    expect(mountsOf(text)).toEqual([{ ...CACHE, id: 'n' }]);
    expect(mountsOf(text, { t: 'tmpfs' })).toEqual([{ kind: 'tmpfs', target: '/x' }]);
    expect(mountsOf('ENV d="/x,ro=maybe"\nRUN --mount=target=$d a')).toEqual([
      { ...BIND, target: '/x,ro=maybe' },
    ]);
  });

  it('keeps the order, and counts the agents', () => {
    expect(
      mountsOf('RUN --mount=type=ssh --mount=target=/x --mount=type=ssh,target=/y --mount=type=ssh,id=b a'),
    ).toEqual([
      { ...SSH, target: `${AGENT}0` },
      BIND,
      { ...SSH, target: '/y' },
      { ...SSH, id: 'b', target: `${AGENT}1` },
    ]);
  });

  it('has a namespace for caches', () => {
    const text = 'RUN --mount=type=cache,target=/x a';
    expect(mountsOf(text, { BUILDKIT_CACHE_MOUNT_NS: 'ns' })).toEqual([{ ...CACHE, id: 'ns//x' }]);
  });

  it('is not in the history', () => {
    const walked = run('ARG A=b\nRUN --mount=type=cache,target=/x --network=none cmd');
    expect(walked.state.image.history?.at(-1)?.created_by).toBe('RUN |1 A=b /bin/sh -c cmd # buildkit');
  });

  it.each([
    ['type=volume,target=/x', 'there is no type "volume"'],
    ['type=bidn,target=/x', 'there is no type "bidn"'],
    ['targte=/x', 'unknown option "targte=/x"'],
    ['target', 'the option "target" needs a value'],
    ['target=/', 'the target "/" is the root'],
    ['target=/x/..', 'is the root'],
    ['type=cache', 'there is no target'],
    ['target=/x,rw=maybe', 'must be true or false'],
    ['target=/x,mode=0755', 'a mount of type bind has no option mode'],
    ['type=tmpfs,target=/x,uid=1', 'a mount of type tmpfs has no option uid'],
    ['target=/x,sharing=locked', 'a mount of type bind has no option sharing'],
    ['target=/x,required', 'a mount of type bind has no option required'],
    ['target=/x,size=1m', 'has no option size'],
    ['target=/x,env=A', 'has no option env'],
    ['target=/x,cachekey=hash', 'has no option cachekey'],
    ['type=secret,id=a,cachekey=value', 'there is no cachekey "value"'],
    ['type=cache,target=/x,sharing=none', 'there is no sharing "none"'],
    ['type=cache,target=/x,mode=0888', 'not an octal mode'],
    ['type=cache,target=/x,uid=root', 'not a number'],
    ['type=cache,target=/x,uid=4294967296', 'not a number'],
    ['type=tmpfs,target=/x,size=big', 'not a size'],
    ['type=secret', 'a secret needs an id or a target'],
    ['type=secret,env=A', 'a secret needs an id or a target'],
    ['type=secret,id=a,source=b', 'a source or an id, not both'],
    ['type=secret,id=a,from=b', 'a mount of type secret has no option from'],
    ['type=secret,id=a,sharing=locked', 'has no option sharing'],
    ['type=ssh,source=a', 'a mount of type ssh has no option source'],
    ['target=/x,from=$img', 'variables are not expanded in "from=$img"'],
    ['target=/x,from=scratch', 'scratch holds no files'],
    ['"target=/x', 'a closing quote is missing'],
    ["'target=a\"b'", 'a quote stands inside the field'],
    ['target=${x', 'a } is missing'],
  ])('%s is refused', (mount, message) => {
    const text = mount.startsWith("'")
      ? `RUN --mount=${mount} a`
      : `RUN --mount=${mount.replaceAll('"', '\\"')} a`;
    expect(problem(() => run(text))).toMatch(/^dockerfile_invalid Dockerfile:2: /);
    expect(problem(() => run(text))).toContain(message);
  });

  it('suggests what was meant', () => {
    expect(hint(() => run('RUN --mount=targte=/x a'))).toBe('did you mean target?');
    expect(hint(() => run('RUN --mount=type=cahce,target=/x a'))).toBe('did you mean cache?');
  });

  it('needs the stages and images that it comes from', () => {
    const built = plan(
      'FROM a AS x\nFROM b AS y\nFROM c\nRUN --mount=from=x,target=/x --mount=from=y:1,dst=/y a',
    );
    expect(built.stages.map(({ index }) => index)).toEqual([0, 2]);
    expect(built.target).toMatchObject({ dependsOn: [0], images: ['c', 'y:1'] });
    expect((walk(built).steps[0] as RunStep).mounts[0]).toMatchObject({ from: { kind: 'stage', index: 0 } });
    expect(problem(() => plan('FROM a AS x\nRUN --mount=from=x,target=/x a'))).toContain(
      'a stage cannot use itself',
    );
    expect(problem(() => plan('FROM a\nRUN --mount=from=$y,target=/x a'))).toContain('Dockerfile:2: ');
  });
});

describe('comma-separated values', () => {
  it.each([
    ['', ['']],
    ['a', ['a']],
    ['a,b=c,', ['a', 'b=c', '']],
    ['"a,b",c', ['a,b', 'c']],
    ['"a""b"', ['a"b']],
    ['""', ['']],
  ])('%s are %j', (text, fields) => expect(csvFields(text)).toEqual(fields));

  it.each(['"a', 'a"b', '"a"b', '"a"",'])('%s are none', (text) => {
    expect(csvFields(text)).toBeTypeOf('string');
  });
});

describe('RUN', () => {
  it('passes on what is gated when it is executed', () => {
    const [step] = run('RUN --network=host --security=insecure a').steps;
    expect(step).toMatchObject({ network: 'host', security: 'insecure' });
    expect(run('RUN a').steps[0]).toMatchObject({ security: 'sandbox' });
  });

  it('has the hostname that was asked for', () => {
    expect(run('RUN a', { BUILDKIT_SANDBOX_HOSTNAME: 'h' }).steps[0]).toMatchObject({ hostname: 'h' });
    expect(run('RUN a').steps[0]).not.toHaveProperty('hostname');
  });
});
