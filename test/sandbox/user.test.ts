import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { resolveInRoot, rootfsReader } from '../../src/build/sandbox/rootfs.js';
import { resolveChown, resolveUser, resolveWorkdirOwner } from '../../src/build/sandbox/user.js';

const FILES: Record<string, string> = {
  '/etc/passwd': '# people\nroot:x:0:0::/root:/bin/sh\napp:x:1000:1001::/:\n\nbroken:x\n77:x:1077:1078::/:\n',
  '/etc/group': 'root:x:0:\nstaff:x:50:app,other\napp:x:1001:\nlog:x:60:app\n',
};
const read = async (path: string): Promise<Buffer | undefined> => {
  const text = FILES[path];
  return text === undefined ? undefined : Buffer.from(text);
};
const none = async (): Promise<undefined> => undefined;
const unread = (): never => {
  throw new Error('no file may be read for numbers');
};

describe('USER', () => {
  it.each([
    ['', 0, 0, []],
    ['root', 0, 0, []],
    ['app', 1000, 1001, [50, 60]],
    ['1000', 1000, 1001, [50, 60]],
    ['4242', 4242, 0, []],
    ['app:staff', 1000, 50, []],
    ['app:7', 1000, 7, []],
    ['4242:log', 4242, 60, []],
    ['77', 77, 0, []],
  ])('%j is %i:%i with the groups %j', async (user, uid, gid, additionalGids) => {
    expect(await resolveUser(read, user)).toEqual({ uid, gid, additionalGids });
  });

  it('of two numbers is taken without a look at the image', async () => {
    expect(await resolveUser(unread, '12:34')).toEqual({ uid: 12, gid: 34, additionalGids: [] });
  });

  it('as a number works in an image without any files', async () => {
    expect(await resolveUser(none, '12')).toEqual({ uid: 12, gid: 0, additionalGids: [] });
    expect(await resolveUser(none, '')).toEqual({ uid: 0, gid: 0, additionalGids: [] });
  });

  it.each(['nobody', 'app:nogroup', 'broken', ':staff', 'a:b:c', '-1', '4294967295', '99999999999'])(
    '%j is refused',
    async (user) => {
      await expect(resolveUser(read, user)).rejects.toMatchObject({ code: 'step_failed', where: 'USER' });
    },
  );
});

describe('the owner of a WORKDIR', () => {
  it.each([
    ['', 0, 0],
    ['root', 0, 0],
    ['app', 1000, 1001],
    ['app:', 1000, 1001],
    ['app:staff', 1000, 50],
    ['app:root', 1000, 0],
    // A number alone is the group too, whatever passwd says.
    ['1000', 1000, 1000],
    ['4242', 4242, 4242],
    ['4242:7', 4242, 7],
    ['4242:log', 4242, 60],
    // What nobody knows is left to the RUN that needs it.
    ['nosuch', 0, 0],
    ['nosuch:staff', 0, 50],
    ['app:nosuch', 1000, 1001],
    ['4242:nosuch', 4242, 4242],
    [':5', 0, 5],
    ['a:b:c', 0, 0],
    ['4294967295', 0, 0],
  ])('%j is %i:%i', async (user, uid, gid) => {
    expect(await resolveWorkdirOwner(read, user)).toEqual({ uid, gid });
  });

  it('is found without any files', async () => {
    expect(await resolveWorkdirOwner(none, 'app')).toEqual({ uid: 0, gid: 0 });
  });
});

describe('--chown', () => {
  it.each([
    ['app', 1000, 1001],
    ['5', 5, 5],
    ['root', 0, 0],
    ['app:staff', 1000, 50],
    ['5:staff', 5, 50],
    ['app:9', 1000, 9],
    ['root:root', 0, 0],
    ['app:', 1000, 1001],
  ])('%j is %i:%i', async (chown, uid, gid) => {
    expect(await resolveChown(read, chown)).toEqual({ uid, gid });
  });

  it('takes numbers and root without a look at the image', async () => {
    expect(await resolveChown(unread, '1:2')).toEqual({ uid: 1, gid: 2 });
    expect(await resolveChown(unread, 'root')).toEqual({ uid: 0, gid: 0 });
  });

  it.each(['nobody', 'app:nogroup', ':5', ''])('%j is refused', async (chown) => {
    await expect(resolveChown(read, chown)).rejects.toMatchObject({ code: 'step_failed', where: '--chown' });
  });
});

describe('a path in a root', () => {
  async function root(): Promise<string> {
    const directory = await mkdtemp(join(tmpdir(), 'rootfs-'));
    onTestFinished(() => rm(directory, { recursive: true, force: true }));
    await mkdir(join(directory, 'root/etc'), { recursive: true });
    await writeFile(join(directory, 'secret'), 'outside');
    return join(directory, 'root');
  }

  it('follows links as a program inside would, and never leads out', async () => {
    const dir = await root();
    await symlink('/run/resolve/stub', join(dir, 'etc/resolv.conf'));
    await symlink('../../../../secret', join(dir, 'etc/up'));
    await symlink('/etc', join(dir, 'settings'));
    expect(await resolveInRoot(dir, '/etc/resolv.conf')).toBe('/run/resolve/stub');
    expect(await resolveInRoot(dir, '/etc/up')).toBe('/secret');
    expect(await resolveInRoot(dir, '/settings/../x/./y/')).toBe('/x/y');
    expect(await resolveInRoot(dir, '/settings/a')).toBe('/etc/a');
    expect(await rootfsReader(dir)('/etc/up')).toBeUndefined();
  });

  it('of a loop of links is refused', async () => {
    const dir = await root();
    await symlink('b', join(dir, 'a'));
    await symlink('a', join(dir, 'b'));
    await expect(resolveInRoot(dir, '/a')).rejects.toMatchObject({ code: 'step_failed' });
  });

  it('is read when it is a file of a sane size', async () => {
    const dir = await root();
    await writeFile(join(dir, 'etc/passwd'), 'x'.repeat(100));
    expect((await rootfsReader(dir)('/etc/passwd'))?.length).toBe(100);
    expect(await rootfsReader(dir)('/etc')).toBeUndefined();
    expect(await rootfsReader(dir)('/etc/passwd/x')).toBeUndefined();
    await expect(rootfsReader(dir, 99)('/etc/passwd')).rejects.toMatchObject({
      code: 'step_failed',
      where: '/etc/passwd',
    });
  });
});
