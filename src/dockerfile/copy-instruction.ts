/** COPY and ADD: flags, sources, destination, heredocs as sources. */
import { type FlagKind, Flags } from './flags.js';
import { heredocStart } from './heredoc.js';
import { invalid, quoted } from './problems.js';
import { splitWords } from './text.js';
import type { CopyInstruction, Heredoc, RawInstruction, Unsupported } from './types.js';
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
  const words = parsed ?? splitWords(raw.rest);
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
    throw invalid(where, `${kind}: a heredoc's name must follow << at once`, `${kind} <<NAME DESTINATION`);
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
  const problem = unsupportedFlag(flags, kind);
  return {
    lines: raw.lines,
    text: raw.text,
    ...(problem === undefined ? {} : { unsupported: problem }),
    kind,
    sources,
    heredocs: raw.heredocs,
    destination,
    ...(from === undefined ? {} : { from }),
    ...(chown === undefined ? {} : { chown }),
    ...(chmod === undefined ? {} : { chmod }),
    link: false,
    parents: false,
    exclude: [],
    keepGitDir: false,
  };
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

const HINTS: Readonly<Record<string, string>> = {
  link: 'remove the flag: without it the image has the same files',
  parents: 'COPY each directory to its own destination',
  exclude: 'list what to leave out in .dockerignore',
  checksum: 'COPY a file of the repository, or fetch and check it in a RUN',
  'keep-git-dir': 'clone in a RUN',
  unpack: 'COPY the archive and unpack it in a RUN',
};

function unsupportedFlag(flags: Flags, kind: 'COPY' | 'ADD'): Unsupported | undefined {
  // --unpack=false is not a no-op: without it ADD would unpack.
  const name = Object.keys(HINTS).find(
    (each) => flags.isSet(each) || (each === 'unpack' && flags.text(each) !== undefined),
  );
  if (name === undefined) return undefined;
  return { message: `${kind} --${name} is not supported yet`, hint: HINTS[name] ?? '' };
}
