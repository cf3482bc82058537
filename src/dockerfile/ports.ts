/** EXPOSE: `80`, `53/udp`, `7000-7003`, and Docker's tolerated `ip:host:container`. */
import { invalid, quoted } from './problems.js';

/** `80` → [`80/tcp`], `7000-7001/UDP` → [`7000/udp`, `7001/udp`]. Throws `dockerfile_invalid`. */
export function parsePorts(text: string, where: string): readonly string[] {
  // Docker takes a published address too and keeps the container's part.
  const container = text.slice(text.lastIndexOf(':') + 1);
  const match = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/([a-z]*))?$/i.exec(container);
  const protocol = match?.[3]?.toLowerCase() || 'tcp';
  const first = Number(match?.[1]);
  const last = Number(match?.[2] ?? match?.[1]);
  if (match === null || first > last || last > 65_535) {
    throw invalid(where, `EXPOSE: ${quoted(text)} is not a port`, 'use 80, 53/udp or 7000-7010');
  }
  if (!['tcp', 'udp', 'sctp'].includes(protocol)) {
    throw invalid(where, `EXPOSE: ${quoted(protocol)} is not a protocol`, 'use tcp, udp or sctp');
  }
  return Array.from({ length: last - first + 1 }, (_, index) => `${first + index}/${protocol}`);
}
