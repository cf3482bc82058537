/** Certificates of an app's domains: what is kept of one, and what is checked before. Pure. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { SlipwayError } from '../errors.js';
import { checkDomain } from './domain.js';

export interface AppCertificate {
  /** The first 16 hexadecimal digits of the SHA-256 of the certificate itself. */
  readonly id: string;
  /** PEM: the certificate, then those that it was signed by. */
  readonly chain: string;
  /** PEM, encrypted as config vars are. */
  readonly key: string;
  readonly names: readonly string[];
  readonly expiresAt: string;
  /** Brought by a person, or fetched over ACME. */
  readonly source: 'own' | 'acme';
  readonly addedAt: string;
  readonly addedBy: string;
}

/** The last attempt to fetch a certificate for a domain, when it failed. */
export interface FailedAttempt {
  /** How many in a row. */
  readonly failures: number;
  readonly at: string;
  readonly reason: string;
}

export interface AppCertificates {
  /** Certificates are fetched and renewed over ACME for domains that have none. */
  readonly automatic: boolean;
  readonly certificates: readonly AppCertificate[];
  /** By domain. */
  readonly attempts?: Readonly<Record<string, FailedAttempt>>;
}

export interface Pair extends Pick<AppCertificate, 'id' | 'chain' | 'names' | 'expiresAt'> {
  /** PEM, in clear. */
  readonly key: string;
}

/** HAProxy takes one in a single buffer of 16 KiB, and commands around it. */
const PEM_BYTES = 15_000;
const MIN_RSA_BITS = 2048;
const CURVES: ReadonlySet<string> = new Set(['prime256v1', 'secp384r1', 'secp521r1']);
/** DER of md5WithRSAEncryption, sha1WithRSAEncryption (RFC 3279, 2.2.1) and ecdsa-with-SHA1 (2.2.3). */
const WEAK_SIGNATURES = ['06092a864886f70d010104', '06092a864886f70d010105', '06072a8648ce3d0401'];
const PEM_BLOCK = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+?-----END CERTIFICATE-----/g;

/** Throws `invalid_config` saying what does not fit, and never a byte of the key. Without `now` it may have expired. */
export function checkPair(certificatePem: string, keyPem: string, now?: number): Pair {
  const chain = parseChain(certificatePem);
  const [leaf, ...signers] = chain;
  if (leaf === undefined) throw refuse('the certificate file holds no PEM certificate');
  const key = parseKey(keyPem);
  if (!leaf.checkPrivateKey(key))
    throw refuse(
      'the key does not belong to the certificate',
      'the certificate itself comes first in its file',
    );
  chain.forEach(checkStrength);
  if (now !== undefined && Date.parse(leaf.validTo) <= now)
    throw refuse(`the certificate has expired (${leaf.validTo})`);
  if (now !== undefined && Date.parse(leaf.validFrom) > now)
    throw refuse(`the certificate is not valid yet (from ${leaf.validFrom})`);
  chain.slice(0, -1).forEach((certificate, index) => {
    const signer = signers[index];
    if (signer !== undefined && !certificate.checkIssued(signer))
      throw refuse(
        'the chain is not in order',
        'the file has the certificate first, then each one that signed the one before',
      );
  });
  const names = namesOf(leaf);
  if (names.length === 0)
    throw refuse('the certificate names no domain', 'clients look at its subjectAltName only');
  const pair = {
    id: leaf.fingerprint256.replaceAll(':', '').slice(0, 16).toLowerCase(),
    chain: chain.map(String).join(''),
    key: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
    names,
    expiresAt: new Date(leaf.validTo).toISOString(),
  };
  if (pair.chain.length + pair.key.length > PEM_BYTES)
    throw refuse(
      `certificate, chain and key have more than ${PEM_BYTES} bytes`,
      'leave out the root certificate',
    );
  return pair;
}

function parseChain(pem: string): X509Certificate[] {
  return (pem.match(PEM_BLOCK) ?? []).map((block) => {
    try {
      return new X509Certificate(block);
    } catch {
      throw refuse('the certificate file holds something that is no certificate');
    }
  });
}

function parseKey(pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    throw refuse(
      'the key file holds no private key in PEM',
      'one with a passphrase is decrypted first: openssl pkey -in KEY',
    );
  }
}

/** OpenSSL refuses to serve others, as Debian sets it up (security level 2), and HAProxy would not start. */
function checkStrength(certificate: X509Certificate): void {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details = {} } = certificate.publicKey;
  const isStrong =
    (type === 'rsa' && (details.modulusLength ?? 0) >= MIN_RSA_BITS) ||
    (type === 'ec' && CURVES.has(details.namedCurve ?? ''));
  if (!isStrong) {
    throw refuse(
      'its key, or one that it was signed with, is not strong enough or of a kind that browsers do not take',
      `use RSA of at least ${MIN_RSA_BITS} bits, or EC on P-256, P-384 or P-521`,
    );
  }
  const der = certificate.raw.toString('hex');
  const isRoot = certificate.checkIssued(certificate);
  if (!isRoot && WEAK_SIGNATURES.some((id) => der.includes(id)))
    throw refuse('the certificate is signed with SHA-1 or MD5', 'have it signed with SHA-256');
}

/** Those that an app could have; an address or a name within a network is of no use here. */
function namesOf(leaf: X509Certificate): string[] {
  const written = (leaf.subjectAltName ?? '')
    .split(', ')
    .flatMap((part) => /^DNS:(\S+)$/.exec(part)?.[1] ?? []);
  const names = written.flatMap((name) => {
    try {
      return [checkDomain(name)];
    } catch {
      return [];
    }
  });
  return [...new Set(names)].sort();
}

function refuse(message: string, hint?: string): SlipwayError {
  return new SlipwayError('invalid_config', message, hint === undefined ? {} : { hint });
}
