import { describe, expect, it } from 'vitest';
import { parseSshKey } from '../../src/model/ssh-key.js';
import { makeSshKey } from '../support/ssh-keys.js';

const { line: ed25519 } = await makeSshKey();
const [type = '', blob = ''] = ed25519.split(' ');

/** A key of these fields (RFC 4251, "string"). */
function keyOf(name: string, ...fields: (Buffer | string)[]): string {
  const parts = [name, ...fields].flatMap((field) => {
    const bytes = Buffer.from(field);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    return [length, bytes];
  });
  return `${name} ${Buffer.concat(parts).toString('base64')} x@y`;
}

const POINT = Buffer.concat([Buffer.of(4), Buffer.alloc(64, 7)]);

describe('a public key', () => {
  it.each([
    ['-t', 'ed25519'],
    ['-t', 'ecdsa', '-b', '256'],
    ['-t', 'ecdsa', '-b', '384'],
    ['-t', 'ecdsa', '-b', '521'],
    ['-t', 'rsa', '-b', '2048'],
  ])('of ssh-keygen %s %s %s %s is read, with the fingerprint that ssh-keygen shows', async (...args) => {
    const made = await makeSshKey(args.filter((arg) => arg !== undefined));
    expect(parseSshKey(`${made.line}\n`)).toMatchObject({
      type: made.line.split(' ')[0],
      blob: made.line.split(' ')[1],
      comment: 'alice@laptop',
      fingerprint: made.fingerprint,
    });
  });

  it('of a security key is read', () => {
    for (const line of [
      keyOf('sk-ssh-ed25519@openssh.com', Buffer.alloc(32, 7), 'ssh:'),
      keyOf('sk-ecdsa-sha2-nistp256@openssh.com', 'nistp256', POINT, 'ssh:laptop'),
    ])
      expect(parseSshKey(line).type).toBe(line.split(' ')[0]);
  });

  it('may have blanks around it, other lines that say nothing, and a comment with blanks or none', () => {
    expect(parseSshKey(`# mine\n\n  ${type}   ${blob}   my old laptop \r\n`).comment).toBe('my old laptop');
    expect(parseSshKey(`${type} ${blob}`).comment).toBe('');
    expect(parseSshKey(`${type} ${blob} a\u001b[31mb`).comment).toBe('a[31mb');
  });

  it('keeps a long comment short', () => {
    expect(parseSshKey(`${type} ${blob} ${'x'.repeat(1000)}`).comment).toHaveLength(100);
  });
});

describe('refused is', () => {
  it.each([
    ['nothing', '', 'there is no key'],
    ['one word', 'x', 'keys of the type "x" are not taken'],
    ['a type alone', 'ssh-ed25519', 'not base64'],
    ['two keys', `${ed25519}\n${ed25519}`, 'there are 2 lines'],
    ['a private key', '-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n', 'this is a private key'],
    ['options', `command="id" ${ed25519}`, 'options before the key'],
    ['options alone', `no-pty,restrict ${ed25519}`, 'options before the key'],
    ['DSA', `ssh-dss ${blob}`, 'DSA keys are broken'],
    ['a certificate', `ssh-ed25519-cert-v01@openssh.com ${blob}`, 'this is a certificate'],
    ['another type than it says', `ssh-rsa ${blob}`, 'of another type'],
    ['what is cut off', `${type} ${blob.slice(0, -8)}`, 'cut off'],
    ['what has more behind it', `${type} ${blob}AAAA`, 'cut off'],
    ['base64 that is not its one form', `${type} ${blob.slice(0, 4)}!${blob.slice(4)}`, 'not base64'],
    ['base64url', keyOf('ssh-ed25519', Buffer.alloc(32, 255)).replaceAll('/', '_'), 'not base64'],
    ['an ed25519 key of 31 bytes', keyOf('ssh-ed25519', Buffer.alloc(31)), '32 bytes'],
    ['an ed25519 key with a second field', keyOf('ssh-ed25519', Buffer.alloc(32), 'x'), '32 bytes'],
    ['a curve of another name', keyOf('ecdsa-sha2-nistp256', 'nistp384', POINT), 'a point of nistp256'],
    ['a compressed point', keyOf('ecdsa-sha2-nistp256', 'nistp256', Buffer.alloc(33, 2)), 'a point'],
    [
      'another application than ssh',
      keyOf('sk-ssh-ed25519@openssh.com', Buffer.alloc(32, 7), 'https://x'),
      'its application',
    ],
    ['RSA with a negative modulus', keyOf('ssh-rsa', Buffer.of(1, 0, 1), Buffer.alloc(256, 255)), '0 bits'],
    [
      'RSA with the exponent 1',
      keyOf('ssh-rsa', Buffer.of(1), Buffer.concat([Buffer.of(0), Buffer.alloc(256, 255)])),
      'its exponent',
    ],
    [
      'RSA with 20,000 bits',
      keyOf('ssh-rsa', Buffer.of(1, 0, 1), Buffer.concat([Buffer.of(0), Buffer.alloc(2500, 255)])),
      'at most 16384',
    ],
    ['a line of a megabyte', `${type} ${'A'.repeat(1024 * 1024)}`, 'too long'],
  ])('%s', (_, text, says) => {
    expect(() => parseSshKey(text)).toThrow(
      expect.objectContaining({ code: 'bad_request', message: expect.stringContaining(says) }),
    );
  });

  it('RSA with 1,024 bits', async () => {
    const { line } = await makeSshKey(['-t', 'rsa', '-b', '1024']);
    expect(() => parseSshKey(line)).toThrow('it has 1024 bits, and at least 2048 are needed');
  });

  it('a private key without a word of it', () => {
    try {
      parseSshKey('-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n-----END OPENSSH PRIVATE KEY-----');
      expect.unreachable();
    } catch (error) {
      expect(JSON.stringify(error) + String(error)).not.toContain('c2VjcmV0');
    }
  });
});
