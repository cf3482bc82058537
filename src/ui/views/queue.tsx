/** What waits and what is under way, of all apps that one may see. */
import type { JSX } from 'preact';
import type { BuildView } from '../../api/views.js';
import { Loaded } from '../parts/loaded.js';
import { useResource } from '../resource.js';
import { BuildRows } from './builds.js';

const GROUPS: readonly (readonly [string, string, readonly string[]])[] = [
  ['Building', 'Nothing is being built.', ['building']],
  ['Waiting for a builder', '', ['accepted']],
  ['Rolling out', 'Nothing is being rolled out.', ['releasing']],
  ['Waiting for a rollout', '', ['ready']],
];

export function Queue(): JSX.Element {
  const queue = useResource<{ builds: readonly BuildView[] }>('/v1/queue', { everyMs: 2000 });
  return (
    <div class="page">
      <h1 tabIndex={-1}>Queue</h1>
      <Loaded from={queue}>
        {({ builds }) =>
          builds.length === 0 ? (
            <p class="empty">Nothing waits and nothing is under way.</p>
          ) : (
            GROUPS.map(([title, nothing, states]) => {
              const rows = builds.filter(({ state }) => states.includes(state));
              if (rows.length === 0 && nothing === '') return null;
              return (
                <section key={title} aria-label={title}>
                  <h2>
                    {title} {rows.length > 0 && <span class="figure dim">{rows.length}</span>}
                  </h2>
                  {rows.length === 0 ? <p class="empty">{nothing}</p> : <BuildRows builds={rows} />}
                </section>
              );
            })
          )
        }
      </Loaded>
    </div>
  );
}
