/** COPY and ADD → what to copy where: words expanded, paths cleaned lexically. The files are the builder's matter. */
import { posix } from 'node:path';
import { expandWord } from './expand.js';
import { heredocBody } from './heredoc.js';
import { copySource } from './plan.js';
import { invalid, quoted, unsupported } from './problems.js';
import { expansionFor, workingDirectory } from './stage-state.js';
import type { CopyInstruction, CopyStep, Heredoc, HeredocFile, StageState } from './types.js';

export function copyStep(state: StageState, instruction: CopyInstruction, where: string): CopyStep {
  const { kind } = instruction;
  const expansion = expansionFor(state, where);
  const word = (text: string | undefined): string | undefined =>
    text === undefined ? undefined : expandWord(text, expansion) || undefined;
  const chown = word(instruction.chown);
  const chmod = word(instruction.chmod);
  checkChmod(chmod, kind, where);
  const written = instruction.sources.map((source) => expandWord(source, expansion));
  for (const source of written) checkSource(source, kind, where);
  const heredocs = instruction.heredocs.map((heredoc): HeredocFile => {
    // Quotes in a body are data, and its escape is the backslash whatever the directive says.
    const inBody = { ...expansion, escape: '\\' as const, keepQuotes: true };
    const body = heredocBody(heredoc);
    return { name: heredoc.name, content: heredoc.expand ? expandWord(body, inBody) : body };
  });
  const destination = expandWord(instruction.destination, expansion);
  const absolute = resolveDestination(workingDirectory(state), destination);
  if (written.length + heredocs.length > 1 && !absolute.endsWith('/')) {
    throw invalid(
      where,
      `${kind}: several sources need a directory as destination`,
      `end the destination with a slash: ${quoted(`${destination}/`)}`,
    );
  }
  const from = copySource(instruction, state.stage.index, state.plan.stageNames, where);
  return {
    kind: 'copy',
    add: kind === 'ADD',
    sources: written.map((path) => ({ kind: 'path', path: cleanSource(path) })),
    heredocs,
    destination: absolute,
    ...(from === undefined ? {} : { from }),
    ...(chown === undefined ? {} : { chown }),
    ...(chmod === undefined ? {} : { chmod }),
    link: instruction.link,
    parents: instruction.parents,
    exclude: instruction.exclude,
    history: historyOf(kind, { chown, chmod, written, heredocs: instruction.heredocs, destination }),
  };
}

const MODE_CLAUSE = /^[ugoa]*([-+=]([rwxXst]*|[ugo]))+$/;

function checkChmod(chmod: string | undefined, kind: string, where: string): void {
  if (chmod === undefined || /^0?[0-7]{1,4}$/.test(chmod)) return;
  if (chmod.length <= 200 && chmod.split(',').every((clause) => MODE_CLAUSE.test(clause))) return;
  throw invalid(
    where,
    `${kind} --chmod=${chmod}: that is not a mode`,
    'use an octal mode such as 755, or u=rwX,go=rX',
  );
}

/** `https://`, `git://`, `git@host:path`, `github.com/owner/repository`: what ADD would fetch. */
const REMOTE = /^((https?|git|ssh|ftp):\/\/|git@|github\.com\/)/i;

function checkSource(source: string, kind: 'COPY' | 'ADD', where: string): void {
  if (source === '') throw invalid(where, `${kind}: a source is empty`, 'give the variable a value');
  if (!REMOTE.test(source)) return;
  // Without a scheme it is a directory of the context to COPY.
  if (kind === 'COPY') {
    if (source.includes('://'))
      throw invalid(where, `COPY ${quoted(source)}: COPY takes no URLs`, 'fetch it in a RUN');
    return;
  }
  throw unsupported(
    where,
    `ADD of a URL or git repository is not supported yet: ${quoted(source)}`,
    'fetch it in a RUN with curl or git, or commit the file',
  );
}

/** Relative to the source's root, which `..` cannot leave; `.` is the root. */
function cleanSource(source: string): string {
  const clean = posix.normalize(`/${source}`).replace(/^\/+/, '').replace(/\/$/, '');
  return clean === '' ? '.' : clean;
}

/** Absolute. A slash at the end, `.` and the empty path say that a directory is meant. */
function resolveDestination(workdir: string, destination: string): string {
  const isDirectory = destination === '' || /(^|\/)\.?$/.test(destination);
  const path = posix.resolve('/', workdir, destination).replace(/^\/+/, '/');
  return isDirectory && path !== '/' ? `${path}/` : path;
}

interface Words {
  readonly chown: string | undefined;
  readonly chmod: string | undefined;
  readonly written: readonly string[];
  readonly heredocs: readonly Heredoc[];
  readonly destination: string;
}

function historyOf(kind: string, { chown, chmod, written, heredocs, destination }: Words): string {
  const words = [
    kind,
    ...(chown === undefined ? [] : [`--chown=${chown}`]),
    ...(chmod === undefined ? [] : [`--chmod=${chmod}`]),
    ...written,
    ...heredocs.map(({ name }) => `<<${name}`),
    destination,
  ];
  return `${words.join(' ')} # buildkit`;
}
