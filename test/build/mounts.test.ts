import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdir, readFile, readlink, statfs } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { selectionKey } from '../../src/build/cache/keys.js';
import { plainSelector } from '../../src/build/copy/copy-source.js';
import { plainRunSettings, type RunSettings } from '../../src/build/run-settings.js';
import { sleep } from '../../src/clock.js';
import { chainId } from '../../src/layers/layer.js';
import { type Built, TestBuilder } from '../support/builder.js';
import { temporaryDirectory } from '../support/directories.js';

let builder: TestBuilder;
beforeAll(async () => {
  builder = await TestBuilder.start();
});
afterAll(() => builder.stop());

const FROM = 'FROM busybox\n';

function settings(over: Partial<RunSettings> = {}): RunSettings {
  return { ...plainRunSettings('test'), ...over };
}

/** Steps that ran and were not taken from the cache. */
function executed({ steps }: Built): number {
  return steps.total - steps.cached;
}

async function build(dockerfile: string, run: RunSettings = settings(), files = {}): Promise<Built> {
  return builder.build(await builder.commit({ Dockerfile: dockerfile, ...files }), { run });
}

/** `tar -tv` of a layer that the build made, the newest last: mode, owner, size, time and name of each entry. */
function listing(built: Built, index = -1): string {
  const digest = built.image.layers.at(index)?.digest ?? '';
  return execFileSync('tar', ['-tvzf', builder.store.blobs.path(digest)], { encoding: 'utf8' });
}

function names(built: Built, index = -1): string[] {
  const digest = built.image.layers.at(index)?.digest ?? '';
  const text = execFileSync('tar', ['-tzf', builder.store.blobs.path(digest)], { encoding: 'utf8' });
  return text.split('\n').filter(Boolean);
}

/** Files below a directory that hold the text, in plain or in base64. */
async function holding(directory: string, text: string): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const content = await readFile(path);
    if (content.includes(text) || content.includes(Buffer.from(text).toString('base64'))) found.push(path);
  }
  return found;
}

describe('a bind mount of the context', () => {
  it('shows what is not ignored, takes no writes, and is in no layer', async () => {
    const built = await build(
      `${FROM}RUN --mount=target=/src (cat /src/a/file; ls /src; echo x > /src/new || echo refused) > /out 2>&1`,
      settings(),
      { '.dockerignore': 'hidden\n', 'a/file': 'of the context\n', hidden: 'x' },
    );
    expect(names(built)).toEqual(['out']);
    const again = await build(
      `${FROM}RUN --mount=target=/src cat /src/a/file; ls /src; touch /src/new || echo refused`,
    );
    expect(again.log).toContain('of the context');
    expect(again.log).toContain('refused');
    expect(again.log).not.toMatch(/\| hidden/);
  });

  it('executes again when what it shows changed, says which file, and not for anything else', async () => {
    const dockerfile = `${FROM}RUN --mount=target=/src,source=app sha256sum /src/* > /sum`;
    const first = await build(dockerfile, settings(), { 'app/one': '1', 'app/two': '2', other: 'x' });
    const other = await build(dockerfile, settings(), { other: 'y' });
    expect(executed(other)).toBe(0);
    const changed = await build(dockerfile, settings(), { 'app/two': 'changed' });
    expect(executed(changed)).toBe(1);
    expect(changed.log).toContain('not cached: the bind mount at /src changed: app/two');
    const clean = await builder.build(await builder.commit({}), { run: settings(), noCache: true });
    expect(clean.image.layers.at(-1)?.diffId).not.toBe(first.image.layers.at(-1)?.diffId);
    expect(names(clean)).toEqual(['sum']);
    const back = await build(dockerfile, settings(), { 'app/two': '2' });
    expect(back.image.layers.at(-1)?.digest).toBe(first.image.layers.at(-1)?.digest);
  });

  it('may be one file, and a directory whose name looks like a pattern', async () => {
    const built = await build(
      `${FROM}RUN --mount=source=[x]*/file,target=/etc/one --mount=source=[x]*,target=/dir cat /etc/one /dir/file`,
      settings(),
      { '[x]*/file': 'found\n', 'xy/file': 'another\n' },
    );
    expect(built.log.match(/\| found/g)).toHaveLength(2);
    expect(names(built)).toEqual([]);
  });

  it('takes writes when asked to, which nobody sees afterwards', async () => {
    const dockerfile = `${FROM}RUN --mount=target=/src,rw echo more >> /src/file && cat /src/file && rm -r /src/sub`;
    const built = await build(dockerfile, settings(), { file: 'text\n', 'sub/x': '1' });
    expect(built.log).toContain('| more');
    expect(names(built)).toEqual([]);
    const after = await build(`${FROM}RUN --mount=target=/src cat /src/file /src/sub/x`);
    expect(after.log).not.toContain('| more');
  });

  it('has the times of now on its files, for make and cargo', async () => {
    const before = Date.now() / 1000 - 2;
    const built = await build(`${FROM}RUN --mount=target=/src echo "t=$(stat -c %Y /src/file)"`, settings(), {
      file: `${Math.random()}`,
    });
    expect(Number(/t=(\d+)/.exec(built.log)?.[1])).toBeGreaterThan(before);
  });

  it('names the source that is missing, with the line', async () => {
    await expect(build(`${FROM}RUN --mount=source=nowhere,target=/src true`)).rejects.toMatchObject({
      code: 'source_missing',
      where: 'Dockerfile:2',
      message: expect.stringContaining('nowhere'),
    });
  });
});

