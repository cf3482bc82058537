/**
 * A line of a log → pieces of text with the colours that it asks for (ECMA-48, section 8.3.117, "SGR"). Everything else that would
 * command a terminal is left out. Colours become the page's own sixteen, so that each can be read on its ground. Pure.
 */

export interface Piece {
  readonly text: string;
  /** Names of classes; empty for plain text. */
  readonly look: string;
}

/** SGR, any other control sequence, strings such as a window title, and control characters but TAB. */
const CONTROL =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /\x1b\[([\d;:]*)m|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x9c|\x1b\\)?|\x1b[ -/]*[0-~]?|[\0-\x08\x0a-\x1f\x7f-\x9f]/g;

interface Look {
  bold: boolean;
  dim: boolean;
  italic: boolean;
  underline: boolean;
  colour: number | undefined;
}

const PLAIN: Look = { bold: false, dim: false, italic: false, underline: false, colour: undefined };

/** The text alone, as it is searched and copied. */
export function plain(line: string): string {
  return line.replace(CONTROL, '');
}

export function pieces(line: string): Piece[] {
  const found: Piece[] = [];
  let look = PLAIN;
  let from = 0;
  const add = (text: string): void => {
    if (text === '') return;
    const name = className(look);
    const last = found.at(-1);
    if (last?.look === name) found[found.length - 1] = { text: last.text + text, look: name };
    else found.push({ text, look: name });
  };
  for (const match of line.matchAll(CONTROL)) {
    add(line.slice(from, match.index));
    from = match.index + match[0].length;
    if (match[1] !== undefined) look = changed(look, match[1]);
  }
  add(line.slice(from));
  return found;
}

/** Cut where a hit of a search begins and ends; those pieces say so. */
export function marked(
  parts: readonly Piece[],
  hits: readonly (readonly [number, number])[],
): (Piece & { readonly isHit: boolean })[] {
  const cuts = [...new Set(hits.flat())].sort((a, b) => a - b);
  let at = 0;
  return parts.flatMap(({ text, look }) => {
    const [begin, end] = [at, at + text.length];
    at = end;
    const edges = [begin, ...cuts.filter((cut) => cut > begin && cut < end), end];
    return edges.slice(0, -1).map((from, index) => ({
      text: text.slice(from - begin, (edges[index + 1] ?? end) - begin),
      look,
      isHit: hits.some(([start, stop]) => from >= start && from < stop),
    }));
  });
}

function changed(before: Look, parameters: string): Look {
  const look = { ...before };
  const codes = parameters.split(/[;:]/).map((text) => (text === '' ? 0 : Number(text)));
  for (let index = 0; index < codes.length; index++) {
    const code = codes[index] ?? 0;
    if (code === 0) Object.assign(look, PLAIN);
    else if (code === 1) look.bold = true;
    else if (code === 2) look.dim = true;
    else if (code === 3) look.italic = true;
    else if (code === 4) look.underline = true;
    else if (code === 22) look.bold = look.dim = false;
    else if (code === 23) look.italic = false;
    else if (code === 24) look.underline = false;
    else if (code >= 30 && code <= 37) look.colour = code - 30;
    else if (code >= 90 && code <= 97) look.colour = code - 82;
    else if (code === 39) look.colour = undefined;
    else if (code === 38 || code === 48) {
      // 5;n is one of 256, 2;r;g;b any; a background is read over.
      const size = codes[index + 1] === 5 ? 2 : codes[index + 1] === 2 ? 4 : 0;
      if (code === 38) look.colour = nearest(codes.slice(index + 1, index + 1 + size)) ?? look.colour;
      index += size;
    }
  }
  return look;
}

function nearest([kind, first, green = 0, blue = 0]: readonly number[]): number | undefined {
  if (first === undefined) return undefined;
  if (kind === 2) return ofRgb(first, green, blue);
  if (first < 16) return first;
  if (first >= 232) return first < 244 ? 8 : 7;
  const side = (value: number): number => (value === 0 ? 0 : 55 + value * 40);
  const cube = first - 16;
  return ofRgb(side(Math.floor(cube / 36)), side(Math.floor(cube / 6) % 6), side(cube % 6));
}

/** Which of red, green and blue are in it, as the eight first colours are numbered. */
function ofRgb(red: number, green: number, blue: number): number {
  const most = Math.max(red, green, blue);
  if (most - Math.min(red, green, blue) < 32) return most < 128 ? 8 : 7;
  const has = (value: number): boolean => value > most * 0.6;
  return (has(red) ? 1 : 0) + (has(green) ? 2 : 0) + (has(blue) ? 4 : 0);
}

function className({ bold, dim, italic, underline, colour }: Look): string {
  return [
    ...(bold ? ['bold'] : []),
    ...(dim ? ['dim'] : []),
    ...(italic ? ['italic'] : []),
    ...(underline ? ['underline'] : []),
    ...(colour === undefined || Number.isNaN(colour) ? [] : [`ansi${colour}`]),
  ].join(' ');
}
