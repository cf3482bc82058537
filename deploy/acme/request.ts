/** A certificate signing request (RFC 2986) for one domain, signed by its own key. Pure. DER is little enough to be written here. */
import { createPublicKey, type KeyObject, sign } from 'node:crypto';

const SEQUENCE = 0x30;
const SET = 0x31;
const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OCTET_STRING = 0x04;
const OBJECT_ID = 0x06;
/** `[0]` of a sequence, and dNSName in a GeneralName (RFC 5280, 4.2.1.6). */
const CONTEXT_0 = 0xa0;
const DNS_NAME = 0x82;

/** 1.2.840.113549.1.9.14, 2.5.29.17 and 1.2.840.10045.4.3.2. */
const EXTENSION_REQUEST = Buffer.from('2a864886f70d01090e', 'hex');
const SUBJECT_ALT_NAME = Buffer.from('551d11', 'hex');
const ECDSA_WITH_SHA256 = Buffer.from('2a8648ce3d040302', 'hex');

/** `key` is on P-256. The subject is empty: the name is in subjectAltName, the only place where clients look. */
export function signingRequest(domain: string, key: KeyObject): Buffer {
  const names = der(SEQUENCE, der(DNS_NAME, Buffer.from(domain, 'ascii')));
  const extension = der(SEQUENCE, der(OBJECT_ID, SUBJECT_ALT_NAME), der(OCTET_STRING, names));
  const attribute = der(SEQUENCE, der(OBJECT_ID, EXTENSION_REQUEST), der(SET, der(SEQUENCE, extension)));
  const info = der(
    SEQUENCE,
    der(INTEGER, Buffer.of(0)),
    der(SEQUENCE),
    createPublicKey(key).export({ type: 'spki', format: 'der' }),
    der(CONTEXT_0, attribute),
  );
  const signature = Buffer.concat([Buffer.of(0), sign('sha256', info, key)]);
  return der(SEQUENCE, info, der(SEQUENCE, der(OBJECT_ID, ECDSA_WITH_SHA256)), der(BIT_STRING, signature));
}

function der(tag: number, ...content: readonly Buffer[]): Buffer {
  const body = Buffer.concat(content);
  const bytes: number[] = [];
  for (let rest = body.length; rest > 0; rest >>= 8) bytes.unshift(rest & 0xff);
  const length = body.length < 0x80 ? [body.length] : [0x80 | bytes.length, ...bytes];
  return Buffer.concat([Buffer.of(tag, ...length), body]);
}
