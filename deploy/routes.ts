/**
 * Has the edge do what an app's ledger says beside its releases: domains, certificates, maintenance. At once, while a rollout of the
 * app is under way too; the reconciler repeats it for all apps.
 */
import { stat } from 'node:fs/promises';
import { SlipwayError, toSlipwayError } from '../src/errors.js';
import type { AppState } from '../src/ledger/app-documents.js';
import { revealKey } from '../src/ledger/edge-settings.js';
import { type AppCertificate, checkPair } from '../src/model/certificate.js';
import { type EdgeCertificate, type EdgeRoute, withRoute } from './edge/state.js';
import { hostOf } from './names.js';
import type { DeployerParts } from './parts.js';

export interface RouteParts extends Pick<DeployerParts, 'ledger' | 'edge' | 'config' | 'log'> {
  readonly appRepositories: string;
}

/** The ledger may change while the edge is being changed, and then it is read again. */
const ATTEMPTS = 20;

/** What could not be done, for people; all else is in effect when it resolves. */
export async function routeApp(parts: RouteParts, app: string): Promise<string[]> {
  for (let attempt = 1; ; attempt += 1) {
    const state = await readApp(parts, app);
    const { route, problems } = await routeOf(parts, app, state);
    const fence = async (): Promise<void> => {
      if ((await readApp(parts, app))?.head !== state?.head) throw new Overtaken();
    };
    try {
      const before = await parts.edge.state();
      if (withRoute(before, route) !== before) await parts.edge.change((now) => withRoute(now, route), fence);
      const held = (await parts.edge.state()).routes?.find((one) => one.app === app)?.domains ?? [];
      const lost = route.domains.filter((domain) => !held.includes(domain));
      return [...problems, ...lost.map((domain) => `${domain} goes to another app`)];
    } catch (error) {
      if (!(error instanceof Overtaken) || attempt >= ATTEMPTS) throw error;
    }
  }
}

class Overtaken extends SlipwayError {
  constructor() {
    super('edge_unavailable', 'the ledger of the app keeps changing', { temporary: true });
  }
}

/** Undefined: destroyed. Throws when the ledgers cannot be read: that is no destroyed app. */
async function readApp({ ledger, appRepositories }: RouteParts, app: string): Promise<AppState | undefined> {
  if (await ledger.appExists(app)) return ledger.read(app);
  await stat(appRepositories);
  return undefined;
}

async function routeOf(
  parts: RouteParts,
  app: string,
  state: AppState | undefined,
): Promise<{ route: EdgeRoute; problems: string[] }> {
  const problems: string[] = [];
  const certificates: EdgeCertificate[] = [];
  for (const one of parts.edge.speaksTls ? (state?.certificates.certificates ?? []) : []) {
    try {
      certificates.push({ file: await fileOf(parts, app, one), names: one.names });
    } catch (thrown) {
      const { code, message } = toSlipwayError(thrown);
      if (code !== 'invalid_config' && code !== 'unavailable') throw thrown;
      parts.log.warn({ app, certificate: one.id, code, err: message }, 'a certificate is left out');
      problems.push(`the certificate ${one.id} is left out: ${message}`);
    }
  }
  const { domains = [], maintenance } = state ?? {};
  const route = {
    app,
    host: hostOf(app, parts.config.appDomain),
    domains,
    certificates,
    ...(maintenance === undefined ? {} : { maintenance: maintenance.text }),
  };
  return { route, problems };
}

/** Checked once more: the edge would not start with one that is unusable, and the ledger is only text. */
async function fileOf({ edge, ledger }: RouteParts, app: string, one: AppCertificate): Promise<string> {
  const name = `${app}-${one.id}`;
  const known = await edge.certificateFile(name);
  if (known !== undefined) return known;
  const { chain, key } = checkPair(one.chain, revealKey(ledger, app, one));
  return edge.addCertificate(name, `${chain}${key}`);
}
