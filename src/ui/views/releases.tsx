/** All releases of an app, what each changed, and the way back to it. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { ReleaseView } from '../../api/views.js';
import type { ReleaseDiff } from '../../model/release-diff.js';
import { short } from '../format.js';
import { Diff } from '../parts/diff.js';
import { Loaded } from '../parts/loaded.js';
import { State } from '../parts/state.js';
import { Ago } from '../parts/time.js';
import { useResource } from '../resource.js';
import { apiPath, buildPath } from '../routes.js';
import { RollbackButton } from './rollback.js';

const AT_FIRST = 30;

export function Releases({ app }: { readonly app: string }): JSX.Element {
  const releases = useResource<{ releases: readonly ReleaseView[] }>(apiPath(app, '/releases'), {
    everyMs: 5000,
  });
  const [limit, setLimit] = useState(AT_FIRST);
  return (
    <section aria-label="Releases">
      <Loaded from={releases}>
        {({ releases: all }) => {
          const live = all.find(({ state }) => state === 'live');
          if (all.length === 0)
            return <p class="empty">There is no release yet: the first push makes one.</p>;
          return (
            <>
              <ol class="releases">
                {all.slice(0, limit).map((release) => (
                  <Release key={release.number} app={app} release={release} live={live} />
                ))}
              </ol>
              {all.length > limit && (
                <button type="button" onClick={() => setLimit(limit + 100)}>
                  Show older ones
                </button>
              )}
            </>
          );
        }}
      </Loaded>
    </section>
  );
}

function Release({
  app,
  release,
  live,
}: {
  readonly app: string;
  readonly release: ReleaseView;
  readonly live: ReleaseView | undefined;
}): JSX.Element {
  const [isOpen, setOpen] = useState(false);
  const {
    version,
    number,
    state,
    message,
    description,
    commit,
    createdBy,
    createdAt,
    endedAt,
    build,
    reason,
    bad,
    pinnedBy,
    gone,
  } = release;
  const canReturn = live !== undefined && state === 'was live' && !gone && bad === undefined;
  return (
    <li class={state === 'live' ? 'release is-live' : 'release'} aria-label={version}>
      <div class="release-line">
        <span class="version figure">{version}</span>
        <State is={state} />
        <span class="says">{message ?? description}</span>
      </div>
      <p class="release-facts dim">
        {message !== undefined && <span>{description}</span>}
        <span>
          <code>{short(commit)}</code>
        </span>
        <span>
          {createdBy}, <Ago at={endedAt ?? createdAt} />
        </span>
        <a href={buildPath(app, build)}>Log</a>
        {pinnedBy !== undefined && <span>kept by {pinnedBy}</span>}
        {gone && <span>its image was let go</span>}
      </p>
      {reason !== undefined && <p class="reason">{reason}</p>}
      {bad !== undefined && (
        <p class="reason">
          Marked bad by {bad.by}: {bad.reason}
        </p>
      )}
      <div class="release-actions">
        {number > 1 && (
          <button type="button" class="quiet" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
            What it changed
          </button>
        )}
        {canReturn && <RollbackButton app={app} target={release} live={live} />}
      </div>
      {isOpen && <Changed app={app} version={version} />}
    </li>
  );
}

function Changed({ app, version }: { readonly app: string; readonly version: string }): JSX.Element {
  const diff = useResource<ReleaseDiff>(apiPath(app, `/releases/${version}/diff`));
  return <Loaded from={diff}>{(found) => <Diff diff={found} />}</Loaded>;
}
