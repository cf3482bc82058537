/**
 * The hosts that the platform knows: what they are called, where they are, and what may be placed on them. Nothing that
 * opens one is here (keys, certificates): that is the deployer's.
 *
 *   hosts/<name>.json   address, labels, pullPort, tls, unchecked, cordoned, addedAt, addedBy
 *
 * `local`, the engine of DOCKER_HOST, is known without a document; it gets one with its first label or cordon.
 */
import { z } from 'zod';
import type { Clock } from '../clock.js';
import { SlipwayError } from '../errors.js';
import {
  checkHostName,
  checkLabel,
  type HostRecord,
  LOCAL_ADDRESS,
  LOCAL_HOST,
  noHost,
} from '../model/host.js';
import { formatHostAddress, parseHostAddress } from '../model/host-address.js';
import { toDocument } from './app-documents.js';
import { type DocumentRef, type Documents, oneLine } from './documents.js';

export type HostDraft = Pick<HostRecord, 'name' | 'address' | 'labels' | 'pullPort' | 'tls' | 'unchecked'>;

/** A label's new value, or null to take it away. */
export type LabelChanges = Readonly<Record<string, string | null>>;

const REASON_LENGTH = 200;

const text = z.string();
const stored: z.ZodType<Omit<HostRecord, 'name'>> = z.object({
  address: text,
  labels: z.record(text, text),
  pullPort: z.int().min(1).max(65_535).exactOptional(),
  tls: z.literal(true).exactOptional(),
  unchecked: z.literal(true).exactOptional(),
  cordoned: z.object({ at: text, by: text, reason: text.exactOptional() }).exactOptional(),
  addedAt: text,
  addedBy: text,
});

type Known = ReadonlyMap<string, HostRecord>;

export class HostBook {
  readonly #ref: DocumentRef;
  readonly #prepare: () => Promise<void>;
  readonly #clock: Clock;
  readonly #parsed = new WeakMap<Documents, Known>();

  /** `prepare` makes the repository; it is called before each change. */
  constructor(ref: DocumentRef, prepare: () => Promise<void>, clock: Clock) {
    this.#ref = ref;
    this.#prepare = prepare;
    this.#clock = clock;
  }

