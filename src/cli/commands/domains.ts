/** What the edge does for an app: domains, certificates, maintenance. */
import { readFile } from 'node:fs/promises';
import type { CertificatesView, DomainView, Effect } from '../../api/domains.js';
import { isErrno, SlipwayError } from '../../errors.js';
import type { Maintenance } from '../../ledger/edge-documents.js';
import { checkDomain } from '../../model/domain.js';
import { printable, shortTime, table } from '../output.js';
import { type Command, EXIT, type ExitCode, type Invocation } from '../usage.js';

/** What was asked for is kept; whether it is in effect too is said here. */
function tellEffect({ output }: Invocation, { served, problems }: Effect): void {
  if (!served) output.problem(['stored, and in effect as soon as the deployer is back', ...problems]);
  else output.problem(problems);
}

function domainLines(domains: readonly DomainView[]): string[] {
  const rows = domains.map(({ name, url, certificate }) => [name, certificate ?? 'none', url]);
  return table(['DOMAIN', 'CERTIFICATE', 'URL'], rows);
}

const domains: Command = {
  name: 'domains',
  aliases: ['domains:list'],
  usage: '',
  help: 'List the names that an app answers to.',
  examples: ['slipway domains -a hello'],
  args: { min: 0, max: 0 },
  async run(invocation) {
    const app = await invocation.app();
    const found = await (await invocation.client()).get<{ domains: DomainView[] }>(`/v1/apps/${app}/domains`);
    invocation.output.result(found.domains, domainLines(found.domains));
    return EXIT.done;
  },
};

type Changed = Effect & { readonly domains: readonly DomainView[] };

function showDomains(invocation: Invocation, changed: Changed): ExitCode {
  invocation.output.result(changed, domainLines(changed.domains));
  tellEffect(invocation, changed);
  return EXIT.done;
}

const addDomains: Command = {
  name: 'domains:add',
  usage: 'NAME...',
  help: 'Have an app answer to more names, at once. `*.example.com` is all names one label below it.',
  examples: [
    'slipway domains:add www.example.com example.com',
    "slipway domains:add '*.example.com' -a hello",
  ],
  notes: ['In the DNS, point each name at the address of the edge.'],
  args: { min: 1, max: 100 },
  async run(invocation) {
    const add = invocation.args.map(checkDomain);
    const app = await invocation.app();
    return showDomains(
      invocation,
      await (await invocation.client()).patch<Changed>(`/v1/apps/${app}/domains`, { add }),
    );
  },
};

const removeDomains: Command = {
  name: 'domains:remove',
  usage: 'NAME...',
  help: 'Take names away from an app, at once.',
  examples: ['slipway domains:remove www.example.com'],
  args: { min: 1, max: 100 },
  async run(invocation) {
    const remove = invocation.args.map(checkDomain);
    const app = await invocation.app();
    return showDomains(
      invocation,
      await (await invocation.client()).patch<Changed>(`/v1/apps/${app}/domains`, { remove }),
    );
  },
};

const clearDomains: Command = {
  name: 'domains:clear',
  usage: '',
  help: 'Take all names away from an app but its own host.',
  examples: ['slipway domains:clear -a hello'],
  args: { min: 0, max: 0 },
  async run(invocation) {
    const app = await invocation.app();
    return showDomains(
      invocation,
      await (await invocation.client()).delete<Changed>(`/v1/apps/${app}/domains`),
    );
  },
};

function certificateLines({ automatic, certificates, attempts }: CertificatesView): string[] {
  const rows = certificates.map(({ id, names, expiresAt, source, addedBy }) => [
    id,
    source === 'acme' ? 'ACME' : 'own',
    shortTime(expiresAt),
    addedBy,
    names.join(', '),
  ]);
  return [
    ...(rows.length === 0
      ? ['no certificates']
      : table(['CERTIFICATE', 'FROM', 'UNTIL', 'BY', 'NAMES'], rows)),
    automatic ? 'fetched and renewed for domains without one' : 'not fetched: slipway certs:auto turns it on',
    ...Object.entries(attempts).map(
      ([domain, { at, failures, reason }]) =>
        `none for ${domain}: ${printable(reason)} (attempt ${failures}, ${shortTime(at)})`,
    ),
  ];
}

const certs: Command = {
  name: 'certs',
  aliases: ['certs:list'],
  usage: '',
  help: "List the certificates of an app's domains.",
  examples: ['slipway certs -a hello'],
  args: { min: 0, max: 0 },
  async run(invocation) {
    const app = await invocation.app();
    const found = await (await invocation.client()).get<CertificatesView>(`/v1/apps/${app}/certs`);
    invocation.output.result(found, certificateLines(found));
    return EXIT.done;
  },
};

function showCertificates(invocation: Invocation, changed: CertificatesView & Effect): ExitCode {
  invocation.output.result(changed, certificateLines(changed));
  tellEffect(invocation, changed);
  return EXIT.done;
}