describe('a bind mount of a stage or an image', () => {
  it('shows a part of it, and re-executes only when that part changed', async () => {
    const dockerfile = (content: string, other: string) =>
      `FROM busybox AS tools\nRUN mkdir /t && printf ${content} > /t/x && echo ${other} > /other\n` +
      `${FROM}RUN --mount=from=tools,source=/t,target=/t cp /t/x /copy`;
    const first = await build(dockerfile('one', 'a'));
    expect(names(first)).toEqual(['copy']);
    expect(executed(await build(dockerfile('one', 'b')))).toBe(1);
    const changed = await build(dockerfile('two', 'b'));
    expect(executed(changed)).toBe(2);
    expect(changed.log).toContain('not cached: the bind mount at /t changed');
  });

  it('takes an image as a whole, and what is missing in it is an error', async () => {
    const built = await build(`${FROM}RUN --mount=from=busybox,target=/other ls /other/bin/busybox`);
    expect(built.log).toContain('/other/bin/busybox');
    expect(names(built)).toEqual([]);
    const missing = build(`${FROM}RUN --mount=from=busybox,source=/nowhere,target=/other true`);
    await expect(missing).rejects.toMatchObject({ code: 'source_missing', where: 'Dockerfile:2' });
  });
});

describe('a memory of what a mount shows', () => {
  it('that is wrong makes no result: other builds would take it', async () => {
    const seed = `FROM busybox AS seed\nRUN mkdir /s && echo real > /s/x\n`;
    const { image } = await build(seed);
    const tree = chainId(image.layers.map(({ diffId }) => diffId));
    const { selections } = builder.store.steps;
    await selections.put(selectionKey(tree, plainSelector('s')), [
      { name: 's', path: 's', content: 'files of somebody else' },
    ]);
    const dockerfile = `${seed}${FROM}RUN --mount=from=seed,source=/s,target=/s cat /s/x > /out`;
    await expect(build(dockerfile)).rejects.toMatchObject({ code: 'layer_invalid' });
    expect(executed(await build(dockerfile))).toBe(1);
  });
});