  /** All of them by name, `local` among them. From memory unless the ledger moved. */
  async list(): Promise<readonly HostRecord[]> {
    return [...this.#parse(await this.#ref.read()).values()];
  }

  /** Throws `not_found`. */
  async get(name: string): Promise<HostRecord> {
    return known(this.#parse(await this.#ref.read()), name);
  }

  /** Throws what `add` would: for who has work to do before. */
  async checkNew(draft: HostDraft): Promise<void> {
    const { name, address } = checkDraft(draft);
    checkFree(this.#parse(await this.#ref.read()), name, address);
  }

  /** Throws `invalid_name`, `bad_request`, or `conflict` when there is a host of this name or at this address. */
  async add(draft: HostDraft, who: string): Promise<HostRecord> {
    const { name, address, labels, pullPort, tls, unchecked } = checkDraft(draft);
    return this.#change(name, who, (hosts) => {
      checkFree(hosts, name, address);
      const host: HostRecord = {
        name,
        address,
        labels,
        ...(pullPort === undefined ? {} : { pullPort }),
        ...(tls === undefined ? {} : { tls }),
        ...(unchecked === undefined ? {} : { unchecked }),
        addedAt: this.#now(),
        addedBy: oneLine(who),
      };
      return { host, did: `add ${name} at ${address}` };
    });
  }

  /** Throws `not_found`, `bad_request`. */
  async relabel(name: string, changes: LabelChanges, who: string): Promise<HostRecord> {
    for (const [label, value] of Object.entries(changes)) checkLabel(label, value ?? 'none');
    return this.#change(name, who, (hosts) => {
      const host = known(hosts, name);
      const differs = Object.entries(changes).filter(
        ([label, value]) => (Object.hasOwn(host.labels, label) ? host.labels[label] : null) !== value,
      );
      if (differs.length === 0) return undefined;
      const labels = new Map(Object.entries(host.labels));
      for (const [label, value] of differs) {
        if (value === null) labels.delete(label);
        else labels.set(label, value);
      }
      const did = differs.map(([label, value]) => (value === null ? `no ${label}` : `${label}=${value}`));
      return {
        host: { ...host, labels: Object.fromEntries([...labels].sort()) },
        did: `label ${name} ${did.join(', ')}`,
      };
    });
  }

  /** It gets nothing new from now on. Again with another reason replaces that. Throws `not_found`. */
  async cordon(name: string, reason: string | undefined, who: string): Promise<HostRecord> {
    const why = reason === undefined ? '' : oneLine(reason).slice(0, REASON_LENGTH);
    return this.#change(name, who, (hosts) => {
      const host = known(hosts, name);
      if (host.cordoned !== undefined && (host.cordoned.reason ?? '') === why) return undefined;
      const cordoned = { at: this.#now(), by: oneLine(who), ...(why === '' ? {} : { reason: why }) };
      return { host: { ...host, cordoned }, did: `cordon ${name}${why === '' ? '' : ` (${why})`}` };
    });
  }

  /** Throws `not_found`. */
  async uncordon(name: string, who: string): Promise<HostRecord> {
    return this.#change(name, who, (hosts) => {
      const { cordoned, ...host } = known(hosts, name);
      return cordoned === undefined ? undefined : { host, did: `uncordon ${name}` };
    });
  }

  /** Throws `not_found`, and `bad_request` for `local`, which is always there. */
  async remove(name: string, who: string): Promise<void> {
    if (name === LOCAL_HOST) {
      throw new SlipwayError('bad_request', `${LOCAL_HOST} is the engine of DOCKER_HOST and always known`, {
        hint: `to place nothing on it: slipway hosts:cordon ${LOCAL_HOST}`,
      });
    }
    await this.#ref.change((now) => {
      known(this.#parse(now), name);
      return { files: { [hostPath(name)]: null }, message: `host: remove ${name} by ${who}`, who };
    });
  }

  async #change(
    name: string,
    who: string,
    decide: (hosts: Known) => { host: HostRecord; did: string } | undefined,
  ): Promise<HostRecord> {
    await this.#prepare();
    const after = await this.#ref.change((now) => {
      const decided = decide(this.#parse(now));
      if (decided === undefined) return undefined;
      const { name: _name, ...document } = decided.host;
      return {
        files: { [hostPath(name)]: toDocument(document) },
        message: `host: ${decided.did} by ${who}`,
        who,
      };
    });
    return known(this.#parse(after), name);
  }

  #parse(documents: Documents | undefined): Known {
    const before = documents === undefined ? undefined : this.#parsed.get(documents);
    if (before !== undefined) return before;
    const hosts = new Map<string, HostRecord>([[LOCAL_HOST, localHost()]]);
    for (const [path, content] of documents?.files ?? []) {
      const name = /^hosts\/([a-z][a-z0-9-]*)\.json$/.exec(path)?.[1];
      if (name !== undefined) hosts.set(name, { name, ...parseHost(path, content) });
    }
    const sorted: Known = new Map([...hosts].sort(([a], [b]) => (a < b ? -1 : 1)));
    if (documents !== undefined) this.#parsed.set(documents, sorted);
    return sorted;
  }

  #now(): string {
    return new Date(this.#clock.now()).toISOString();
  }
}

/** As it is known before anybody has said anything about it. */
export function localHost(): HostRecord {
  return {
    name: LOCAL_HOST,
    address: LOCAL_ADDRESS,
    labels: {},
    addedAt: new Date(0).toISOString(),
    addedBy: 'slipway',
  };
}

function known(hosts: Known, name: string): HostRecord {
  const host = hosts.get(name);
  if (host !== undefined) return host;
  throw noHost(name);
}

/** With the address in its one form. */
function checkDraft(draft: HostDraft): HostDraft {
  checkHostName(draft.name);
  for (const [label, value] of Object.entries(draft.labels)) checkLabel(label, value);
  return { ...draft, address: formatHostAddress(parseHostAddress(draft.address)) };
}

function checkFree(hosts: Known, name: string, address: string): void {
  const twin = hosts.get(name);
  if (twin !== undefined) {
    throw new SlipwayError('conflict', `the host ${name} is known already, at ${twin.address}`, {
      hint: `choose another name, or first: slipway hosts:remove ${name}`,
    });
  }
  const other = [...hosts.values()].find((host) => host.address === address);
  if (other !== undefined) {
    throw new SlipwayError('conflict', `${address} is known already, as ${other.name}`, {
      hint: "one engine has one name: two would take each other's containers for strays",
    });
  }
}

/** A host that cannot be read stops what asks for hosts: without it, what it runs would be taken for placed elsewhere. */
function parseHost(path: string, content: string): Omit<HostRecord, 'name'> {
  try {
    return stored.parse(JSON.parse(content));
  } catch (cause) {
    throw new SlipwayError('unavailable', "the platform's ledger cannot be read", {
      where: path,
      hint: 'correct the document with a commit on top, or update Slipway',
      cause,
    });
  }
}

function hostPath(name: string): string {
  return `hosts/${checkHostName(name)}.json`;
}
