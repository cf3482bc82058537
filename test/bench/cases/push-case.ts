/** The cases p: from `git push` until the new commit is live, beside the script that does the same with docker. */
import { pushDockerfile } from '../workloads/dockerfiles.js';
import type { ProjectPlan } from '../workloads/project.js';

export interface PushCase {
  readonly id: string;
  readonly title: string;
  readonly mark: { readonly kind: 'ratio'; readonly most: number };
  readonly files: number;
  readonly bytes: number;
  readonly runAfterCopy: boolean;
  /** Whether a push changes a file: the page. */
  readonly isChange: boolean;
}

export const PUSH_CASES: readonly PushCase[] = [
  {
    id: 'p1',
    title: 'push → live, 400 files, no change',
    mark: { kind: 'ratio', most: 0.4 },
    files: 400,
    bytes: 4_000_000,
    runAfterCopy: false,
    isChange: false,
  },
  {
    id: 'p2',
    title: 'push → live, 400 files, one changed',
    mark: { kind: 'ratio', most: 0.5 },
    files: 400,
    bytes: 4_000_000,
    runAfterCopy: false,
    isChange: true,
  },
  {
    id: 'p3',
    title: 'push → live, 30,000 files, one changed, RUN after COPY',
    mark: { kind: 'ratio', most: 0.1 },
    files: 30_000,
    bytes: 50_000_000,
    runAfterCopy: true,
    isChange: true,
  },
];

export const PAGE = 'src/site/index.html';

export function pushPlan({ files, bytes, runAfterCopy }: PushCase, base: string): ProjectPlan {
  return {
    dockerfile: pushDockerfile(base, runAfterCopy),
    files,
    bytes,
    seed: 1,
    more: { [PAGE]: pageText(0), 'src/serve.sh': SERVE },
  };
}

export function pageText(round: number): string {
  return `<h1>Round ${round}</h1>\n`;
}

/** A container's first process has no default action for SIGTERM: without the trap a stop would take all of its grace. */
const SERVE = `#!/bin/sh
httpd -f -p "\${PORT:-8080}" -h /app/src/site &
trap 'kill $!' TERM INT
wait
`;