describe('a cache mount', () => {
  it('keeps what steps put there, apart for each app, and out of the layers', async () => {
    const dockerfile = (n: number) =>
      `${FROM}RUN --mount=type=cache,target=/root/.cache echo ${n} >> /root/.cache/log && cat /root/.cache/log`;
    await build(dockerfile(1));
    const second = await build(dockerfile(2));
    expect(second.log).toMatch(/\| 1\n.*\| 2\n/);
    expect(names(second)).toEqual([]);
    const other = await build(dockerfile(3), settings({ cacheScope: 'other' }));
    expect(other.log).toContain('| 3');
    expect(other.log).not.toContain('| 1');
    expect(executed(await build(dockerfile(2)))).toBe(0);
  });

  it('brings no step into the cache of another app, since its files choose the result', async () => {
    const dockerfile = `${FROM}RUN --mount=type=cache,id=tools,target=/c cp /c/tool /tool || echo good > /tool`;
    await build(`${FROM}RUN --mount=type=cache,id=tools,target=/c echo evil > /c/tool`);
    expect(executed(await build(dockerfile))).toBe(1);
    const other = await build(dockerfile, settings({ cacheScope: 'other' }));
    expect(executed(other)).toBe(1);
    const { diffId } = other.image.layers.at(-1) ?? {};
    expect((await build(dockerfile)).image.layers.at(-1)?.diffId).not.toBe(diffId);
  });

  it('may be inside a bind mount that takes no writes', async () => {
    const built = await build(
      `${FROM}WORKDIR /src\nRUN --mount=type=cache,target=/src/node_modules --mount=target=/src cat file && echo x > node_modules/y && (touch no || echo refused)`,
      settings(),
      { file: 'of the context\n' },
    );
    expect(built.log).toContain('refused');
    expect(names(built)).toEqual([]);
    const seen = await build(`${FROM}RUN --mount=type=cache,target=/c,id=/src/node_modules ls /c`);
    expect(seen.log).toContain('| y');
  });

  it('leads no other mount to where its symlinks point: /dev would be a way out of the sandbox', async () => {
    for (const [to, shown] of [
      ['/dev', '/dev'],
      ['/sys', '/sys'],
      ['../proc/self', '/proc/self'],
    ]) {
      const id = `id=links${shown}`;
      await build(`${FROM}RUN --mount=type=cache,${id},target=/c ln -s ${to} /c/y`);
      const attack = `${FROM}RUN --mount=type=cache,${id},target=/c --mount=type=cache,id=own,target=/c/y true`;
      await expect(build(attack)).rejects.toMatchObject({
        code: 'step_failed',
        message: expect.stringContaining(`nothing can be mounted at /c/y, which leads to ${shown}`),
      });
    }
    const linked = `FROM busybox AS linked\nRUN ln -s /c /link\nRUN --mount=type=cache,target=/c --mount=type=tmpfs,target=/link/new true`;
    await expect(build(linked)).rejects.toMatchObject({
      message: expect.stringContaining('/link/new leads into what is mounted at /c'),
    });
  });

  it('counts to what a step may write, but not what it held before', async () => {
    const write = (name: string, mb: number) =>
      `dd if=/dev/zero of=/c/${name} bs=1M count=${mb} 2>/dev/null && sync`;
    const cached = (script: string) => `${FROM}RUN --mount=type=cache,id=large,target=/c ${script}`;
    await build(cached(write('before', 60)));
    const limited = async (script: string) =>
      builder.build(await builder.commit({ Dockerfile: cached(script) }), {
        run: settings(),
        limits: { stepDiskBytes: 50e6 },
      });
    await limited(`${write('some', 30)} && sleep 1`);
    await expect(
      limited(`${write('a', 30)} && sleep 1 && ${write('b', 90)} && sleep 20`),
    ).rejects.toMatchObject({
      code: 'step_limit',
    });
  });

  it('may hold another, which others wait for', async () => {
    const built = await build(
      `${FROM}RUN --mount=type=cache,target=/root/.cache --mount=type=cache,target=/root/.cache/go echo x > /root/.cache/go/in && test -e /root/.cache/go/in\n` +
        'RUN --mount=type=cache,target=/root/.cache/go cat /root/.cache/go/in',
    );
    expect(built.log).toContain('| x');
  });

  it('begins with what from and source name, and has the owner and mode asked for', async () => {
    const built = await build(
      `FROM busybox AS seed\nRUN mkdir /s && echo seeded > /s/x\n` +
        `${FROM}USER 1000:1000\nRUN --mount=type=cache,target=/c,from=seed,source=/s,uid=1000,gid=1000,mode=0700 cat /c/x && echo mine > /c/y && stat -c "%a %u %g" /c`,
    );
    expect(built.log).toContain('| seeded');
    expect(built.log).toContain('| 700 1000 1000');
  });

  it('takes no writes when it is read-only', async () => {
    const built = await build(`${FROM}RUN --mount=type=cache,target=/c,ro touch /c/x || echo refused`);
    expect(built.log).toContain('| refused');
  });
});