const addCert: Command = {
  name: 'certs:add',
  usage: 'CERT KEY',
  help: `Serve an app's domains over HTTPS with this certificate. HTTP is sent on to HTTPS from then on.
CERT is a PEM file with the certificate and those that it was signed by, KEY one with its private key.`,
  examples: ['slipway certs:add fullchain.pem privkey.pem -a hello'],
  onlyHere: true,
  args: { min: 2, max: 2 },
  async run(invocation) {
    const [certificate = '', key = ''] = await Promise.all(invocation.args.map(readPem));
    const app = await invocation.app();
    return showCertificates(
      invocation,
      await (await invocation.client()).post<CertificatesView & Effect>(`/v1/apps/${app}/certs`, {
        certificate,
        key,
      }),
    );
  },
};

const removeCert: Command = {
  name: 'certs:remove',
  usage: 'CERTIFICATE',
  help: 'Take a certificate away from an app.',
  examples: ['slipway certs:remove 3fa9c1d2e4b5a697'],
  args: { min: 1, max: 1 },
  async run(invocation) {
    const app = await invocation.app();
    const id = encodeURIComponent(invocation.args[0] ?? '');
    return showCertificates(
      invocation,
      await (await invocation.client()).delete<CertificatesView & Effect>(`/v1/apps/${app}/certs/${id}`),
    );
  },
};

const autoCerts: Command = {
  name: 'certs:auto',
  usage: '',
  help: `Fetch and renew certificates for the domains of an app over ACME.
Wildcards are left out: a CA does not check them over HTTP.`,
  examples: ['slipway certs:auto -a hello', 'slipway certs:auto --off -a hello'],
  args: { min: 0, max: 0 },
  options: { off: { type: 'boolean', help: 'stop it; the certificates that are there stay' } },
  async run(invocation) {
    const app = await invocation.app();
    const automatic = !invocation.options.off;
    return showCertificates(
      invocation,
      await (await invocation.client()).patch<CertificatesView & Effect>(`/v1/apps/${app}/certs`, {
        automatic,
      }),
    );
  },
};

interface MaintenanceState {
  readonly maintenance: Maintenance | null;
}

function maintenanceLines(app: string, { maintenance }: MaintenanceState): string[] {
  if (maintenance === null) return [`${app} is not being maintained`];
  const { text, since, by } = maintenance;
  return [
    `${app} is being maintained since ${shortTime(since)} by ${by}; people are told:`,
    `  ${printable(text)}`,
  ];
}

const maintenance: Command = {
  name: 'maintenance',
  aliases: ['maintenance:show'],
  usage: '',
  help: 'Show whether an app is being maintained.',
  examples: ['slipway maintenance -a hello'],
  args: { min: 0, max: 0 },
  async run(invocation) {
    const app = await invocation.app();
    const found = await (await invocation.client()).get<MaintenanceState>(`/v1/apps/${app}/maintenance`);
    invocation.output.result(found.maintenance, maintenanceLines(app, found));
    return EXIT.done;
  },
};

const maintenanceOn: Command = {
  name: 'maintenance:on',
  usage: '[TEXT]',
  help: 'Answer all requests to an app with 503 and a text, at once. Its containers run on.',
  examples: ['slipway maintenance:on -a hello', 'slipway maintenance:on "Back at noon."'],
  args: { min: 0, max: 1 },
  async run(invocation) {
    const app = await invocation.app();
    const [text] = invocation.args;
    const changed = await (await invocation.client()).put<MaintenanceState & Effect>(
      `/v1/apps/${app}/maintenance`,
      text === undefined ? {} : { text },
    );
    invocation.output.result(changed, maintenanceLines(app, changed));
    tellEffect(invocation, changed);
    return EXIT.done;
  },
};

const maintenanceOff: Command = {
  name: 'maintenance:off',
  usage: '',
  help: 'Send requests to an app again.',
  examples: ['slipway maintenance:off -a hello'],
  args: { min: 0, max: 0 },
  async run(invocation) {
    const app = await invocation.app();
    const changed = await (await invocation.client()).delete<MaintenanceState & Effect>(
      `/v1/apps/${app}/maintenance`,
    );
    invocation.output.result(changed, maintenanceLines(app, changed));
    tellEffect(invocation, changed);
    return EXIT.done;
  },
};

/** A file of this machine. */
async function readPem(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((thrown: unknown) => {
    if (isErrno(thrown, 'ENOENT') || isErrno(thrown, 'EISDIR') || isErrno(thrown, 'EACCES'))
      throw new SlipwayError('bad_request', 'this file cannot be read', { where: path });
    throw thrown;
  });
}

export const domainCommands: readonly Command[] = [
  domains,
  addDomains,
  removeDomains,
  clearDomains,
  certs,
  addCert,
  removeCert,
  autoCerts,
  maintenance,
  maintenanceOn,
  maintenanceOff,
];
