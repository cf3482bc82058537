/** What the edge does for an app: domains, certificates, maintenance. In effect as soon as a deployer has been told. */
import { z } from 'zod';
import { requestDomainRelease } from '../changes.js';
import { SlipwayError, toSlipwayError } from '../errors.js';
import type { EdgeDocuments } from '../ledger/edge-documents.js';
import {
  addCertificate,
  changeDomains,
  type DomainChange,
  describeDomains,
  removeCertificate,
  setAutomatic,
  setMaintenance,
} from '../ledger/edge-settings.js';
import type { Identity } from '../ledger/platform.js';
import { type AppCertificate, checkPair } from '../model/certificate.js';
import { checkDomain, isCovered, isWithin } from '../model/domain.js';
import { Turns } from '../turns.js';
import { count, described, list, maybe, part, text, texts, time, yes } from './described.js';
import type { Routes } from './route.js';
import { type ApiTools, requireUnlocked } from './tools.js';
import { appHost } from './views.js';

const DOMAINS_PER_APP = 500;
const DOMAINS_PER_REQUEST = 100;
const MAINTENANCE_CHARS = 500;

const names = z.array(z.string().max(300)).max(DOMAINS_PER_REQUEST).default([]);
const DomainsChange = z.strictObject({ add: names, remove: names });
const NewCertificate = z.strictObject({ certificate: z.string(), key: z.string() });
const Automatic = z.strictObject({ automatic: z.boolean() });
const MaintenanceChange = z.strictObject({ text: z.string().optional() });

/** What became of a change: it is kept in any case. */
export interface Effect {
  /** False when no deployer answers: it is in effect as soon as one does. */
  readonly served: boolean;
  readonly problems: readonly string[];
}

export interface DomainView {
  readonly name: string;
  readonly url: string;
  /** The certificate that it is served with. */
  readonly certificate?: string;
}

export interface CertificateView extends Omit<AppCertificate, 'chain' | 'key'> {}

export interface CertificatesView {
  readonly automatic: boolean;
  readonly certificates: readonly CertificateView[];
  readonly attempts: NonNullable<EdgeDocuments['certificates']['attempts']>;
}

const effectShape = { served: yes, problems: texts };
const domainList = list(part<DomainView>({ name: text, url: text, certificate: maybe(text) }));
const certificatesShape = {
  automatic: yes,
  certificates: list(
    described<CertificateView>('Certificate', {
      id: text,
      names: texts,
      expiresAt: time,
      source: z.enum(['own', 'acme']),
      addedAt: time,
      addedBy: text,
    }),
  ),
  attempts: z.record(
    z.string(),
    part<CertificatesView['attempts'][string]>({ failures: count, at: time, reason: text }),
  ),
};
interface ChangedDomains extends DomainChange, Effect {
  readonly domains: readonly DomainView[];
  /** Of the release that has them written down. */
  readonly build?: string;
}
const DomainsChanged: z.ZodType<ChangedDomains> = part<ChangedDomains>({
  added: texts,
  removed: texts,
  domains: domainList,
  ...effectShape,
  build: maybe(text),
});
const CertificatesChanged = z.object({ ...certificatesShape, ...effectShape });
const maintenance = z.object({ text, since: time, by: text }).nullable();
const MaintenanceChanged = z.object({ maintenance, ...effectShape });