describe('a secret', () => {
  const VALUE = 'correct-horse-battery';
  const given = (value = VALUE) =>
    settings({ secret: async (id) => (id === 'token' ? Buffer.from(`${value}\n`) : undefined) });

  it('is a file, a variable, or both, and is not there when nobody gave it', async () => {
    const sum = createHash('sha256').update(`${VALUE}\n`).digest('hex');
    const built = await build(
      `${FROM}RUN --mount=type=secret,id=token,uid=1000,mode=0440 sha256sum /run/secrets/token && stat -c "%a %u" /run/secrets/token\n` +
        'RUN --mount=type=secret,id=token,env=TOKEN echo "len=$' +
        '{#TOKEN}" && test ! -e /run/secrets/token\n' +
        'RUN --mount=type=secret,id=absent test ! -e /run/secrets/absent && test ! -e /run/secrets',
      given(),
    );
    expect(built.log).toContain(sum);
    expect(built.log).toContain('| 440 1000');
    expect(built.log).toContain(`len=${VALUE.length + 1}`);
    for (const index of [-1, -2, -3]) expect(names(built, index)).toEqual([]);
  });

  it('is nowhere but where it was asked for: not in the log, a layer, the image or a file of the store', async () => {
    const built = await build(
      `${FROM}RUN --mount=type=secret,id=token --mount=type=secret,id=token,env=TOKEN cat /run/secrets/token; printf correct-; sleep 0.2; echo horse-battery; echo "$TOKEN" | base64; env | grep TOKEN; echo unsafe-word`,
      given(),
    );
    expect(built.log).not.toContain(VALUE);
    expect(built.log).not.toContain(Buffer.from(VALUE).toString('base64').replace(/=+$/, ''));
    expect(built.log.match(/\*\*\*/g)?.length).toBeGreaterThanOrEqual(4);
    expect(built.log).toContain('unsafe-word');
    expect(built.image.config.toString()).not.toContain(VALUE);
    // `correct-` is in the instruction, the whole value is not.
    expect(await holding(builder.store.directory, VALUE)).toEqual([]);
  });

  it('is not in the key, unless it is asked for', async () => {
    const plain = `${FROM}RUN --mount=type=secret,id=token sha256sum /run/secrets/token > /sum`;
    await build(plain, given('first-value'));
    expect(executed(await build(plain, given('second-value')))).toBe(0);
    const keyed = `${FROM}RUN --mount=type=secret,id=token,cachekey=hash sha256sum /run/secrets/token > /sum`;
    await build(keyed, given('first-value'));
    expect(executed(await build(keyed, given('first-value')))).toBe(0);
    const changed = await build(keyed, given('second-value'));
    expect(executed(changed)).toBe(1);
    expect(changed.log).toContain('not cached: the secret token changed');
    expect(await holding(builder.store.directory, 'second-value')).toEqual([]);
  });

  it('is on no disk while its step runs, so that a killed builder leaves none', async () => {
    const TMPFS = 0x01021994;
    const building = build(
      `${FROM}RUN --mount=type=secret,id=token --mount=type=secret,id=token,env=TOKEN echo started && sleep 3`,
      given(),
    );
    const until = Date.now() + 10_000;
    let found: string[] = [];
    // The file, and what the runtime is told.
    while (found.length < 2 && Date.now() < until) {
      await sleep(50);
      found = await holding(builder.store.directory, VALUE).catch(() => []);
    }
    expect(found.length).toBeGreaterThanOrEqual(2);
    for (const path of found) expect((await statfs(path)).type, path).toBe(TMPFS);
    await building;
    expect(await holding(builder.store.directory, VALUE)).toEqual([]);
  });

  it('does not come to another app by the cache', async () => {
    const dockerfile = `${FROM}RUN --mount=type=secret,id=token cp /run/secrets/token /stolen || true`;
    await build(dockerfile, given());
    const other = await build(dockerfile, settings({ cacheScope: 'other' }));
    expect(executed(other)).toBe(1);
    expect(names(other)).toEqual([]);
  });

  it('that is required and missing is an error with the line', async () => {
    await expect(build(`${FROM}RUN --mount=type=secret,id=gone,required true`)).rejects.toMatchObject({
      code: 'secret_missing',
      where: 'Dockerfile:2',
      message: expect.stringContaining('"gone"'),
    });
  });
});

describe('an SSH agent', () => {
  it('has a socket of the given owner and mode, which is gone with the step', async () => {
    const path = join(await temporaryDirectory(), 'agent');
    const agent = createServer();
    await new Promise<void>((resolve) => agent.listen(path, resolve));
    try {
      const run = settings({ sshAgent: (id) => (id === 'default' ? path : undefined) });
      const script = 'stat -c "%F %a %u" $SSH_AUTH_SOCK; echo $SSH_AUTH_SOCK';
      const built = await build(`${FROM}RUN --mount=type=ssh,uid=1000 ${script}`, run);
      expect(built.log).toContain('| socket 600 1000');
      expect(built.log).toContain('| /run/buildkit/ssh_agent.0');
      expect(names(built)).toEqual([]);
    } finally {
      agent.close();
    }
  });

  it('that is required and missing is an error that says how to give one', async () => {
    await expect(build(`${FROM}RUN --mount=type=ssh,required true`)).rejects.toMatchObject({
      code: 'secret_missing',
      where: 'Dockerfile:2',
      hint: expect.stringContaining('--ssh default'),
    });
    expect((await build(`${FROM}RUN --mount=type=ssh test ! -e "$SSH_AUTH_SOCK"`)).steps.total).toBe(1);
  });
});

