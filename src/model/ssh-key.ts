/** Public keys of users, as `ssh-keygen` writes them: one line, `TYPE BASE64 COMMENT`. What they hold is checked, not only their form. Pure. */
import { createHash } from 'node:crypto';
import { SlipwayError } from '../errors.js';

export interface SshKey {
  readonly type: string;
  /** The key itself (RFC 4253, section 6.6), in base64. */
  readonly blob: string;
  readonly comment: string;
  /** As `ssh-keygen -l` shows it: `SHA256:…` */
  readonly fingerprint: string;
}

/** Longer is no key: RSA with 16,384 bits has 2,800 characters. */
const LINE_LENGTH = 6000;
const COMMENT_LENGTH = 100;
const RSA_BITS = { min: 2048, max: 16_384 };

/** What follows the type within a key, by type. */
type Check = (fields: Buffer[]) => string | undefined;

const CURVE_BYTES: Readonly<Record<string, number>> = { nistp256: 65, nistp384: 97, nistp521: 133 };

const isEd25519: Check = ([key, ...rest]) =>
  key?.length === 32 && rest.length === 0 ? undefined : 'it does not hold 32 bytes';

function isEcdsa(curve: string): Check {
  return ([name, point, ...rest]) =>
    name?.toString('latin1') === curve &&
    point?.length === CURVE_BYTES[curve] &&
    point?.[0] === 4 &&
    rest.length === 0
      ? undefined
      : `it does not hold a point of ${curve}`;
}

/** Keys that live in a security key have its application behind them (PROTOCOL.u2f of OpenSSH). */
function isOnHardware(check: Check): Check {
  return (fields) =>
    fields.at(-1)?.toString('latin1').startsWith('ssh:') === true
      ? check(fields.slice(0, -1))
      : 'its application does not begin with ssh:';
}

const isRsa: Check = ([exponent, modulus, ...rest]) => {
  if (exponent === undefined || modulus === undefined || rest.length > 0)
    return 'it does not hold two numbers';
  const bits = bitsOf(modulus);
  if (bits < RSA_BITS.min) return `it has ${bits} bits, and at least ${RSA_BITS.min} are needed`;
  if (bits > RSA_BITS.max) return `it has ${bits} bits, and at most ${RSA_BITS.max} are taken`;
  return bitsOf(exponent) >= 2 && bitsOf(exponent) <= 64 ? undefined : 'its exponent is not usual';
};

const CHECKS: ReadonlyMap<string, Check> = new Map([
  ['ssh-ed25519', isEd25519],
  ['sk-ssh-ed25519@openssh.com', isOnHardware(isEd25519)],
  ['ecdsa-sha2-nistp256', isEcdsa('nistp256')],
  ['ecdsa-sha2-nistp384', isEcdsa('nistp384')],
  ['ecdsa-sha2-nistp521', isEcdsa('nistp521')],
  ['sk-ecdsa-sha2-nistp256@openssh.com', isOnHardware(isEcdsa('nistp256'))],
  ['ssh-rsa', isRsa],
]);

/** Throws `bad_request` saying what is wrong with it. Never repeats what may be a private key. */
export function parseSshKey(text: string): SshKey {
  if (text.includes('PRIVATE KEY')) throw noKey('this is a private key: keep it to yourself', PUBLIC);
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== '' && !line.startsWith('#'));
  const [line = '', ...more] = lines;
  if (line === '') throw noKey('there is no key', PUBLIC);
  if (more.length > 0) throw noKey(`there are ${lines.length} lines`, 'add one key after the other');
  if (line.length > LINE_LENGTH) throw noKey('the line is too long for a key', PUBLIC);
  const [type = '', blob = '', ...comment] = line.trim().split(/\s+/);
  const check = CHECKS.get(type);
  if (check === undefined) throw unknownType(type);
  const problem = faultOf(type, blob, check);
  if (problem !== undefined) throw noKey(`the ${type} key is damaged or weak: ${problem}`, PUBLIC);
  return {
    type,
    blob,
    comment: comment
      .join(' ')
      .replace(/\p{Cc}/gu, '')
      .slice(0, COMMENT_LENGTH),
    fingerprint: fingerprintOf(blob),
  };
}

export function fingerprintOf(blob: string): string {
  const hash = createHash('sha256').update(Buffer.from(blob, 'base64')).digest('base64');
  return `SHA256:${hash.replace(/=+$/, '')}`;
}

const PUBLIC = 'give the public one, the line in ~/.ssh/id_ed25519.pub; `ssh-keygen -t ed25519` makes a pair';

function faultOf(type: string, blob: string, check: Check): string | undefined {
  const bytes = Buffer.from(blob, 'base64');
  // What decodes to the same key is the same text: else one key could be added twice.
  if (blob === '' || bytes.toString('base64') !== blob) return 'it is not base64';
  const [name, ...fields] = fieldsOf(bytes) ?? [];
  if (name === undefined) return 'it is cut off';
  if (name.toString('latin1') !== type) return 'it is of another type';
  return check(fields);
}

/** RFC 4251, section 5, "string": a length as uint32, and the bytes. Undefined when they do not come out even. */
function fieldsOf(bytes: Buffer): Buffer[] | undefined {
  const fields: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (at + 4 > bytes.length) return undefined;
    const end = at + 4 + bytes.readUInt32BE(at);
    if (end > bytes.length) return undefined;
    fields.push(bytes.subarray(at + 4, end));
    at = end;
  }
  return fields;
}

/** Of an mpint (RFC 4251, section 5); 0 for a negative one, and one with zeros that it does not need. */
function bitsOf(number: Buffer): number {
  const [first = 0, second = 0] = number;
  if (first >= 0x80 || (first === 0 && second < 0x80)) return 0;
  const digits = number.subarray(first === 0 ? 1 : 0);
  return digits.length === 0 ? 0 : (digits.length - 1) * 8 + (32 - Math.clz32(digits[0] ?? 0));
}

function unknownType(type: string): SlipwayError {
  const shown = JSON.stringify(type.slice(0, 40));
  if (type === 'ssh-dss') return noKey('DSA keys are broken', 'make another: ssh-keygen -t ed25519');
  if (type.includes('-cert-v01@')) return noKey('this is a certificate', 'give the key it was made for');
  if (type.includes('=') || type.includes(','))
    return noKey('there are options before the key', 'give the key alone: type, key, comment');
  return noKey(`keys of the type ${shown} are not taken`, `these are: ${[...CHECKS.keys()].join(', ')}`);
}

function noKey(message: string, hint: string): SlipwayError {
  return new SlipwayError('bad_request', message, { where: 'SSH key', hint });
}
