/**
 * The tables of a running HAProxy: read, and changed without a reload (management guide, 9.3). Each command may be repeated, also by
 * another deployer at the same time: what it wants to be so already is no error.
 */
import { SlipwayError } from '../../src/errors.js';
import type { Haproxy } from './haproxy.js';
import {
  CERTIFICATES,
  type CertificateEntry,
  type EdgeMap,
  MAP_NAMES,
  type MapName,
  renderEntry,
} from './tables.js';

export interface RunningTables {
  /** Every entry, in order: a key may be there twice. */
  readonly maps: Readonly<Record<MapName, readonly RunningEntry[]>>;
  readonly certificates: readonly RunningCertificate[];
}

export interface RunningEntry {
  readonly key: string;
  readonly value: string;
  /** What HAProxy calls this one by, whatever its key: `#0x55e0`. */
  readonly handle: string;
}

export interface RunningCertificate {
  /** As {@link renderEntry} writes it. */
  readonly entry: string;
  readonly file: string;
  /** What HAProxy calls the entry by: `certificates/x.pem:3`. */
  readonly handle: string;
}

/** The master takes several commands at once, each with its worker. */
const SHOW = [
  'show map',
  ...MAP_NAMES.map((name) => `show map ${name}`),
  `show ssl crt-list -n ${CERTIFICATES}`,
]
  .map((command) => `@1 ${command}`)
  .join('; ');

export class HaproxyTables {
  readonly #haproxy: Pick<Haproxy, 'command'>;

  constructor(haproxy: Pick<Haproxy, 'command'>) {
    this.#haproxy = haproxy;
  }

  async read(): Promise<RunningTables> {
    return parseTables(await this.#haproxy.command(SHOW, /^# id \(file\)/));
  }

  /** Makes the map what it should be. How many entries had to be changed. */
  async changeMap(name: MapName, running: RunningTables, wanted: EdgeMap): Promise<number> {
    const now = new Map<string, string>();
    let changes = 0;
    const change = async (command: string): Promise<void> => {
      await this.#haproxy.command(`@1 ${command}`, /^$|not found/i);
      changes += 1;
    };
    for (const { key, value, handle } of running.maps[name]) {
      // Two deployers have added it at once: both take the same one away, and none is without it meanwhile.
      if (!wanted.has(key) || now.has(key)) await change(`del map ${name} ${handle}`);
      else now.set(key, value);
    }
    for (const [key, value] of wanted) {
      if (!now.has(key)) await change(`add map ${name} ${key} ${value}`);
      else if (now.get(key) !== value) await change(`set map ${name} ${key} ${value}`);
    }
    return changes;
  }

  /**
   * New ones are shown before old ones are not: with both there, a client gets either. `pemOf` reads the file of one. How
   * many had to be changed.
   */
  async changeCertificates(
    running: RunningTables,
    wanted: readonly CertificateEntry[],
    pemOf: (file: string) => Promise<string>,
  ): Promise<number> {
    const shown = new Set(running.certificates.map(({ entry }) => entry));
    let changes = 0;
    for (const entry of wanted.filter((one) => !shown.has(renderEntry(one)))) {
      await this.load(entry.file, await pemOf(entry.file));
      await this.#haproxy.command(
        `@1 add ssl crt-list ${CERTIFICATES} <<\n${renderEntry(entry)}\n`,
        /Success!|already exists/,
      );
      changes += 1;
    }
    const kept = new Set<string>();
    const entries = new Set(wanted.map(renderEntry));
    const files = new Set(wanted.map(({ file }) => file));
    for (const { entry, file, handle } of running.certificates) {
      if (entries.has(entry) && !kept.has(entry)) {
        kept.add(entry);
        continue;
      }
      await this.#haproxy.command(`@1 del ssl crt-list ${CERTIFICATES} ${handle}`, /deleted|Can't delete/);
      if (!files.has(file)) await this.#haproxy.command(`@1 del ssl cert ${file}`);
      changes += 1;
    }
    return changes;
  }

  /** HAProxy has the certificate then, and shows it to nobody yet. Throws `invalid_config` for one that it cannot use. */
  async load(file: string, pem: string): Promise<void> {
    if (/^Serial:/m.test(await this.#haproxy.command(`@1 show ssl cert ${file}`))) return;
    await this.#haproxy.command(`@1 new ssl cert ${file}`, /New empty|already exists/);
    // Another certificate that is being loaded stands in the way for a moment.
    const set = await this.#haproxy.command(`@1 set ssl cert ${file} <<\n${pem.trim()}\n`, /^(?!.*another)/s);
    const committed = /created|updated/.test(set)
      ? await this.#haproxy.command(`@1 commit ssl cert ${file}`)
      : set;
    if (/Success!/.test(committed)) return;
    if (/^Serial:/m.test(await this.#haproxy.command(`@1 show ssl cert ${file}`))) return;
    await this.#haproxy.command(`@1 abort ssl cert ${file}`);
    await this.#haproxy.command(`@1 del ssl cert ${file}`);
    throw new SlipwayError(
      'invalid_config',
      `HAProxy cannot use the certificate: ${oneSentence(committed)}`,
      {
        hint: 'use an RSA key of at least 2048 bits or an EC key on P-256, signed with SHA-256',
      },
    );
  }
}

/** The answers of {@link SHOW} one after the other, each ended by an empty line. */
export function parseTables(text: string): RunningTables {
  const sections: string[][] = [[]];
  for (const line of text.split('\n')) {
    if (line === '') sections.push([]);
    else sections.at(-1)?.push(line);
  }
  const maps = MAP_NAMES.map((name, index): [MapName, RunningEntry[]] => [
    name,
    (sections[index + 1] ?? []).flatMap((line): RunningEntry[] => {
      const [, handle, key, value] = /^(0x[0-9a-f]+) (\S+) (\S*)$/.exec(line) ?? [];
      return key === undefined || value === undefined ? [] : [{ key, value, handle: `#${handle}` }];
    }),
  ]);
  const certificates = (sections[MAP_NAMES.length + 1] ?? []).flatMap((line): RunningCertificate[] => {
    const [, file, number, rest = ''] = /^(\S+):(\d+)((?: \S+)*)\s*$/.exec(line) ?? [];
    return file === undefined ? [] : [{ entry: `${file}${rest}`, file, handle: `${file}:${number}` }];
  });
  return { maps: Object.fromEntries(maps) as unknown as RunningTables['maps'], certificates };
}

function oneSentence(answer: string): string {
  return answer.replace(/\s+/g, ' ').slice(0, 300);
}
