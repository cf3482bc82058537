/** What runs of an app, host by host. */
import type { JSX } from 'preact';
import type { ProcessView, RunningView } from '../../api/deployer-client.js';
import type { ReleaseView } from '../../api/views.js';
import { describe } from '../parts/diff.js';
import { Loaded } from '../parts/loaded.js';
import { State } from '../parts/state.js';
import { Ago } from '../parts/time.js';
import { useResource } from '../resource.js';
import { apiPath } from '../routes.js';

export function Processes({
  app,
  wanted,
}: {
  readonly app: string;
  readonly wanted: ReleaseView['processes'];
}): JSX.Element {
  const running = useResource<RunningView>(apiPath(app, '/ps'), { everyMs: 3000 });
  return (
    <section aria-labelledby="processes">
      <h2 id="processes">Processes</h2>
      <Loaded from={running}>
        {({ processes, silent }) => (
          <>
            <Silent silent={silent} />
            <table>
              <thead>
                <tr>
                  <th scope="col">Process</th>
                  <th scope="col">State</th>
                  <th scope="col">Release</th>
                  <th scope="col">Host</th>
                  <th scope="col" class="roomy">
                    Started
                  </th>
                  <th scope="col" class="number roomy">
                    Restarts
                  </th>
                </tr>
              </thead>
              <tbody>
                {processes.map((process) => (
                  <tr key={process.container}>
                    <th scope="row">{process.process}</th>
                    <td>
                      <State is={stateOf(process)} />
                    </td>
                    <td class="figure">v{process.release}</td>
                    <td>{process.host}</td>
                    <td class="roomy">
                      {process.startedAt === undefined ? '' : <Ago at={process.startedAt} />}
                    </td>
                    <td class="number figure roomy">{process.restarts}</td>
                  </tr>
                ))}
              </tbody>
            </table>
            {processes.length === 0 && <p class="empty">Nothing runs.</p>}
          </>
        )}
      </Loaded>
      <ul class="plain dim">
        {wanted.map((process) => (
          <li key={process.type}>
            <code>{process.type}</code> {describe(process)}
          </li>
        ))}
      </ul>
    </section>
  );
}

export function stateOf({ state, health }: Pick<ProcessView, 'state' | 'health'>): string {
  return state === 'running' && health !== undefined && health !== 'none' ? health : state;
}

export function Silent({ silent }: { readonly silent: RunningView['silent'] }): JSX.Element {
  return (
    <>
      {silent.map(({ host, reason }) => (
        <p key={host} class="notice">
          <span>
            {host} does not answer, so nobody knows what it runs: {reason}
          </span>
        </p>
      ))}
    </>
  );
}
