/** What became of a ledger, commit by commit: git's own history read as changes of documents. What they mean is events.ts. */
import type { Git } from '../git/git.js';
import { readLoose, readLooseRef } from '../git/loose-objects.js';
import { LEDGER_REF } from './documents.js';

export interface ChangedDocument {
  readonly path: string;
  /** Absent: there was none. */
  readonly before?: string;
  /** Absent: it was removed. */
  readonly after?: string;
}

export interface LedgerCommit {
  readonly oid: string;
  readonly atSeconds: number;
  readonly who: string;
  readonly message: string;
  readonly changes: readonly ChangedDocument[];
}

export interface HistoryRange {
  readonly limit: number;
  /** Seconds, both included. */
  readonly until?: number;
  readonly since?: number;
  /** Only commits that change one of these documents, and of them only these. */
  readonly paths?: readonly string[];
}

/** The newest first. None when there is no ledger. */
export async function readHistory(git: Git, gitDir: string, range: HistoryRange): Promise<LedgerCommit[]> {
  const args = [
    'log',
    // The other parent of a deploy is the app's source.
    '--first-parent',
    ...['--raw', '-z', '--no-abbrev', '--no-renames', '--format=%x01%H %ct%x00%an%x00%s'],
    `--max-count=${range.limit}`,
    ...(range.until === undefined ? [] : [`--until=${range.until}`]),
    ...(range.since === undefined ? [] : [`--since=${range.since}`]),
    LEDGER_REF,
    '--',
    ...(range.paths ?? []),
  ];
  const { exitCode, stdout } = await git.result(args, { gitDir });
  if (exitCode !== 0) return [];
  const commits = stdout.toString('utf8').split('\u0001').flatMap(parseCommit);
  const contents = await readBlobs(
    git,
    gitDir,
    commits.flatMap(({ changed }) => changed.flatMap(({ before, after }) => [before, after])),
  );
  return commits.map(({ changed, ...commit }) => ({
    ...commit,
    changes: changed.map(({ path, before, after }) => ({
      path,
      ...(contents.has(before) ? { before: contents.get(before) ?? '' } : {}),
      ...(contents.has(after) ? { after: contents.get(after) ?? '' } : {}),
    })),
  }));
}

/** When the newest commit was made, in seconds; undefined when there is no ledger. Most often without starting a process. */
export async function newestChange(git: Git, gitDir: string): Promise<number | undefined> {
  const head = await readLooseRef(gitDir, LEDGER_REF);
  const commit = head === undefined ? undefined : await readLoose(gitDir, head);
  const [, seconds] = /\ncommitter [^\n]* (\d+) [+-]\d{4}\n/.exec(commit?.toString('latin1') ?? '') ?? [];
  if (seconds !== undefined) return Number(seconds);
  const { exitCode, stdout } = await git.result(['log', '-1', '--format=%ct', LEDGER_REF, '--'], { gitDir });
  return exitCode === 0 ? Number(stdout.toString('latin1').trim()) : undefined;
}

interface Changed {
  readonly path: string;
  readonly before: string;
  readonly after: string;
}

type CommitWithIds = Omit<LedgerCommit, 'changes'> & { readonly changed: readonly Changed[] };

/** git-log(1) with `-z --raw`: header, author and subject, then for each document a line of git-diff-tree(1), "Raw output format". */
function parseCommit(text: string): CommitWithIds[] {
  const [header = '', who = '', message = '', ...rest] = text.split('\0');
  const [, oid, seconds] = /^([0-9a-f]{40,64}) (\d+)$/.exec(header) ?? [];
  if (oid === undefined) return [];
  const changed: Changed[] = [];
  for (let at = 0; at + 1 < rest.length; at += 2) {
    const [, before, after] = /^\n?:\d+ \d+ ([0-9a-f]+) ([0-9a-f]+) [AMD]$/.exec(rest[at] ?? '') ?? [];
    if (before !== undefined && after !== undefined)
      changed.push({ path: rest[at + 1] ?? '', before, after });
  }
  return [{ oid, atSeconds: Number(seconds), who, message, changed }];
}

/** git-cat-file(1), "BATCH OUTPUT". */
async function readBlobs(git: Git, gitDir: string, oids: readonly string[]): Promise<Map<string, string>> {
  const wanted = [...new Set(oids)].filter((oid) => !/^0+$/.test(oid));
  const contents = new Map<string, string>();
  if (wanted.length === 0) return contents;
  const output = await git.run(['cat-file', '--batch'], { gitDir, input: `${wanted.join('\n')}\n` });
  for (let at = 0; at < output.length; ) {
    const end = output.indexOf('\n', at);
    const [oid = '', type, size] = output.toString('latin1', at, end).split(' ');
    at = end + 1;
    if (type !== 'blob') continue;
    contents.set(oid, output.toString('utf8', at, at + Number(size)));
    at += Number(size) + 1;
  }
  return contents;
}
