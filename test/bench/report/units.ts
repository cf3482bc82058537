/** Figures as people read them: three digits, the unit behind. */

export function time(ms: number): string {
  if (ms < 1) return `${ms.toFixed(2)} ms`;
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${ms.toFixed(0)} ms`;
  return ms < 100_000 ? `${(ms / 1000).toPrecision(3)} s` : `${(ms / 1000).toFixed(0)} s`;
}

export function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}

export function ratio(value: number): string {
  return value < 1 ? value.toFixed(3) : value.toFixed(2);
}
