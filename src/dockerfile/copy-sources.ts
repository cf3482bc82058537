/** The words of COPY and ADD → StepSource: a path of the context, a URL to fetch, a git repository. */
import { posix } from 'node:path';
import { BadGitUrl, parseGitUrl } from './git-url.js';
import { invalid, quoted } from './problems.js';
import type { GitSource, StepSource } from './step.js';
import type { CopyInstruction } from './syntax.js';

/** Variables are expanded already. Throws `dockerfile_invalid`. */
export function sourceOf(written: string, instruction: CopyInstruction, where: string): StepSource {
  const { kind, parents } = instruction;
  const git = gitOf(written, kind, where);
  if (git !== undefined) {
    if (kind === 'COPY') {
      throw invalid(where, `COPY ${quoted(written)}: COPY takes no git repositories`, 'use ADD');
    }
    return { kind: 'git', git: withFlags(git, instruction, where) };
  }
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(written)?.[1];
  if (scheme !== undefined) {
    if (kind === 'COPY') throw invalid(where, `COPY ${quoted(written)}: COPY takes no URLs`, 'use ADD');
    if (!/^https?$/i.test(scheme)) {
      throw invalid(where, `ADD ${quoted(written)}: ${scheme} is not supported`, 'use https');
    }
    if (!URL.canParse(written)) throw invalid(where, `ADD ${quoted(written)}: that is not a URL`);
    return { kind: 'url', url: written };
  }
  if (!parents) return { kind: 'path', path: cleanSource(written) };
  // The directories before /./ are where the kept ones begin.
  const cut = written.indexOf('/./');
  if (cut < 0) return { kind: 'path', path: cleanSource(written), pivot: '' };
  const pivot = cleanSource(written.slice(0, cut));
  const below = cleanSource(written.slice(cut + 3));
  const path = pivot === '.' ? below : below === '.' ? pivot : `${pivot}/${below}`;
  return { kind: 'path', path, pivot: pivot === '.' ? '' : pivot };
}

function gitOf(written: string, kind: string, where: string): GitSource | undefined {
  try {
    return parseGitUrl(written);
  } catch (error) {
    if (!(error instanceof BadGitUrl)) throw error;
    throw invalid(
      where,
      `${kind} ${quoted(written)}: ${error.message}`,
      'a repository is written https://host/name.git?tag=v1&subdir=path, or https://host/name.git#ref:path',
    );
  }
}

/** What the flags say of the repository; the URL may not say otherwise. */
function withFlags(git: GitSource, { checksum, keepGitDir }: CopyInstruction, where: string): GitSource {
  if (keepGitDir !== undefined && git.keepGitDir !== undefined && keepGitDir !== git.keepGitDir) {
    throw invalid(where, 'ADD: --keep-git-dir and the URL contradict each other', 'remove one of them');
  }
  if (checksum !== undefined && git.checksum !== undefined && checksum !== git.checksum) {
    throw invalid(where, 'ADD: --checksum and the URL name different commits', 'remove one of them');
  }
  const keep = keepGitDir ?? git.keepGitDir;
  return {
    ...git,
    ...(checksum === undefined ? {} : { checksum }),
    ...(keep === undefined ? {} : { keepGitDir: keep }),
  };
}

/** Relative to the source's root, which `..` cannot leave; `.` is the root, and so is what a variable without a value leaves. */
function cleanSource(source: string): string {
  const clean = posix.normalize(`/${source}`).replace(/^\/+/, '').replace(/\/$/, '');
  return clean === '' ? '.' : clean;
}
