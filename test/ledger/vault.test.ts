import { chmod, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { SlipwayError } from '../../src/errors.js';
import { Vault } from '../../src/ledger/vault.js';
import { temporaryDirectory } from '../support/directories.js';

let path: string;

beforeEach(async () => {
  path = join(await temporaryDirectory(), 'new', 'secret.key');
});

function thrownBy(act: () => unknown): SlipwayError {
  try {
    act();
  } catch (thrown) {
    if (thrown instanceof SlipwayError) return thrown;
  }
  throw new Error('nothing was thrown');
}

describe('the key file', () => {
  it('is created once, for its owner only, and used from then on', async () => {
    const sealed = (await Vault.open(path)).seal('hello', 'FOO', 'bar');
    const { mode, size } = await stat(path);
    expect([mode & 0o777, size]).toEqual([0o600, 32]);
    expect((await Vault.open(path)).unseal('hello', 'FOO', sealed)).toBe('bar');
  });

  it('is one and the same when many processes start on an empty home', async () => {
    const vaults = await Promise.all(Array.from({ length: 10 }, () => Vault.open(path)));
    const sealed = vaults[0]!.seal('hello', 'FOO', 'bar');
    for (const vault of vaults) expect(vault.unseal('hello', 'FOO', sealed)).toBe('bar');
    expect(await readdir(dirname(path))).toEqual(['secret.key']);
  });

  it.each([0, 31, 33])('of %i bytes is refused', async (size) => {
    await Vault.open(path);
    await writeFile(path, Buffer.alloc(size));
    await expect(Vault.open(path)).rejects.toMatchObject({ code: 'invalid_config', where: path });
    expect((await readFile(path)).length).toBe(size);
  });

  it('that others may read is refused with what to do', async () => {
    await Vault.open(path);
    await chmod(path, 0o644);
    await expect(Vault.open(path)).rejects.toMatchObject({
      code: 'invalid_config',
      hint: `chmod 600 ${path}`,
    });
  });

  it('that was lost is told apart from a damaged value', async () => {
    const sealed = (await Vault.open(path)).seal('hello', 'FOO', 'bar');
    await rm(path);
    const other = await Vault.open(path);
    const error = thrownBy(() => other.unseal('hello', 'FOO', sealed));
    expect(error).toMatchObject({ code: 'unavailable', where: path });
    expect(error.message).toContain('another key');
    expect(error.hint).toContain('config:set FOO=');
  });
});

describe('a sealed value', () => {
  it('comes back as it was, whatever it is', async () => {
    const vault = await Vault.open(path);
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(vault.unseal('hello', 'FOO', vault.seal('hello', 'FOO', text))).toBe(text);
      }),
    );
  });

  it('differs each time and does not show the value', async () => {
    const vault = await Vault.open(path);
    const [first, second] = [vault.seal('hello', 'FOO', 'hunter2'), vault.seal('hello', 'FOO', 'hunter2')];
    expect(first).not.toBe(second);
    expect(Buffer.from(first.split('.')[2]!, 'base64url').includes('hunter2')).toBe(false);
  });

  it('belongs to its app and its name', async () => {
    const vault = await Vault.open(path);
    const sealed = vault.seal('hello', 'FOO', 'bar');
    expect(thrownBy(() => vault.unseal('other', 'FOO', sealed)).code).toBe('unavailable');
    expect(thrownBy(() => vault.unseal('hello', 'BAR', sealed)).code).toBe('unavailable');
  });

  it('is refused after any change of one character, without a word of its content', async () => {
    const vault = await Vault.open(path);
    const sealed = vault.seal('hello', 'FOO', 'hunter2');
    for (let at = 0; at < sealed.length; at += 1) {
      const changed = sealed.slice(0, at) + (sealed[at] === 'A' ? 'B' : 'A') + sealed.slice(at + 1);
      // The last character of base64 may hold bits that mean nothing.
      if (
        Buffer.from(changed, 'base64url').equals(Buffer.from(sealed, 'base64url')) ||
        at === sealed.length - 1
      )
        continue;
      const error = thrownBy(() => vault.unseal('hello', 'FOO', changed));
      expect(error.code).toBe('unavailable');
      expect(error.message).not.toContain('hunter2');
    }
  });

  it.each(['', 'plain', 'v1.', 'v1.00000000.', 'v1.00000000.AAAA', 'v2.00000000.AAAA'])(
    'is not %j',
    async (text) => {
      const vault = await Vault.open(path);
      expect(thrownBy(() => vault.unseal('hello', 'FOO', text)).code).toBe('unavailable');
    },
  );
});
