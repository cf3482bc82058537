/** COPY and ADD: flags, sources, destination, heredocs as sources. */
import { type FlagKind, Flags } from './flags.js';
import { heredocStart } from './heredoc.js';
import { parsePatterns } from './ignore.js';
import { invalid, quoted } from './problems.js';
import type { CopyInstruction, Heredoc, RawInstruction } from './syntax.js';
import { splitWords } from './text.js';
import { jsonStrings } from './words.js';

const COMMON: Readonly<Record<string, FlagKind>> = {
  chown: 'string',
  chmod: 'string',
  link: 'boolean',
  exclude: 'list',
};
const FLAGS: Readonly<Record<'COPY' | 'ADD', Readonly<Record<string, FlagKind>>>> = {
  COPY: { from: 'string', ...COMMON, parents: 'boolean' },
  ADD: { ...COMMON, checksum: 'string', 'keep-git-dir': 'boolean', unpack: 'boolean' },
};

/** Throws `dockerfile_invalid`. */
export function parseCopy(raw: RawInstruction, kind: 'COPY' | 'ADD', where: string): CopyInstruction {
  const flags = new Flags(raw.flags, FLAGS[kind], kind, where);
  const parsed = jsonStrings(raw.rest);
  if (parsed === 'not-strings') {
    throw invalid(
      where,
      `${kind}: the JSON array may hold only strings`,
      'put every element in double quotes',
    );
  }
  if (parsed?.some((word) => word.includes('\0'))) throw invalid(where, `${kind}: a path holds a NUL byte`);
  const words = parsed ?? joinHeredocs(splitWords(raw.rest));
  const destination = words.at(-1);
  if (destination === undefined || words.length < 2) {
    throw invalid(
      where,
      `${kind} needs at least one source and a destination`,
      `${kind} SOURCE... DESTINATION`,
    );
  }
  const isHeredoc = (word: string): boolean =>
    parsed === undefined && heredocStart(word, where) !== undefined;
  if (isHeredoc(destination)) {
    throw invalid(where, `${kind}: a heredoc cannot be the destination`, `${kind} <<NAME DESTINATION`);
  }
  const sources = words.slice(0, -1).filter((word) => !isHeredoc(word));
  if (words.length - 1 - sources.length !== raw.heredocs.length) {
    throw invalid(where, `${kind}: a heredoc's name must be one word`, `${kind} <<NAME DESTINATION`);
  }
  for (const heredoc of raw.heredocs) checkFileName(heredoc, kind, where);
  const from = flags.text('from');
  if (from?.includes('$')) {
    throw invalid(
      where,
      `COPY --from=${from}: variables are not expanded here`,
      'name a stage: FROM the image with the variable AS name, then COPY --from=name',
    );
  }
  const chown = flags.text('chown');
  const chmod = flags.text('chmod');
  const checksum = flags.text('checksum');
  const keepGitDir = flags.boolean('keep-git-dir');
  const unpack = flags.boolean('unpack');
  const exclude = flags.list('exclude');
  parsePatterns(exclude, where);
  return {
    lines: raw.lines,
    text: raw.text,
    kind,
    sources,
    heredocs: raw.heredocs,
    destination,
    ...(from === undefined ? {} : { from }),
    ...(chown === undefined ? {} : { chown }),
    ...(chmod === undefined ? {} : { chmod }),
    link: flags.boolean('link') ?? false,
    parents: flags.boolean('parents') ?? false,
    exclude,
    ...(checksum === undefined ? {} : { checksum }),
    ...(keepGitDir === undefined ? {} : { keepGitDir }),
    ...(unpack === undefined ? {} : { unpack }),
  };
}

/** `<< EOF` → `<<EOF`: blanks may come before a heredoc's name. */
function joinHeredocs(words: readonly string[]): string[] {
  const joined: string[] = [];
  for (const word of words) {
    const arrows = joined.at(-1);
    if (arrows !== undefined && /^\d*<<$/.test(arrows)) joined[joined.length - 1] = arrows + word;
    else joined.push(word);
  }
  return joined;
}

/** The delimiter becomes a file's name. */
function checkFileName({ name }: Heredoc, kind: string, where: string): void {
  if (name === '.' || name === '..' || name.includes('/')) {
    throw invalid(
      where,
      `${kind}: a heredoc called ${quoted(name)} cannot become a file`,
      'choose a name without slashes',
    );
  }
}
