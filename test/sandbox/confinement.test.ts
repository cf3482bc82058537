import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Fixture, sandboxFixture, skipped } from './fixture.js';

/** Makes one system call for each argument line and prints its errno: number, then up to three arguments. */
const CALLER = `
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/syscall.h>
int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    unsigned long a[4] = {0, 0, 0, 0};
    char *word = argv[i];
    for (int n = 0; n < 4 && word; n++) { a[n] = strtoul(word, &word, 0); if (*word != ',') word = 0; else word++; }
    errno = 0;
    long result = syscall((long)a[0], a[1], a[2], a[3], 0L, 0L, 0L);
    if (result == 0 && a[0] == SYS_clone) _exit(0);
    printf("%s\\n", result >= 0 ? "ok" : errno == EPERM ? "EPERM" : errno == ENOSYS ? "ENOSYS" : "other");
    fflush(stdout);
  }
  return 0;
}
`;

describe.skipIf(skipped('confinement') || process.arch !== 'x64')('inside a step', () => {
  let fixture: Fixture;
  beforeAll(async () => {
    fixture = await sandboxFixture();
    const source = join(fixture.directory, 'call.c');
    await writeFile(source, CALLER);
    await promisify(execFile)('cc', ['-static', '-o', join(fixture.rootfs, 'bin/call'), source]);
  });
  afterAll(() => fixture?.[Symbol.asyncDispose]());

  const call = async (...calls: string[]): Promise<string[]> => {
    const { output } = await fixture.sh('', { argv: ['/bin/call', ...calls] });
    return output.trim().split('\n');
  };

  it('system calls that a build does not need are refused with EPERM', async () => {
    const denied: Record<string, string> = {
      mount: '165',
      umount2: '166',
      pivot_root: '155',
      fsopen: '430',
      move_mount: '429',
      open_tree: '428',
      unshare: '272,0x10000000',
      setns: '308',
      keyctl: '250',
      add_key: '248',
      request_key: '249',
      bpf: '321',
      perf_event_open: '298',
      init_module: '175',
      kexec_load: '246',
      reboot: '169',
      open_by_handle_at: '304',
      userfaultfd: '323',
      io_uring_setup: '425',
      swapon: '167',
      ioperm: '173',
      settimeofday: '164',
      acct: '163',
    };
    expect(await call(...Object.values(denied))).toEqual(Object.values(denied).map(() => 'EPERM'));
  });

  it('clone makes processes but no namespaces, and clone3 is not there', async () => {
    const SIGCHLD = 17;
    expect(
      await call(`56,${SIGCHLD}`, `56,${0x10000000 | SIGCHLD}`, `56,${0x00020000 | SIGCHLD}`, '435'),
    ).toEqual(['ok', 'EPERM', 'EPERM', 'ENOSYS']);
  });

  it('a call that no kernel has yet answers ENOSYS, so that libraries fall back', async () => {
    expect(await call('999')).toEqual(['ENOSYS']);
  });

  it('sockets are the usual kinds: not packets, not raw IP, not the hypervisor, not the crypto API', async () => {
    const [unix, inet, netlink, packet, raw, vsock, alg] = await call(
      '41,1,1,0',
      '41,2,1,0',
      '41,16,3,0',
      '41,17,3,0',
      '41,2,3,1',
      '41,40,1,0',
      '41,38,5,0',
    );
    expect([unix, inet, netlink]).toEqual(['ok', 'ok', 'ok']);
    expect([packet, raw]).toEqual(['EPERM', 'EPERM']);
    expect([vsock, alg]).toEqual(['ENOSYS', 'ENOSYS']);
  });

  it('root has the capabilities of a container, another user none', async () => {
    const status = async (uid: number): Promise<string> =>
      (await fixture.sh('grep Cap /proc/self/status', { user: { uid, gid: uid, additionalGids: [] } }))
        .output;
    // Docker's a80425fb without NET_RAW, bit 13.
    const set = '00000000a80405fb';
    expect(await status(0)).toMatch(
      new RegExp(
        `CapInh:\\s+0{16}\\nCapPrm:\\s+${set}\\nCapEff:\\s+${set}\\nCapBnd:\\s+${set}\\nCapAmb:\\s+0{16}`,
      ),
    );
    expect(await status(1234)).toMatch(new RegExp(`CapPrm:\\s+0{16}\\nCapEff:\\s+0{16}\\nCapBnd:\\s+${set}`));
  });

  it('packages can be installed: chown, chmod, set-id bits, device nodes and chroot work, opening a device does not', async () => {
    const { output, exitCode } = await fixture.sh(
      'cd /tmp && touch f && chown 1:1 f && chmod 4755 f && mknod b b 8 0 && chroot / true && ! cat b && ls /dev',
    );
    expect(exitCode).toBe(0);
    expect(output).toContain('Operation not permitted');
    expect(output.split('\n').slice(-20)).toEqual(
      expect.arrayContaining(['null', 'ptmx', 'pts', 'shm', 'mqueue', 'urandom']),
    );
    expect(output).not.toMatch(/^(mem|kmsg|sda|vda|loop0)$/m);
  });

  it('the host cannot be seen or changed: processes, kernel settings, file systems', async () => {
    const { output } = await fixture.sh(
      'ls /proc | grep -c "^[0-9]"; echo 1 > /proc/sys/kernel/panic; wc -c /proc/kcore; ls /sys/firmware | wc -l; cat /proc/self/cgroup; mount',
    );
    expect(Number(/^(\d+)$/m.exec(output)?.[1])).toBeLessThan(6);
    expect(output).toMatch(/panic: Read-only file system/);
    expect(output).not.toMatch(/^[1-9]\d{3,}$/m);
    expect(output).not.toContain(fixture.directory);
    expect(output).toMatch(/sysfs on \/sys .*\bro\b/);
  });
});
