/** Certificates made by openssl, signed by themselves or by a CA of the test's own. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from './directories.js';

export interface MadeCertificate {
  readonly certificate: string;
  readonly key: string;
}

export interface CertificateOptions {
  /** Below 0: it has expired. */
  readonly days?: number;
  /** As `-newkey` takes it. */
  readonly newKey?: readonly string[];
  readonly subject?: string;
  /** Signed by this one instead of by itself. */
  readonly signedBy?: MadeCertificate;
  /** It may sign others. */
  readonly ca?: boolean;
  /** `-sha1`. */
  readonly digest?: string;
}

const P256 = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];

export async function makeCertificate(
  names: readonly string[],
  {
    days = 30,
    newKey = P256,
    subject = '/CN=test',
    signedBy,
    ca = false,
    digest = '-sha256',
  }: CertificateOptions = {},
): Promise<MadeCertificate> {
  const directory = await temporaryDirectory();
  const [key, cert, request] = ['key.pem', 'cert.pem', 'request.pem'].map((name) =>
    join(directory, name),
  ) as [string, string, string];
  const extensions = join(directory, 'extensions');
  const alternative =
    names.length === 0 ? '' : `subjectAltName=${names.map((name) => `DNS:${name}`).join(',')}\n`;
  writeFileSync(extensions, `${alternative}basicConstraints=${ca ? 'critical,CA:TRUE' : 'CA:FALSE'}\n`);
  const openssl = (...args: readonly string[]): void => void execFileSync('openssl', args, { stdio: 'pipe' });
  openssl('req', '-new', ...newKey, '-nodes', '-subj', subject, '-keyout', key, '-out', request);
  const signing = [
    'x509',
    '-req',
    '-in',
    request,
    '-out',
    cert,
    '-days',
    String(days),
    '-extfile',
    extensions,
    digest,
  ];
  if (signedBy === undefined) openssl(...signing, '-signkey', key);
  else {
    const [signer, signerKey] = [join(directory, 'signer.pem'), join(directory, 'signer-key.pem')];
    writeFileSync(signer, signedBy.certificate);
    writeFileSync(signerKey, signedBy.key);
    openssl(...signing, '-CA', signer, '-CAkey', signerKey, '-CAcreateserial');
  }
  return { certificate: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
}
