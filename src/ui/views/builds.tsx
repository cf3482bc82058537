/** The builds of an app, which are all its deployments: pushes, rollbacks, changes of config. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { BuildView } from '../../api/views.js';
import { duration, short } from '../format.js';
import { Loaded } from '../parts/loaded.js';
import { State } from '../parts/state.js';
import { Ago, Running } from '../parts/time.js';
import { useResource } from '../resource.js';
import { apiPath, buildPath } from '../routes.js';

const PAGE = 25;

export function Builds({ app }: { readonly app: string }): JSX.Element {
  const [limit, setLimit] = useState(PAGE);
  const builds = useResource<{ builds: readonly BuildView[] }>(apiPath(app, `/builds?limit=${limit}`), {
    everyMs: 3000,
  });
  return (
    <section aria-label="Builds">
      <Loaded from={builds}>
        {({ builds: rows }) => (
          <>
            {rows.length === 0 ? (
              <p class="empty">Nothing was pushed yet.</p>
            ) : (
              <BuildRows app={app} builds={rows} />
            )}
            {rows.length === limit && limit < 200 && (
              <button type="button" onClick={() => setLimit(Math.min(200, limit * 2))}>
                Show older ones
              </button>
            )}
          </>
        )}
      </Loaded>
    </section>
  );
}

/** `app` is the one they are of; without it each row says. */
export function BuildRows({
  app,
  builds,
}: {
  readonly app?: string;
  readonly builds: readonly BuildView[];
}): JSX.Element {
  return (
    <ul class="builds">
      {builds.map((build) => (
        <li key={build.id}>
          <State is={build.state} />
          <a class="what" href={buildPath(build.app, build.id)}>
            {app === undefined && `${build.app}: `}
            {build.kind === 'push' ? `push of ${short(build.commit ?? '')}` : build.kind}
            {build.release !== undefined && ` → v${build.release}`}
          </a>
          <span class="says">{build.reason}</span>
          <span class="who">{build.who}</span>
          <span class="long figure">
            {build.durationMs === undefined ? (
              <Running since={build.acceptedAt} />
            ) : (
              duration(build.durationMs)
            )}
          </span>
          <span class="when">
            <Ago at={build.acceptedAt} />
          </span>
        </li>
      ))}
    </ul>
  );
}
