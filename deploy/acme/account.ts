/**
 * The key of this platform's account at the CA. Only the deployer has it; when it is lost, the next start makes another account, and
 * nothing else is lost.
 */
import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { link, open, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { makeDirectory, syncDirectory } from '../../src/durable.js';
import { isErrno, SlipwayError } from '../../src/errors.js';

/** Reads the file, or makes it; of several deployers that make it at once one wins. */
export async function accountKey(path: string): Promise<KeyObject> {
  const known = await readKey(path);
  if (known !== undefined) return known;
  await makeDirectory(dirname(path));
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const temporary = `${path}.${randomBytes(6).toString('hex')}`;
  const file = await open(temporary, 'wx', 0o600);
  try {
    await file.writeFile(privateKey.export({ type: 'pkcs8', format: 'pem' }));
    await file.sync();
    await link(temporary, path);
  } catch (thrown) {
    if (!isErrno(thrown, 'EEXIST')) throw thrown;
  } finally {
    await file.close();
    await rm(temporary, { force: true });
  }
  await syncDirectory(dirname(path));
  return (await readKey(path)) ?? privateKey;
}

async function readKey(path: string): Promise<KeyObject | undefined> {
  const pem = await readFile(path, 'utf8').catch((thrown: unknown) => {
    if (isErrno(thrown, 'ENOENT')) return undefined;
    throw thrown;
  });
  if (pem === undefined) return undefined;
  try {
    return createPrivateKey(pem);
  } catch {
    throw new SlipwayError('unavailable', 'the key of the ACME account cannot be read', {
      where: path,
      hint: 'restore it, or remove it: another account is made then',
    });
  }
}
