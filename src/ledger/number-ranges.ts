/** Sets of whole numbers as a document: a number or a range per line, `1-37`. Most of what is let go is in one row. Pure. */

export function formatNumbers(numbers: Iterable<number>): string {
  const sorted = [...new Set(numbers)].sort((a, b) => a - b);
  const ranges: [number, number][] = [];
  for (const number of sorted) {
    const last = ranges.at(-1);
    if (last !== undefined && number === last[1] + 1) last[1] = number;
    else ranges.push([number, number]);
  }
  return ranges.map(([from, to]) => (from === to ? `${from}\n` : `${from}-${to}\n`)).join('');
}

/** Lines that are none are passed over: what is not known to be gone is kept. */
export function parseNumbers(text: string): ReadonlySet<number> {
  const numbers = new Set<number>();
  for (const line of text.split('\n')) {
    const [, from, to = from] = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(line) ?? [];
    if (from === undefined || Number(to) - Number(from) > LONGEST) continue;
    for (let number = Number(from); number <= Number(to); number += 1) numbers.add(number);
  }
  return numbers;
}

const LONGEST = 1_000_000;
