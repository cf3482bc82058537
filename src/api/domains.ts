/** What the edge does for an app: domains, certificates, maintenance. In effect as soon as a deployer has been told. */
import type { FastifyInstance } from 'fastify';
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
import { type AppParams, parseBody } from './request.js';
import { type ApiTools, identityOf, requireApp, requireUnlocked } from './tools.js';
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

export function domainRoutes(api: FastifyInstance, tools: ApiTools, turns: Turns): void {
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
            one === name || (!identity.may(other) && (isCovered(name, [one]) || isCovered(one, [name]))),
        );
      const name = wanted.find(isTheirs);
      if (name !== undefined) throw taken(name);
    }
  };
  const carryOut = async (app: string, who: string, changed: DomainChange): Promise<unknown> => {
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

  api.get<{ Params: AppParams }>('/apps/:app/domains', async (request) => {
    const app = await requireApp(tools, request, request.params.app);
    return { domains: await domainsView(app) };
  });

  api.patch<{ Params: AppParams }>('/apps/:app/domains', async (request) => {
    const app = await requireUnlocked(tools, request, request.params.app);
    const body = parseBody(DomainsChange, request.body);
    const [add, remove] = [body.add.map(checkDomain), body.remove.map(checkDomain)];
    if (add.length + remove.length === 0)
      throw new SlipwayError('bad_request', 'no domain is named', {
        hint: 'slipway domains:add www.example.com',
      });
    const identity = identityOf(request);
    const who = identity.name;
    const changed = await claims.take('', async () => {
      await checkFree(identity, app, add);
      return changeDomains(ledger, app, who, (now) => changedList(app, now, add, remove));
    });
    return carryOut(app, who, changed);
  });

  api.delete<{ Params: AppParams }>('/apps/:app/domains', async (request) => {
    const app = await requireUnlocked(tools, request, request.params.app);
    const who = identityOf(request).name;
    return carryOut(app, who, await changeDomains(ledger, app, who, () => []));
  });

  api.get<{ Params: AppParams }>('/apps/:app/certs', async (request): Promise<CertificatesView> => {
    const app = await requireApp(tools, request, request.params.app);
    return certificatesView(await ledger.read(app));
  });

  api.post<{ Params: AppParams }>('/apps/:app/certs', async (request, reply) => {
    const app = await requireUnlocked(tools, request, request.params.app);
    const { certificate, key } = parseBody(NewCertificate, request.body);
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
    await addCertificate(ledger, app, pair, 'own', identityOf(request).name);
    const became = await effect(app);
    return reply.code(201).send({ id: pair.id, ...certificatesView(await ledger.read(app)), ...became });
  });

  api.patch<{ Params: AppParams }>('/apps/:app/certs', async (request) => {
    const app = await requireUnlocked(tools, request, request.params.app);
    const { automatic } = parseBody(Automatic, request.body);
    if (automatic) requireTls(tools);
    await setAutomatic(ledger, app, automatic, identityOf(request).name);
    const became = await effect(app);
    return { ...certificatesView(await ledger.read(app)), ...became };
  });

  api.delete<{ Params: AppParams & { id: string } }>('/apps/:app/certs/:id', async (request) => {
    const app = await requireUnlocked(tools, request, request.params.app);
    const { id } = request.params;
    if (!(await removeCertificate(ledger, app, id, identityOf(request).name)))
      throw new SlipwayError('not_found', `${app} has no certificate ${JSON.stringify(id.slice(0, 40))}`, {
        hint: `see: slipway certs -a ${app}`,
      });
    const became = await effect(app);
    return { ...certificatesView(await ledger.read(app)), ...became };
  });

  api.get<{ Params: AppParams }>('/apps/:app/maintenance', async (request) => {
    const app = await requireApp(tools, request, request.params.app);
    return { maintenance: (await ledger.read(app)).maintenance ?? null };
  });

  api.put<{ Params: AppParams }>('/apps/:app/maintenance', async (request) => {
    const app = await requireApp(tools, request, request.params.app);
    const body = parseBody(MaintenanceChange, request.body);
    const text = checkText(body.text ?? `${app} is being maintained and will be back soon.`);
    const by = identityOf(request).name;
    const since = new Date().toISOString();
    await setMaintenance(ledger, app, { text, since, by }, by);
    return { maintenance: { text, since, by }, ...(await effect(app)) };
  });

  api.delete<{ Params: AppParams }>('/apps/:app/maintenance', async (request) => {
    const app = await requireApp(tools, request, request.params.app);
    await setMaintenance(ledger, app, undefined, identityOf(request).name);
    return { maintenance: null, ...(await effect(app)) };
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
