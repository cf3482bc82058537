/** What a container may use, as people write it: `512m`, `0.5`, `200`. The command line, `app.json` and the API share it. Pure. */
import type { ResourceSettings } from './process.js';
import type { ProcessResources } from './release.js';

const UNITS: Readonly<Record<string, number>> = { b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };
/** The Docker Engine takes no less. */
const LEAST_MEMORY = 6 * 1024 ** 2;
const MOST_MEMORY = 1024 ** 5;
const MOST_CPUS = 1024;
const MOST_PROCESSES = 4_194_304;

/** What is wrong with a value; the caller says where. */
export class ResourceFault extends Error {}

/** `512m`, `2g`, `1.5g`, or a number of bytes. Throws {@link ResourceFault}. */
export function parseMemory(text: string | number): number {
  const match = /^(\d+(?:\.\d+)?)\s*([bkmg]?)(?:i?b)?$/i.exec(String(text).trim());
  const bytes = Math.round(Number(match?.[1]) * (UNITS[match?.[2]?.toLowerCase() || 'b'] ?? 1));
  if (match !== null && bytes >= LEAST_MEMORY && bytes <= MOST_MEMORY) return bytes;
  throw new ResourceFault(`memory must be a size such as "512m" or "2g", at least "6m", not ${shown(text)}`);
}

/** `0.5`, `2`. Throws {@link ResourceFault}. */
export function parseCpus(text: string | number): number {
  const cpus = /^\d{1,4}(?:\.\d{1,9})?$/.test(String(text).trim()) ? Number(text) : Number.NaN;
  if (cpus >= 0.01 && cpus <= MOST_CPUS) return cpus;
  throw new ResourceFault(`cpus must be a number such as 0.5 or 2, at least 0.01, not ${shown(text)}`);
}

/** Processes and threads: `200`. Throws {@link ResourceFault}. */
export function parseProcesses(text: string | number): number {
  const count = /^\d{1,7}$/.test(String(text).trim()) ? Number(text) : Number.NaN;
  if (count >= 1 && count <= MOST_PROCESSES) return count;
  throw new ResourceFault(`processes must be a whole number such as 200, not ${shown(text)}`);
}

export interface Resource {
  /** How people call it. */
  readonly name: 'memory' | 'cpus' | 'processes';
  readonly field: keyof ProcessResources;
  /** Throws {@link ResourceFault}. */
  readonly parse: (text: string | number) => number;
}

export const RESOURCES: readonly Resource[] = [
  { name: 'memory', field: 'memoryBytes', parse: parseMemory },
  { name: 'cpus', field: 'cpus', parse: parseCpus },
  { name: 'processes', field: 'processes', parse: parseProcesses },
];

/** `memory 512m, cpus 0.5`; a limit that was taken away is `memory none`. Empty for none at all. */
export function describeResources(resources: ResourceSettings = {}): string {
  const { memoryBytes, cpus, processes } = resources;
  return [
    ...(memoryBytes === undefined
      ? []
      : [`memory ${memoryBytes === null ? 'none' : formatMemory(memoryBytes)}`]),
    ...(cpus === undefined ? [] : [`cpus ${cpus ?? 'none'}`]),
    ...(processes === undefined ? [] : [`processes ${processes ?? 'none'}`]),
  ].join(', ');
}

/** In the largest unit that needs no fraction: `512m`. */
export function formatMemory(bytes: number): string {
  const unit = (['g', 'm', 'k'] as const).find((name) => bytes % (UNITS[name] ?? 1) === 0);
  return unit === undefined ? `${bytes}b` : `${bytes / (UNITS[unit] ?? 1)}${unit}`;
}

function shown(value: string | number): string {
  return JSON.stringify(typeof value === 'string' ? value.slice(0, 40) : value);
}