export function domainRoutes(routes: Routes, tools: ApiTools, turns: Turns): void {
  const { ledger, config, deployer } = tools;
  /** A domain is looked for in all apps and then taken: one request at a time. */
  const claims = new Turns();

  const effect = async (app: string): Promise<Effect> => {
    try {
      return { served: true, problems: await deployer.route(app) };
    } catch (thrown) {
      return { served: false, problems: [toSlipwayError(thrown).message] };
    }
  };
  const domainsView = async (app: string): Promise<DomainView[]> => {
    const { domains, certificates } = await ledger.read(app);
    return [appHost(config, app), ...domains].map((name) => {
      const found = certificates.certificates.find((one) => isCovered(name, one.names));
      const port = (found === undefined ? config.edge.bind : config.edge.tlsBind)?.split(':')[1];
      const scheme = found === undefined ? 'http' : 'https';
      const isUsual = port === undefined || port === (found === undefined ? '80' : '443');
      return {
        name,
        url: `${scheme}://${name}${isUsual ? '' : `:${port}`}`,
        ...(found === undefined ? {} : { certificate: found.id }),
      };
    });
  };

  /** The same words whoever has it, and whether it is an app of others or none: nobody learns which apps there are. */
  const taken = (name: string): SlipwayError =>
    new SlipwayError('conflict', `the domain ${name} is not free`, {
      hint: "another app has it, or it is the platform's own; who owns the name can ask the operator",
    });
  /** A name out of the wildcard of another app, or the other way round, is only for who may use both. */
  const checkFree = async (identity: Identity, app: string, wanted: readonly string[]): Promise<void> => {
    const platformHost = new URL(config.publicUrl).hostname;
    for (const name of wanted)
      if (isWithin(name, config.appDomain) || name === platformHost) throw taken(name);
    for (const other of await ledger.listApps()) {
      if (other === app) continue;
      const state = await ledger.read(other).catch((thrown: unknown) => {
        // Destroyed since the list was made.
        if (thrown instanceof SlipwayError && thrown.code === 'not_found') return undefined;
        throw thrown;
      });
      const isTheirs = (name: string): boolean =>
        (state?.domains ?? []).some(
          (one) =>
            one === name ||
            (!identity.may(other, 'view') && (isCovered(name, [one]) || isCovered(one, [name]))),
        );
      const name = wanted.find(isTheirs);
      if (name !== undefined) throw taken(name);
    }
  };
  const carryOut = async (app: string, who: string, changed: DomainChange): Promise<ChangedDomains> => {
    const became = await effect(app);
    const isSame = changed.added.length + changed.removed.length === 0;
    const release = isSame
      ? undefined
      : await turns.take(app, () => requestDomainRelease(tools, app, describeDomains(changed), who));
    return {
      ...changed,
      domains: await domainsView(app),
      ...became,
      ...(release === undefined ? {} : { build: release.id }),
    };
  };

  routes.add({
    method: 'GET',
    path: '/apps/:app/domains',
    summary: 'The names that an app answers to',
    tag: 'Domains',
    access: 'view',
    answers: { 200: z.object({ domains: domainList }) },
    handle: async ({ params: { app } }) => ({ domains: await domainsView(app) }),
  });

  routes.add({
    method: 'PATCH',
    path: '/apps/:app/domains',
    summary: 'Add and remove domains',
    tag: 'Domains',
    access: 'admin',
    body: DomainsChange,
    answers: { 200: DomainsChanged },
    handle: async ({ who, params: { app }, body }) => {
      await requireUnlocked(ledger, app);
      const [add, remove] = [body.add.map(checkDomain), body.remove.map(checkDomain)];
      if (add.length + remove.length === 0)
        throw new SlipwayError('bad_request', 'no domain is named', {
          hint: 'slipway domains:add www.example.com',
        });
      const changed = await claims.take('', async () => {
        await checkFree(who, app, add);
        return changeDomains(ledger, app, who.name, (now) => changedList(app, now, add, remove));
      });
      return carryOut(app, who.name, changed);
    },
  });

  routes.add({
    method: 'DELETE',
    path: '/apps/:app/domains',
    summary: 'Remove all domains of an app',
    tag: 'Domains',
    access: 'admin',
    answers: { 200: DomainsChanged },
    handle: async ({ who, params: { app } }) => {
      await requireUnlocked(ledger, app);
      return carryOut(app, who.name, await changeDomains(ledger, app, who.name, () => []));
    },
  });

  routes.add({
    method: 'GET',
    path: '/apps/:app/certs',
    summary: 'The certificates of an app',
    tag: 'Domains',
    access: 'view',
    answers: { 200: z.object(certificatesShape) },
    handle: async ({ params: { app } }) => certificatesView(await ledger.read(app)),
  });

  routes.add({
    method: 'POST',
    path: '/apps/:app/certs',
    summary: 'Bring a certificate of your own',
    tag: 'Domains',
    access: 'admin',
    body: NewCertificate,
    answers: { 201: CertificatesChanged.extend({ id: text }) },
    handle: async ({ who, params: { app }, body: { certificate, key } }) => {
      await requireUnlocked(ledger, app);
      requireTls(tools);
      const pair = checkPair(certificate, key, Date.now());
      const { domains } = await ledger.read(app);
      if (![appHost(config, app), ...domains].some((domain) => isCovered(domain, pair.names)))
        throw new SlipwayError(
          'invalid_config',
          `the certificate is for ${pair.names.slice(0, 5).join(', ')}, and ${app} has no such domain`,
          {
            hint: `add the domain first: slipway domains:add ${pair.names[0]} -a ${app}`,
          },
        );
      await addCertificate(ledger, app, pair, 'own', who.name);
      const became = await effect(app);
      return { id: pair.id, ...certificatesView(await ledger.read(app)), ...became };
    },
  });

  routes.add({
    method: 'PATCH',
    path: '/apps/:app/certs',
    summary: 'Have certificates fetched and renewed, or not',
    tag: 'Domains',
    access: 'admin',
    body: Automatic,
    answers: { 200: CertificatesChanged },
    handle: async ({ who, params: { app }, body: { automatic } }) => {
      await requireUnlocked(ledger, app);
      if (automatic) requireTls(tools);
      await setAutomatic(ledger, app, automatic, who.name);
      const became = await effect(app);
      return { ...certificatesView(await ledger.read(app)), ...became };
    },
  });

  routes.add({
    method: 'DELETE',
    path: '/apps/:app/certs/:id',
    summary: 'Remove a certificate',
    tag: 'Domains',
    access: 'admin',
    answers: { 200: CertificatesChanged },
    handle: async ({ who, params: { app, id } }) => {
      await requireUnlocked(ledger, app);
      if (!(await removeCertificate(ledger, app, id, who.name)))
        throw new SlipwayError('not_found', `${app} has no certificate ${JSON.stringify(id.slice(0, 40))}`, {
          hint: `see: slipway certs -a ${app}`,
        });
      const became = await effect(app);
      return { ...certificatesView(await ledger.read(app)), ...became };
    },
  });

  routes.add({
    method: 'GET',
    path: '/apps/:app/maintenance',
    summary: 'Whether an app is being maintained',
    tag: 'Domains',
    access: 'view',
    answers: { 200: z.object({ maintenance }) },
    handle: async ({ params: { app } }) => ({ maintenance: (await ledger.read(app)).maintenance ?? null }),
  });

  routes.add({
    method: 'PUT',
    path: '/apps/:app/maintenance',
    summary: 'Answer every request to an app with a page of maintenance',
    tag: 'Domains',
    access: 'deploy',
    body: MaintenanceChange,
    answers: { 200: MaintenanceChanged },
    handle: async ({ who, params: { app }, body }) => {
      const text = checkText(body.text ?? `${app} is being maintained and will be back soon.`);
      const since = new Date().toISOString();
      await setMaintenance(ledger, app, { text, since, by: who.name }, who.name);
      return { maintenance: { text, since, by: who.name }, ...(await effect(app)) };
    },
  });

  routes.add({
    method: 'DELETE',
    path: '/apps/:app/maintenance',
    summary: 'End the maintenance',
    tag: 'Domains',
    access: 'deploy',
    answers: { 200: MaintenanceChanged },
    handle: async ({ who, params: { app } }) => {
      await setMaintenance(ledger, app, undefined, who.name);
      return { maintenance: null, ...(await effect(app)) };
    },
  });
}

