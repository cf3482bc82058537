/** Published ways out of a container, by the version that closed them. Distributions patch without a new number. Pure. */
import type { RuntimeName } from './oci-runtime.js';

interface Advisory {
  readonly name: string;
  readonly runtime: RuntimeName;
  /** Fixed in these, one for each line of releases; a later line has it from its start. */
  readonly fixedIn: readonly string[];
}

const ADVISORIES: readonly Advisory[] = [
  { name: 'CVE-2024-21626', runtime: 'runc', fixedIn: ['1.1.12'] },
  { name: 'CVE-2025-31133', runtime: 'runc', fixedIn: ['1.2.8', '1.3.3', '1.4.0'] },
  { name: 'CVE-2025-52565', runtime: 'runc', fixedIn: ['1.2.8', '1.3.3', '1.4.0'] },
  { name: 'CVE-2025-52881', runtime: 'runc', fixedIn: ['1.2.8', '1.3.3', '1.4.0'] },
  { name: 'CVE-2026-41579', runtime: 'runc', fixedIn: ['1.3.6', '1.4.3', '1.5.0'] },
  { name: 'CVE-2026-47766', runtime: 'crun', fixedIn: ['1.28'] },
];

export function advisoriesFor(runtime: RuntimeName, version: string): string[] {
  return ADVISORIES.filter(
    (advisory) => advisory.runtime === runtime && !isFixed(version, advisory.fixedIn),
  ).map(({ name }) => name);
}

function isFixed(version: string, fixedIn: readonly string[]): boolean {
  const [major = 0, minor = 0, patch = 0] = numbers(version);
  const lines = fixedIn.map(numbers);
  const own = lines.find(([a, b]) => a === major && b === minor);
  if (own !== undefined) return patch >= (own[2] ?? 0);
  const [lastMajor = 0, lastMinor = 0] = lines.at(-1) ?? [];
  return major > lastMajor || (major === lastMajor && minor > lastMinor);
}

function numbers(version: string): number[] {
  return version.split('.').map(Number);
}
