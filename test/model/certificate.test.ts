import { describe, expect, it } from 'vitest';
import { checkPair } from '../../src/model/certificate.js';
import { makeCertificate } from '../support/certificates.js';

const DAY_MS = 86_400_000;

describe('a certificate with its key', () => {
  it('is read: names, end, and the chain without what stands between', async () => {
    const ca = await makeCertificate([], { ca: true, subject: '/CN=authority' });
    const made = await makeCertificate(['b.test', '*.a.test', 'b.test', 'localhost'], { signedBy: ca });
    const pair = checkPair(`Subject: x\n${made.certificate}junk\n\n${ca.certificate}`, made.key, Date.now());
    expect(pair.names).toEqual(['*.a.test', 'b.test']);
    expect(pair.id).toMatch(/^[0-9a-f]{16}$/);
    expect(pair.chain.match(/BEGIN/g)).toHaveLength(2);
    expect(pair.chain).not.toMatch(/junk|Subject|\n\n/);
    const days = (Date.parse(pair.expiresAt) - Date.now()) / DAY_MS;
    expect(Math.round(days)).toBe(30);
  });

  it('is refused with the reason, and without a byte of the key', async () => {
    const ca = await makeCertificate([], { ca: true, subject: '/CN=authority' });
    const [one, other] = [
      await makeCertificate(['a.test'], { signedBy: ca }),
      await makeCertificate(['a.test']),
    ];
    const rsa = (bits: number): Promise<{ certificate: string; key: string }> =>
      makeCertificate(['a.test'], { newKey: ['-newkey', `rsa:${bits}`] });
    const [small, expired, nameless] = [
      await rsa(1024),
      await makeCertificate(['a.test'], { days: -1 }),
      await makeCertificate([], { subject: '/CN=a.test' }),
    ];
    const sha1 = await makeCertificate(['a.test'], { digest: '-sha1', signedBy: ca });
    const now = Date.now();
    const cases: [string, string, RegExp][] = [
      [one.certificate, other.key, /does not belong/],
      [ca.certificate + one.certificate, one.key, /does not belong/],
      [one.certificate + other.certificate, one.key, /not in order/],
      [small.certificate, small.key, /not strong enough/],
      [expired.certificate, expired.key, /has expired/],
      [nameless.certificate, nameless.key, /names no domain/],
      [sha1.certificate, sha1.key, /SHA-1/],
      ['', one.key, /no PEM certificate/],
      [one.key, one.key, /no PEM certificate/],
      ['-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n', one.key, /no certificate/],
      [one.certificate, one.certificate, /no private key/],
      [one.certificate, '', /no private key/],
      [one.certificate + ca.certificate.repeat(1), one.key.replace('BEGIN', 'BEGUN'), /no private key/],
    ];
    for (const [certificate, key, reason] of cases) {
      let caught: Error | undefined;
      try {
        checkPair(certificate, key, now);
      } catch (error) {
        caught = error as Error;
      }
      expect(caught, String(reason)).toMatchObject({
        code: 'invalid_config',
        message: expect.stringMatching(reason),
      });
      expect(JSON.stringify([caught, caught?.message, caught?.stack])).not.toContain(
        key.split('\n')[1] || 'nothing',
      );
    }
    expect(() => checkPair(one.certificate, one.key, now - DAY_MS)).toThrowError(/not valid yet/);
    expect(checkPair(expired.certificate, expired.key).names).toEqual(['a.test']);
  });
});