describe('what every mount leaves', () => {
  it('is nothing: neither mount points nor the times of their parents', async () => {
    const before = `${FROM}RUN mkdir -p /d/e && touch -d @1000000000 /d/e /d && echo x > /x`;
    const built = await build(
      `${before}\nRUN --mount=target=/d/e/f/g --mount=type=tmpfs,target=/d/e/t,size=1m --mount=type=cache,target=/d/c --mount=type=secret,id=s,target=/d/e/s echo y > /y\nRUN stat -c "mtime %Y" /d /d/e && ls /d /d/e`,
      settings({ secret: async () => Buffer.from('value') }),
    );
    expect(names(built, -2)).toEqual(['y']);
    expect(built.log.match(/\| mtime 1000000000/g)).toHaveLength(2);
    expect(built.log).not.toMatch(/\| [fgtsc]$/m);
    expect(listing(built, -2)).not.toContain('d/');
  });
});

describe('what an operator may allow', () => {
  it('is refused by name and line otherwise', async () => {
    const host = build(`${FROM}RUN --network=host true`);
    await expect(host).rejects.toMatchObject({ code: 'not_allowed', where: 'Dockerfile:2' });
    const insecure = build(`${FROM}RUN --security=insecure true`);
    await expect(insecure).rejects.toMatchObject({ code: 'not_allowed', where: 'Dockerfile:2' });
  });

  it('is given when it is allowed, and is in the key', async () => {
    const allow = { hostNetwork: true, insecure: true };
    const own = await readlink('/proc/self/ns/net');
    const dockerfile = `${FROM}RUN readlink /proc/self/ns/net # by the setting`;
    const host = await build(`${FROM}RUN --network=host readlink /proc/self/ns/net`, settings({ allow }));
    expect(host.log).toContain(`| ${own}\n`);
    const none = await build(dockerfile, settings({ network: 'none' }));
    expect(none.log).not.toContain(own);
    const asked = await build(dockerfile, settings({ network: 'host', allow }), {});
    expect(asked.log).toContain('not cached: the network mode changed');
    expect(asked.log).toContain(`| ${own}\n`);
    const links = await build(
      `${FROM}RUN --network=default ls /sys/class/net`,
      settings({ network: 'none' }),
    );
    expect(links.log).toContain('| lo');
    expect(links.log).not.toContain('tap0');
    const insecure = await build(
      `${FROM}RUN --security=insecure mount -t tmpfs none /mnt2 2>/dev/null || mkdir /m && mount -t tmpfs none /m && echo mounted`,
      settings({ allow }),
    );
    expect(insecure.log).toContain('| mounted');
  });
});

describe('a cache that is built in by times', () => {
  const script = (n: number): string =>
    `if [ ! -e /cache/out ] || [ /src/in -nt /cache/out ]; then cat /src/in > /cache/out; echo built; fi; cat /cache/out > /out; echo ${n}`;
  const outputs: Record<string, (n: number) => string> = {
    'from a bind mount': (n) =>
      `${FROM}RUN --mount=source=s,target=/src --mount=type=cache,target=/cache,id=make-bind ${script(n)}`,
    'from a COPY': (n) =>
      `${FROM}COPY s /src\nRUN --mount=type=cache,target=/cache,id=make-copy ${script(n)}`,
  };

  it.each(Object.keys(outputs))(
    'sees files that came back as new, and what stayed as old: %s',
    async (name) => {
      const dockerfile = outputs[name] as (n: number) => string;
      const run = async (n: number, text: string): Promise<Built> => {
        await sleep(1_100); // the shell's test compares whole seconds
        return build(dockerfile(n), settings(), { 's/in': `${text}\n` });
      };
      await run(1, 'A');
      expect((await run(2, 'A')).log).not.toContain('| built');
      expect((await run(3, 'B')).log).toContain('| built');
      const back = await run(4, 'A');
      expect(back.log).toContain('| built');
      const clean = await build(`${FROM}RUN echo A > /out`);
      const content = (built: Built): string =>
        execFileSync(
          'tar',
          ['-xzOf', builder.store.blobs.path(built.image.layers.at(-1)?.digest ?? ''), 'out'],
          {
            encoding: 'utf8',
          },
        );
      expect(content(back)).toBe(content(clean));
    },
  );
});

describe('a step for another platform', () => {
  it('is refused with the line and the reason before it runs', async () => {
    const built = build('FROM --platform=linux/s390x scratch\nRUN ["/never"]\n');
    await expect(built).rejects.toMatchObject({
      code: 'dockerfile_unsupported',
      where: 'Dockerfile:2',
      message: expect.stringContaining('its commands are for linux/s390x'),
    });
  });
});
