import type { ReleaseDraft } from '../../src/ledger/ledger.js';

/** What a push of `source` makes of an app with one web process. */
export function releaseDraft(
  app: string,
  { source, deploymentId }: Pick<ReleaseDraft, 'source' | 'deploymentId'>,
  more: Partial<ReleaseDraft> = {},
): ReleaseDraft {
  return {
    kind: 'deploy',
    image: { repository: `apps/${app}`, digest: `sha256:${'a'.repeat(64)}` },
    source,
    config: {},
    processes: [{ type: 'web', scale: 1 }],
    deploymentId,
    description: `deploy ${source.slice(0, 7)}`,
    ...more,
  };
}
