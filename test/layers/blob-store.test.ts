import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { run, subdirectory, testDirectory } from '../native/support.js';
import { sha256 } from '../native/tar.js';
import { openStores } from './stores.js';

const content = Buffer.from('a blob');
const digest = sha256(content);

describe('the blob store', () => {
  it('keeps a blob under its digest', async () => {
    const { blobs } = await openStores();
    expect(await blobs.has(digest)).toBe(false);
    await blobs.write(content, digest);
    expect([await blobs.has(digest), await blobs.size(digest)]).toEqual([true, 6]);
    expect(readFileSync(blobs.path(digest)).equals(content)).toBe(true);
    expect(await blobs.list()).toMatchObject([{ digest, sizeBytes: 6 }]);
    await blobs.remove(digest);
    await blobs.remove(digest);
    expect(await blobs.list()).toEqual([]);
  });

  it('takes streams, and refuses other bytes than promised without a trace', async () => {
    const { blobs, directory } = await openStores();
    async function* pieces(): AsyncGenerator<Buffer> {
      for (const byte of content) yield Buffer.from([byte]);
    }
    await blobs.write(pieces(), digest);
    const other = sha256(Buffer.from('other'));
    await expect(blobs.write(pieces(), other)).rejects.toMatchObject({ code: 'layer_invalid' });
    expect(await blobs.has(other)).toBe(false);
    expect(readdirSync(join(directory, 'blobs/tmp'))).toEqual([]);
  });

  it('commits a temporary by renaming it; discarding it afterwards is fine', async () => {
    const { blobs } = await openStores();
    const temporary = await blobs.newTemporary();
    writeFileSync(temporary, content);
    await blobs.commit(temporary, digest);
    await blobs.discard(temporary);
    expect(await blobs.size(digest)).toBe(6);
  });

  it('remembers when a blob was used', async () => {
    const { blobs } = await openStores();
    await blobs.write(content, digest);
    const [before] = await blobs.list();
    await blobs.touch(digest);
    // A touch is to the millisecond, a write to the nanosecond.
    expect((await blobs.list())[0]!.lastUsedAt).toBeGreaterThanOrEqual(Math.floor(before!.lastUsedAt));
    await blobs.touch(sha256(Buffer.from('none')));
  });

  it('says that the disk is full', async () => {
    const directory = testDirectory();
    run(['mount', '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', subdirectory(directory, 'blobs')]);
    const { blobs } = await openStores(directory);
    const large = Buffer.alloc(1 << 20);
    await expect(blobs.write(large, sha256(large))).rejects.toMatchObject({ code: 'disk_full' });
    expect(readdirSync(join(directory, 'blobs/tmp'))).toEqual([]);
  });

  it.each(['../../../etc/passwd', 'sha256:../x', 'latest'])('has no path for "%s"', async (wrong) => {
    const { blobs } = await openStores();
    expect(() => blobs.path(wrong)).toThrow(expect.objectContaining({ code: 'layer_invalid' }));
  });
});
