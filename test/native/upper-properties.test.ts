/**
 * What a root user can do to a file system, at random: names that are no text, devices, sockets, attributes, ids and times
 * at their limits. The layers of it, laid out again, are what the steps left.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { applyLayer, mountOverlay, scanTree, unmount, writeUpperLayer } from '../../native/index.js';
import { hasPython, picture, run, subdirectory, testDirectory } from './support.js';

/** Does what it can of a list of changes; what the kernel refuses it leaves. */
const CHANGER = `
import json, os, shutil, socket, stat, struct, sys
os.chdir(sys.argv[1])
def fresh(at):
    if os.path.isdir(at) and not os.path.islink(at): shutil.rmtree(at)
    elif os.path.lexists(at): os.unlink(at)
def parents(at):
    above = os.path.dirname(at)
    if above and not os.path.isdir(above):
        parents(above); fresh(above); os.mkdir(above)
def change(one):
    kind, at = one['kind'], bytes.fromhex(one['path'])
    to, n = bytes.fromhex(one.get('to', '')), one.get('n', 0)
    if kind in ('write', 'symlink', 'fifo', 'char', 'block', 'socket', 'mkdir', 'link'): parents(at)
    # Never through a node: a fifo would wait for a reader, a device would be one of this machine.
    if kind in ('write', 'append', 'sparse') and os.path.lexists(at) and not stat.S_ISREG(os.lstat(at).st_mode): fresh(at)
    if kind in ('symlink', 'fifo', 'char', 'block', 'socket', 'link') or (kind == 'write' and n % 2): fresh(at)
    if kind == 'write':
        with open(at, 'wb') as f: f.write(to * (n % 3000))
    elif kind == 'sparse':
        with open(at, 'r+b') as f: f.truncate(n % 5000 * 100)
    elif kind == 'append':
        with open(at, 'ab') as f: f.write(to)
    elif kind == 'mkdir': fresh(at) if n % 2 else None; os.mkdir(at)
    elif kind == 'remove': fresh(at)
    elif kind == 'rename': os.rename(at, to)
    elif kind == 'exchange': os.rename(at, b'~tmp'); os.rename(to, at); os.rename(b'~tmp', to)
    elif kind == 'symlink': os.symlink(to, at)
    elif kind == 'link': os.link(to, at, follow_symlinks=False)
    elif kind == 'fifo': os.mkfifo(at)
    elif kind == 'char': os.mknod(at, stat.S_IFCHR | 0o620, os.makedev(1 + n % 4095, n % 1048576))
    elif kind == 'block': os.mknod(at, stat.S_IFBLK | 0o660, os.makedev(n % 4096, n % 1000000 + 1))
    elif kind == 'socket':
        s = socket.socket(socket.AF_UNIX); s.bind(at); s.close()
    elif kind == 'chmod': os.path.islink(at) or os.chmod(at, n & 0o7777)
    elif kind == 'chown': os.chown(at, n, (n * 7 + 3) % 4294967294, follow_symlinks=False)
    elif kind == 'xattr': os.setxattr(at, b'user.' + (to.replace(b'/', b'') or b'x')[:50], to * (n % 30), follow_symlinks=False)
    elif kind == 'noxattr': [os.removexattr(at, x) for x in os.listxattr(at) if x.startswith('user.')]
    elif kind == 'capability':
        os.path.isfile(at) and not os.path.islink(at) and os.setxattr(at, 'security.capability', struct.pack('<5I', 0x02000001, n & 0x3fff, 0, 0, 0))
    elif kind == 'utime': os.utime(at, ns=(0, (n - 1000) * 10**9 + (n % 2) * 123456789), follow_symlinks=False)
for one in json.load(sys.stdin):
    try: change(one)
    except OSError: pass
    if os.path.lexists(b'~tmp'): fresh(b'~tmp')
`;

