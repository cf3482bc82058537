/**
 * The first answer of smart HTTP: which refs there are (gitprotocol-http(5), "Smart Clients"; gitprotocol-pack(5),
 * "Reference Discovery", protocol versions 0 and 1). Pure.
 */
import { FLUSH, PacketParser, packet } from './pkt-line.js';

const NO_REFS = Buffer.from(`${'0'.repeat(40)} capabilities^{}`);

/** What `git <service> --advertise-refs` printed, with the preamble of HTTP. */
export function httpAdvertisement(service: string, advertised: Buffer): Buffer {
  return Buffer.concat([packet(`# service=${service}\n`), FLUSH, advertised]);
}

/** Where the advertisement ends in what git says first, its flush included; undefined while it has not. */
export function advertisementEnd(said: Buffer): number | undefined {
  for (let at = 0; at + 4 <= said.length; ) {
    const length = Number.parseInt(said.toString('latin1', at, at + 4), 16);
    if (length === 0) return at + 4;
    if (!(length >= 4)) return undefined;
    at += length;
  }
  return undefined;
}

/**
 * Adds commits that the repository has although no visible ref leads to them (`.have` lines), so that a client does not
 * send them again: after a failed build only what was corrected travels.
 */
export function withHaves(advertised: Buffer, oids: readonly string[]): Buffer {
  const packets = new PacketParser().push(advertised);
  const lines = packets.filter((line) => line !== null);
  if (oids.length === 0 || packets.at(-1) !== null || lines.length !== packets.length - 1) return advertised;
  let haves = oids.map((oid) => Buffer.from(`${oid} .have\n`));
  // Without refs the first line is a stand-in that only carries the capabilities; no ref may come after it.
  const at = lines.findIndex((line) => line.subarray(0, NO_REFS.length).equals(NO_REFS));
  const standIn = lines[at];
  if (standIn !== undefined) {
    const [first = '', ...rest] = oids;
    lines[at] = Buffer.concat([Buffer.from(`${first} .have`), standIn.subarray(NO_REFS.length)]);
    haves = rest.map((oid) => Buffer.from(`${oid} .have\n`));
  }
  return Buffer.concat([...[...lines, ...haves].map((line) => packet(line)), FLUSH]);
}