function changedList(
  app: string,
  now: readonly string[],
  add: readonly string[],
  remove: readonly string[],
): string[] {
  const missing = remove.find((name) => !now.includes(name));
  if (missing !== undefined)
    throw new SlipwayError('not_found', `${app} has no domain ${missing}`, {
      hint: `see: slipway domains -a ${app}`,
    });
  const next = new Set([...now.filter((name) => !remove.includes(name)), ...add]);
  if (next.size > DOMAINS_PER_APP)
    throw new SlipwayError('too_large', `an app has at most ${DOMAINS_PER_APP} domains`, {
      hint: 'a wildcard such as *.example.com stands for many',
    });
  return [...next];
}

function certificatesView({
  certificates: { automatic, certificates, attempts = {} },
}: EdgeDocuments): CertificatesView {
  return {
    automatic,
    // Neither keys nor chains: the keys are nobody's, the chains everybody's who connects.
    certificates: certificates.map(({ chain: _chain, key: _key, ...rest }) => rest),
    attempts,
  };
}

function requireTls({ config }: Pick<ApiTools, 'config'>): void {
  if (config.edge.tlsBind !== undefined) return;
  throw new SlipwayError('conflict', 'this platform serves no HTTPS', {
    hint: 'the operator sets SLIPWAY_EDGE_TLS_BIND, for example to 0.0.0.0:443',
  });
}

/** One line, since the edge writes it as it is. */
function checkText(text: string): string {
  const trimmed = text.trim();
  if (trimmed === '' || trimmed.length > MAINTENANCE_CHARS || /\p{Cc}/u.test(trimmed))
    throw new SlipwayError(
      'bad_request',
      `the text must be one line of 1 to ${MAINTENANCE_CHARS} characters`,
    );
  return trimmed;
}
