/** Numbers and times as people read them. Pure. */

/** `0.42 s`, `12 s`, `3 min 20 s`, `1 h 5 min`. */
export function duration(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 10) return `${seconds.toFixed(seconds < 1 ? 2 : 1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

const STEPS: readonly (readonly [number, Intl.RelativeTimeFormatUnit])[] = [
  [60, 'second'],
  [60, 'minute'],
  [24, 'hour'],
  [30, 'day'],
  [12, 'month'],
  [Number.POSITIVE_INFINITY, 'year'],
];
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto', style: 'short' });

/** `just now`, `5 min. ago`, `yesterday`. */
export function ago(iso: string, nowMs: number): string {
  let amount = (nowMs - Date.parse(iso)) / 1000;
  if (Number.isNaN(amount)) return iso;
  if (amount < 20) return 'just now';
  for (const [size, unit] of STEPS) {
    if (amount < size) return relative.format(-Math.floor(amount), unit);
    amount /= size;
  }
  return iso;
}

export function bytes(count: number): string {
  if (count < 1024) return `${count} B`;
  const units = ['KiB', 'MiB', 'GiB', 'TiB'];
  const power = Math.min(units.length, Math.floor(Math.log(count) / Math.log(1024)));
  const value = count / 1024 ** power;
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[power - 1]}`;
}

/** `0`, `0.3`, `12`, `1,240`. */
export function number(value: number): string {
  const digits = value === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return value.toLocaleString('en', { maximumFractionDigits: digits });
}

export function many(count: number, one: string, several = `${one}s`): string {
  return `${count.toLocaleString('en')} ${count === 1 ? one : several}`;
}

/** A digest or commit, short enough to compare by eye. */
export function short(id: string): string {
  return id.startsWith('sha256:') ? id.slice(7, 19) : id.slice(0, 7);
}

/** A command as one line; what a shell reads is shown as it was written. */
export function command(words: readonly string[] | null | undefined): string {
  if (words === undefined) return "the image's own command";
  if (words === null) return 'none';
  const [shell, flag, text] = words;
  return shell === '/bin/sh' && flag === '-c' && text !== undefined && words.length === 3
    ? text
    : words.join(' ');
}

/** An address for a link; undefined for one that a browser might execute. */
export function webAddress(url: string): string | undefined {
  return /^https?:\/\//.test(url) ? url : undefined;
}
