import { lstat, mkdir, readdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StepMount } from '../../src/build/sandbox/step.js';
import { type Fixture, leftovers, sandboxFixture, skipped, stateEntries } from './fixture.js';

const LONG_AGO = 1_000_000_000;

describe.skipIf(skipped('mounts'))('mounts of a step', () => {
  let fixture: Fixture;
  let source: string;

  beforeEach(async () => {
    fixture = await sandboxFixture();
    source = join(fixture.directory, 'source');
    await mkdir(join(source, 'below'), { recursive: true });
    await writeFile(join(source, 'file'), 'of the source\n');
    await utimes(fixture.rootfs, LONG_AGO, LONG_AGO);
  });
  afterEach(async () => {
    expect(await stateEntries(fixture)).toEqual([]);
    await fixture[Symbol.asyncDispose]();
    expect(await leftovers()).toEqual([]);
  });

  const bind = (target: string, options: Partial<StepMount> = {}): StepMount =>
    ({
      kind: 'bind',
      target,
      source,
      type: 'directory',
      readOnly: true,
      own: false,
      ...options,
    }) as StepMount;

  it('show a directory read-only, and leave neither mount point nor parents nor times behind', async () => {
    const script =
      'cat /a/b/src/file; (echo x > /a/b/src/new) 2>/dev/null || echo refused; rm /a/b/src/file 2>/dev/null || echo kept';
    const { output, stubs } = await fixture.sh(script, { mounts: [bind('/a/b/src')] });
    expect(output).toMatch(/^of the source\n/);
    expect(output).toContain('refused');
    expect(output).toContain('kept');
    expect(stubs).toEqual(expect.arrayContaining(['a', 'a/b', 'a/b/src']));
    expect(await readdir(fixture.rootfs)).not.toContain('a');
    expect((await lstat(fixture.rootfs)).mtimeMs / 1000).toBe(LONG_AGO);
    expect(await readFile(join(source, 'file'), 'utf8')).toBe('of the source\n');
  });

  it('take writes where they may, and hide what the image has there', async () => {
    await writeFile(join(fixture.rootfs, 'work/of-the-image'), '');
    const { output } = await fixture.sh('ls /work; echo new > /work/new', {
      mounts: [bind('/work', { readOnly: false })],
    });
    expect(output.split('\n')).not.toContain('of-the-image');
    expect(await readFile(join(source, 'new'), 'utf8')).toBe('new\n');
    expect(await readdir(join(fixture.rootfs, 'work'))).toEqual(['of-the-image']);
  });

  it('mount a file where the image has none, or another', async () => {
    await writeFile(join(fixture.rootfs, 'etc/setting'), 'of the image');
    const file = { source: join(source, 'file'), type: 'file' } as const;
    const { output } = await fixture.sh('cat /etc/setting /run/secrets/one', {
      mounts: [bind('/etc/setting', file), bind('/run/secrets/one', file)],
    });
    expect(output).toBe('of the source\nof the source\n');
    expect(await readFile(join(fixture.rootfs, 'etc/setting'), 'utf8')).toBe('of the image');
    expect(await readdir(fixture.rootfs)).not.toContain('run');
  });

  it('follow the links of the image, never out of it', async () => {
    const outside = join(fixture.directory, 'outside');
    await mkdir(outside);
    await symlink(outside, join(fixture.rootfs, 'link'));
    await symlink('/work', join(fixture.rootfs, 'home'));
    const { output } = await fixture.sh(`cat /work/src/file ${outside}/src/file`, {
      mounts: [bind('/home/src'), bind('/link/src')],
    });
    expect(output).toBe('of the source\nof the source\n');
    expect(await readdir(outside)).toEqual([]);
    expect(await readdir(join(fixture.rootfs, 'work'))).toEqual([]);
  });

  it('are mounted one into another', async () => {
    const inner = join(fixture.directory, 'inner');
    await mkdir(inner);
    await writeFile(join(inner, 'x'), 'inner\n');
    await symlink('/work/src/below', join(source, 'there'));
    const { output } = await fixture.sh(
      'cat /work/src/below/cache/x; echo y > /work/src/below/cache/y; (echo z > /work/src/z) 2>/dev/null || echo refused; mount | grep -c tmpfs.*/work/src/t',
      {
        mounts: [
          bind('/work/src', { own: true }),
          bind('/work/src/there/cache', { source: inner, readOnly: false }),
          { kind: 'tmpfs', target: '/work/src/t' },
        ],
      },
    );
    expect(output).toMatch(/^inner\n/);
    expect(output).toContain('refused');
    expect(output).toMatch(/1\n$/);
    expect((await readdir(inner)).sort()).toEqual(['x', 'y']);
    expect(await readdir(join(fixture.rootfs, 'work'))).toEqual([]);
  });

  it('have a tmpfs that everybody may write to and that ends at its size', async () => {
    const { output } = await fixture.sh(
      'echo hello > /t/x && cat /t/x; dd if=/dev/zero of=/t/big bs=1024 count=2048 2>/dev/null || echo full; ls -ld /t',
      {
        mounts: [{ kind: 'tmpfs', target: '/t', sizeBytes: 1024 * 1024 }],
        user: { uid: 1234, gid: 1234, additionalGids: [] },
      },
    );
    expect(output).toMatch(/^hello\nfull\ndrwxrwxrwt/);
    expect(await readdir(fixture.rootfs)).not.toContain('t');
  });

  it('may be in /dev, but not replace the file systems of the kernel', async () => {
    const shm = await fixture.sh('mount | grep " /dev/shm "', {
      mounts: [{ kind: 'tmpfs', target: '/dev/shm', sizeBytes: 128 * 1024 * 1024 }],
    });
    expect(shm.output).toContain('size=131072k');
    await symlink('/proc/self', join(fixture.rootfs, 'link'));
    for (const target of ['/proc', '/sys/fs', '/dev', '/link/fd', '/work/..']) {
      const refused = fixture.sh('true', { mounts: [{ kind: 'tmpfs', target }] });
      await expect(refused, target).rejects.toMatchObject({ code: 'step_failed' });
    }
    await rm(join(fixture.rootfs, 'link'));
  });

  it('cannot put a file over a directory of the image', async () => {
    const mounts = [bind('/work', { source: join(source, 'file'), type: 'file' })];
    await expect(fixture.sh('true', { mounts })).rejects.toMatchObject({
      message: '/work in the image is not a file',
    });
  });
});

describe.skipIf(skipped('privileges'))('what only an operator may allow', () => {
  it('the network of the host reaches what listens on its loopback', async () => {
    await using fixture = await sandboxFixture();
    const server = createServer((socket) => socket.end('hello from the host'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = server.address() as { port: number };
      const script = `nc 127.0.0.1 ${port}`;
      expect((await fixture.sh(script, { network: 'host' })).output).toBe('hello from the host');
      expect((await fixture.sh(script)).exitCode).not.toBe(0);
    } finally {
      server.close();
    }
  });

  it('an insecure step has all capabilities and may mount', async () => {
    await using fixture = await sandboxFixture();
    const script =
      'mount -t tmpfs none /work && touch /work/x && ls /work; grep CapEff /proc/self/status; ls /dev/kmsg';
    const { output } = await fixture.sh(script, { insecure: true });
    expect(output).toMatch(/^x\n/);
    const own = /CapEff:\s*(\S+)/.exec(await readFile('/proc/self/status', 'utf8'))?.[1];
    expect(output).toContain(own);
    const confined = await fixture.sh('mount -t tmpfs none /work');
    expect(confined.exitCode).not.toBe(0);
    expect(await readdir(join(fixture.rootfs, 'work'))).toEqual([]);
  });
});
