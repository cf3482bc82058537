/**
 * Encrypts config vars (invariant 10). One key file per platform; per app a key derived from it (HKDF, RFC 5869), so
 * that a value moved to another app or another name does not decrypt. AES-256-GCM with a random 96-bit nonce
 * (NIST SP 800-38D §8.2.2).
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { link, open, readFile, stat, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { makeDirectory, syncDirectory } from '../durable.js';
import { isErrno, SlipwayError } from '../errors.js';

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** `v1.<key id>.<nonce, ciphertext and tag as base64url>`. The key id tells a lost key from a damaged value. */
const SEALED = /^v1\.([0-9a-f]{8})\.([A-Za-z0-9_-]+)$/;

export class Vault {
  readonly #key: Buffer;
  readonly #keyPath: string;
  readonly #keyId: string;
  readonly #appKeys = new Map<string, Buffer>();

  private constructor(key: Buffer, keyPath: string) {
    this.#key = key;
    this.#keyPath = keyPath;
    this.#keyId = this.#derive('slipway key id', 4).toString('hex');
  }

  /** Reads the key file, or creates it (0600) where there is none. Throws `invalid_config` for one that is unusable. */
  static async open(keyPath: string): Promise<Vault> {
    let key: Buffer;
    try {
      key = await readKey(keyPath);
    } catch (thrown) {
      if (!isErrno(thrown, 'ENOENT')) throw thrown;
      await createKey(keyPath);
      key = await readKey(keyPath);
    }
    return new Vault(key, keyPath);
  }

  seal(app: string, name: string, plaintext: string): string {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#appKey(app), nonce).setAAD(associated(app, name));
    const sealed = Buffer.concat([
      nonce,
      cipher.update(plaintext, 'utf8'),
      cipher.final(),
      cipher.getAuthTag(),
    ]);
    return `v1.${this.#keyId}.${sealed.toString('base64url')}`;
  }

  /** Throws `unavailable`, without a byte of the value, when it was sealed with another key or is damaged. */
  unseal(app: string, name: string, ciphertext: string): string {
    const [, keyId, encoded = ''] = SEALED.exec(ciphertext) ?? [];
    if (keyId !== undefined && keyId !== this.#keyId) {
      throw new SlipwayError(
        'unavailable',
        `${name} of ${app} was encrypted with another key than this platform has`,
        {
          where: this.#keyPath,
          hint: `restore the key file that belongs to this data, or set the var again: slipway config:set ${name}=… -a ${app}`,
        },
      );
    }
    const sealed = Buffer.from(encoded, 'base64url');
    try {
      const decipher = createDecipheriv('aes-256-gcm', this.#appKey(app), sealed.subarray(0, NONCE_BYTES), {
        authTagLength: TAG_BYTES,
      });
      decipher.setAAD(associated(app, name)).setAuthTag(sealed.subarray(-TAG_BYTES));
      const plaintext = decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES));
      return Buffer.concat([plaintext, decipher.final()]).toString('utf8');
    } catch (thrown) {
      throw new SlipwayError('unavailable', `the encrypted value of ${name} of ${app} is damaged`, {
        hint: `set it again: slipway config:set ${name}=… -a ${app}`,
        cause: thrown,
      });
    }
  }

  #appKey(app: string): Buffer {
    const known = this.#appKeys.get(app);
    if (known !== undefined) return known;
    const key = this.#derive(`slipway config vars of ${app}`, KEY_BYTES);
    this.#appKeys.set(app, key);
    return key;
  }

  #derive(purpose: string, bytes: number): Buffer {
    return Buffer.from(hkdfSync('sha256', this.#key, '', purpose, bytes));
  }
}

/** Neither an app's nor a var's name can hold a NUL, so no two pairs are the same bytes. */
function associated(app: string, name: string): Buffer {
  return Buffer.from(`${app}\0${name}`);
}

async function readKey(path: string): Promise<Buffer> {
  const { mode } = await stat(path);
  const problem = (message: string, hint: string): SlipwayError =>
    new SlipwayError('invalid_config', message, { where: path, hint });
  if ((mode & 0o077) !== 0) {
    throw problem('other users of this machine may read the key file', `chmod 600 ${path}`);
  }
  const key = await readFile(path);
  if (key.length !== KEY_BYTES) {
    throw problem(
      `the key file must hold ${KEY_BYTES} bytes, not ${key.length}`,
      'restore it from a backup; without it the config vars set so far cannot be read',
    );
  }
  return key;
}

/** The file has its name only when its content is on disk, and link(2) lets one of several creators win. */
async function createKey(path: string): Promise<void> {
  await makeDirectory(dirname(path));
  const temporary = `${path}.${randomBytes(6).toString('hex')}`;
  const file = await open(temporary, 'wx', 0o600);
  try {
    await file.writeFile(randomBytes(KEY_BYTES));
    await file.sync();
    await link(temporary, path);
  } catch (thrown) {
    if (!isErrno(thrown, 'EEXIST')) throw thrown;
  } finally {
    await file.close();
    await unlink(temporary);
  }
  await syncDirectory(dirname(path));
}
