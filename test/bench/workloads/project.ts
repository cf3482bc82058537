/** A project to build: a git repository with a working copy, made from a seed. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { Random } from './random.js';
import { sourceText } from './source-text.js';

export interface ProjectPlan {
  readonly dockerfile: string;
  /** Source files below `src/`; with `bytes` between all of them. */
  readonly files: number;
  readonly bytes: number;
  readonly seed: number;
  /** By path, whatever else there is. */
  readonly more?: Readonly<Record<string, string>>;
}

export interface Project {
  readonly directory: string;
  /** Commits what has changed, or nothing. Returns the commit's id. */
  commit(): Promise<string>;
  /** Gives one source file other content; which one follows from the number. */
  changeSource(round: number): Promise<void>;
  /** Puts commits before what comes next, each with a file that changes. */
  addHistory(commits: number): Promise<void>;
  /** Changes a file that the ignore file takes out of the build. */
  changeDocs(round: number): Promise<void>;
}

/** Nothing of the repository itself belongs into an image. */
const IGNORE = '.git\ndocs\n';
const DOCS = 'docs/guide.md';
const HISTORY = 'src/edition.ts';
const run = promisify(execFile);
const ENVIRONMENT: NodeJS.ProcessEnv = {
  PATH: process.env.PATH,
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_AUTHOR_NAME: 'Bench',
  GIT_AUTHOR_EMAIL: 'bench@example.com',
  GIT_COMMITTER_NAME: 'Bench',
  GIT_COMMITTER_EMAIL: 'bench@example.com',
};

/** What a plan puts on disk, path by path: the same for the same plan, on every machine. */
export function* projectFiles(plan: ProjectPlan): Generator<readonly [path: string, text: string]> {
  const random = new Random(plan.seed);
  yield ['Dockerfile', plan.dockerfile];
  yield ['.dockerignore', IGNORE];
  yield ['package.json', `${JSON.stringify({ name: 'bench', version: `0.0.${plan.seed}` }, null, 2)}\n`];
  yield [DOCS, `# Guide\n\n${sourceText(random, 2000)}\n`];
  for (const each of Object.entries(plan.more ?? {})) yield each;
  const sizes = fileSizes(random, plan.files, plan.bytes);
  for (const [index, size] of sizes.entries()) yield [sourcePath(index), sourceText(random, size)];
}

export function sourcePath(index: number): string {
  return `src/area-${index % 11}/part-${Math.floor(index / 11) % 37}/unit-${Math.floor(index / 407) % 5}/file-${index}.ts`;
}

/** As in real repositories most are small and a few large; together they are `total`. */
export function fileSizes(random: Random, count: number, total: number): number[] {
  const weights = Array.from({ length: count }, () => 0.1 + ((random.below(1000) + 1) / 500) ** 3);
  const sum = weights.reduce((all, weight) => all + weight, 0);
  return weights.map((weight) => Math.max(1, Math.round((weight / sum) * total)));
}

/** Writes it below a new directory and commits it. */
export async function makeProject(directory: string, plan: ProjectPlan): Promise<Project> {
  const made = new Set<string>();
  for (const [path, text] of projectFiles(plan)) {
    const at = join(directory, path);
    const parent = dirname(at);
    if (!made.has(parent)) await mkdir(parent, { recursive: true });
    made.add(parent);
    await writeFile(at, text);
  }
  const git = async (...args: string[]): Promise<string> => {
    const settings = ['-c', 'core.fsync=none', '-c', 'gc.auto=0', '-c', 'core.looseCompression=1'];
    const { stdout } = await run('git', [...settings, ...args], { cwd: directory, env: ENVIRONMENT });
    return stdout.trim();
  };
  await git('init', '--quiet', '--initial-branch=main');
  const project: Project = {
    directory,
    async commit() {
      await git('add', '--all');
      await git('commit', '--quiet', '--allow-empty', '--message=A change');
      return git('rev-parse', 'HEAD');
    },
    async changeSource(round) {
      const path = join(directory, sourcePath((round * 997 + 1) % plan.files));
      await writeFile(path, `// Changed in round ${round}.\n${await readFile(path, 'utf8')}`);
    },
    async addHistory(commits) {
      const child = execFile('git', ['fast-import', '--quiet', '--force'], {
        cwd: directory,
        env: ENVIRONMENT,
      });
      const ended = once(child, 'close');
      for (const text of historyStream(commits)) child.stdin?.write(text);
      child.stdin?.end();
      const [code] = (await ended) as [number];
      if (code !== 0) throw new Error(`git fast-import: exit ${code}`);
      await git('reset', '--quiet', '--hard');
    },
    async changeDocs(round) {
      await writeFile(join(directory, DOCS), `# Guide, edition ${round}\n`);
    },
  };
  await project.commit();
  return project;
}

/** git-fast-import(1). */
function* historyStream(commits: number): Generator<string> {
  for (let number = 1; number <= commits; number++) {
    const message = `Change ${number}\n`;
    const text = `const edition = ${number};\n`;
    yield `commit refs/heads/main\ncommitter Bench <bench@example.com> ${number} +0000\n`;
    yield `data ${message.length}\n${message}${number === 1 ? 'from refs/heads/main^0\n' : ''}`;
    yield `M 100644 inline ${HISTORY}\ndata ${text.length}\n${text}\n`;
  }
}

/** Makes the newest commit known to an app's bare repository, as a push does; that it takes pushes itself matters not here. */
export async function sendCommit(project: Project, gitDir: string): Promise<void> {
  const args = ['-C', gitDir, 'fetch', '--quiet', '--force', project.directory, 'main:refs/heads/main'];
  await run('git', args, { env: ENVIRONMENT });
}