const hex = (bytes: Uint8Array | string): string => Buffer.from(bytes as string).toString('hex');
const name = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom('a', 'b', 'c').map(hex) },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom('é', ' ', 'x y', '-rf', '..a', 'wh.', '.w', '\\', '\n', '*', '=', 'ä'.repeat(120))
      .map(hex),
  },
  // Not UTF-8, and one that is no text at all.
  {
    weight: 1,
    arbitrary: fc
      .constantFrom([0xff], [0xe9], [0x61, 0xc3], [1, 2, 0x7f, 0x80])
      .map((bytes) => hex(Uint8Array.from(bytes))),
  },
);
const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => parts.join(hex('/')));
const change = fc.record({
  kind: fc.constantFrom(
    ...[
      'write',
      'write',
      'write',
      'mkdir',
      'mkdir',
      'remove',
      'rename',
      'exchange',
      'symlink',
      'link',
      'link',
      'fifo',
    ],
    ...[
      'char',
      'block',
      'socket',
      'chmod',
      'chmod',
      'chown',
      'xattr',
      'noxattr',
      'capability',
      'utime',
      'append',
      'sparse',
    ],
  ),
  path,
  to: path,
  n: fc.oneof(
    fc.constantFrom(0, 1, 0o755, 0o4755, 0o7777, 2_097_151, 2_097_152, 4_294_967_293),
    fc.integer({ min: 0, max: 5000 }),
  ),
});
type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;

interface Seen {
  /** Each name to the byte, with its kind, mode, owner, size, target and time. */
  readonly names: readonly string[];
  readonly entries: Record<string, unknown>;
  /** The names of one file. */
  readonly links: readonly string[];
}

/** Sockets are never in a layer. */
async function look(root: string): Promise<Seen> {
  const found = execFileSync(
    'find',
    [
      '.',
      '-mindepth',
      '1',
      '!',
      '-type',
      's',
      '(',
      '-type',
      'd',
      '-printf',
      '%P|d|%m|%U|%G\\0',
      '-o',
      '-printf',
      '%P|%y|%m|%U|%G|%s|%l|%Ts\\0',
      ')',
    ],
    { cwd: root, encoding: 'latin1' },
  );
  const groups = new Map<string, string[]>();
  for (const { inode, path: at } of await scanTree({ root, path: '/', hash: false }))
    if (inode !== undefined) groups.set(inode, [...(groups.get(inode) ?? []), at]);
  const entries = Object.entries(await picture(root)).filter(
    ([, entry]) => (entry as { type: string }).type !== 'socket',
  );
  return {
    names: found.split('\0').filter(Boolean).sort(),
    entries: Object.fromEntries(entries),
    links: [...groups.values()]
      .filter((group) => group.length > 1)
      .map((group) => JSON.stringify(group.sort()))
      .sort(),
  };
}

async function merged<T>(
  parent: string,
  lowers: string[],
  work: (root: string) => Promise<T>,
  upper?: string,
): Promise<T> {
  const scratch = mkdtempSync(join(parent, 'merged-'));
  const [target = '', workdir = ''] = ['target', 'work'].map((each) => subdirectory(scratch, each));
  await mountOverlay({ target, lowers, ...(upper === undefined ? {} : { upper, work: workdir }) });
  try {
    return await work(target);
  } finally {
    await unmount(target);
  }
}

it.skipIf(!hasPython)(
  'layers give back whatever root did to the files',
  async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(change, { minLength: 3, maxLength: 25 }), { minLength: 1, maxLength: 3 }),
        fc.constantFrom('gzip' as const, 'zstd' as const),
        async (steps: readonly (readonly Change[])[], compression) => {
          const directory = mkdtempSync(join(testDirectory(), 'case-'));
          let laidOut: string[] = [];
          let adopted: string[] = [];
          for (const [index, changes] of steps.entries()) {
            const upper = subdirectory(directory, `upper-${index}`);
            const after = await merged(
              directory,
              adopted,
              async (root) => {
                run(['python3', '-c', CHANGER, root], Buffer.from(JSON.stringify(changes)));
                return look(root);
              },
              upper,
            );
            const blob = join(directory, `layer-${index}`);
            const layer = await writeUpperLayer({ upper, lowers: adopted, path: blob, compression });
            const target = subdirectory(directory, `layout-${index}`);
            await applyLayer({ blob, ...layer, target, lowers: laidOut });
            laidOut = [target, ...laidOut];
            adopted = [upper, ...adopted];
            expect(await merged(directory, laidOut, look)).toEqual(after);
            // The lay-out of the layer, and what the step left, are the same to whatever comes next.
            const again = join(directory, `again-${index}`);
            const same = await writeUpperLayer({
              upper: target,
              lowers: laidOut.slice(1),
              path: again,
              compression,
            });
            expect(same.diffId).toBe(layer.diffId);
          }
        },
      ),
      { numRuns: 12 },
    );
  },
  120_000,
);
