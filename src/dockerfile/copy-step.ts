/** COPY and ADD → what to copy where: words expanded, paths cleaned lexically. The files are the builder's matter. */
import { posix } from 'node:path';
import { sourceOf } from './copy-sources.js';
import { expandWord } from './expand.js';
import { heredocBody } from './heredoc.js';
import { copySource } from './origin.js';
import { invalid, quoted } from './problems.js';
import { expansionFor, workingDirectory } from './stage-state.js';
import type { CopyStep, HeredocFile, StageState, StepSource } from './step.js';
import type { CopyInstruction } from './syntax.js';

export function copyStep(state: StageState, instruction: CopyInstruction, where: string): CopyStep {
  const { kind } = instruction;
  const expansion = expansionFor(state, where);
  const word = (text: string | undefined): string | undefined =>
    text === undefined ? undefined : expandWord(text, expansion) || undefined;
  const chown = word(instruction.chown);
  const chmod = word(instruction.chmod);
  checkChmod(chmod, kind, where);
  const written = instruction.sources.map((source) => expandWord(source, expansion));
  const checksum = word(instruction.checksum);
  const expanded = { ...instruction, ...(checksum === undefined ? {} : { checksum }) };
  const sources = written.map((source) => sourceOf(source, expanded, where));
  checkChecksum(checksum, sources, where);
  const heredocs = instruction.heredocs.map((heredoc): HeredocFile => {
    // Quotes in a body are data, and its escape is the backslash whatever the directive says.
    const inBody = { ...expansion, escape: '\\' as const, keepQuotes: true };
    const body = heredocBody(heredoc);
    return { name: heredoc.name, content: heredoc.expand ? expandWord(body, inBody) : body };
  });
  const destination = expandWord(instruction.destination, expansion);
  const absolute = resolveDestination(workingDirectory(state), destination);
  const from = copySource(instruction, state.stage.index, state.plan, where);
  return {
    kind: 'copy',
    add: kind === 'ADD',
    sources,
    heredocs,
    destination: absolute,
    ...(from === undefined ? {} : { from }),
    ...(chown === undefined ? {} : { chown }),
    ...(chmod === undefined ? {} : { chmod }),
    // As in BuildKit, a layer whose modes are set anew is not made apart from those below.
    link: instruction.link && chmod === undefined,
    parents: instruction.parents,
    exclude: instruction.exclude,
    // A repository has its own.
    ...(checksum === undefined || sources[0]?.kind !== 'url' ? {} : { checksum }),
    ...(instruction.unpack === undefined ? {} : { unpack: instruction.unpack }),
    history: historyOf(instruction, { chown, chmod, written, destination }),
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

/** The bytes of one URL, or one repository's commit. */
function checkChecksum(checksum: string | undefined, sources: readonly StepSource[], where: string): void {
  if (checksum === undefined) return;
  const [source, ...more] = sources;
  if (source === undefined || more.length > 0)
    throw invalid(where, 'ADD --checksum takes one source', 'write an ADD for each');
  if (source.kind === 'path')
    throw invalid(where, 'ADD --checksum takes a URL or a git repository', 'remove the flag');
  const isGood = source.kind === 'url' ? /^sha256:[0-9a-f]{64}$/ : /^[0-9a-f]{4,64}$/i;
  if (isGood.test(checksum)) return;
  throw invalid(
    where,
    `ADD --checksum=${quoted(checksum)}: that is not a checksum`,
    source.kind === 'url' ? 'write sha256: and 64 hexadecimal digits' : 'write the id of the commit',
  );
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
  readonly destination: string;
}

/** BuildKit shows of the flags only these. */
function historyOf(
  { kind, parents, heredocs }: CopyInstruction,
  { chown, chmod, written, destination }: Words,
): string {
  const words = [
    kind,
    ...(parents ? ['--parents'] : []),
    ...(chown === undefined ? [] : [`--chown=${chown}`]),
    ...(chmod === undefined ? [] : [`--chmod=${chmod}`]),
    ...written,
    ...heredocs.map(({ name }) => `<<${name}`),
    destination,
  ];
  return `${words.join(' ')} # buildkit`;
}
