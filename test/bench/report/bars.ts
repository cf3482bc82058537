/** The results as a picture: for each case a bar for each side, the longest over the whole width. Readable on white and on black. */
import { type CaseResult, COMMAND, OURS, type Results, type Side } from './results.js';
import { escaped, STYLE } from './svg.js';
import { isTimed, verdict } from './table.js';
import { ratio, time } from './units.js';

const WIDTH = 920;
const LEFT = 390;
const RIGHT = 90;
const BAR = 13;
const GAP = 16;
const HEAD = 46;

export function barsPicture({ cases, machine }: Results): string {
  const shown = cases.filter((one) => isTimed(one) && peers(one).length > 0);
  const parts: string[] = [];
  let y = HEAD;
  for (const one of shown) {
    const drawn = group(one, y);
    parts.push(drawn.text);
    y += drawn.height + GAP;
  }
  const names = [...new Set(shown.flatMap((one) => sides(one).map(({ name }) => name)))];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" width="${WIDTH}" height="${y}" role="img" aria-label="Times of Slipway and of its peers, case by case">`,
    STYLE,
    `<text class="strong" x="0" y="16">Time that a person waits; shorter is better</text>`,
    `<text class="soft" x="0" y="34">${escaped(`medians, each case in one run on ${machine.cpu}, ${machine.cores} cores`)}</text>`,
    ...names.map(
      (name, index) =>
        `<rect class="${className(name)}" x="${LEFT + 120 * index}" y="6" width="12" height="12" rx="2"/><text x="${LEFT + 18 + 120 * index}" y="16">${escaped(name)}</text>`,
    ),
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}

function group(one: CaseResult, top: number): { text: string; height: number } {
  const rows = sides(one);
  const longest = Math.max(...rows.map(({ median }) => median.wallMs));
  const width = (ms: number): number => Math.max(1, (ms / longest) * (WIDTH - LEFT - RIGHT));
  const bars = rows.map(({ name, median }, index) => {
    const y = top + index * BAR;
    const to = width(median.wallMs);
    return `<rect class="${className(name)}" x="${LEFT}" y="${y}" width="${to.toFixed(1)}" height="${BAR - 2}" rx="2"/><text class="small" x="${(LEFT + to + 6).toFixed(1)}" y="${y + 9}">${time(median.wallMs)}</text>`;
  });
  const reached = one.reached === undefined || one.mark.kind !== 'ratio' ? '' : ratio(one.reached);
  const label = [
    `<text x="0" y="${top + 10}"><tspan class="strong">${one.id}</tspan> ${escaped(one.title)}</text>`,
    `<text class="soft small" x="0" y="${top + 24}">${reached} of the best peer · ${verdict(one)}</text>`,
  ];
  return { text: [...label, ...bars].join(''), height: Math.max(rows.length * BAR, 26) };
}

/** Ours as a command is not what the picture is about. */
function sides(one: CaseResult): readonly Side[] {
  return one.sides.filter(({ name }) => name !== COMMAND);
}

function peers(one: CaseResult): readonly Side[] {
  return sides(one).filter(({ name }) => name !== OURS);
}

function className(name: string): string {
  if (name === OURS) return 'ours';
  return name === 'buildah' ? 'other' : 'peer';
}
