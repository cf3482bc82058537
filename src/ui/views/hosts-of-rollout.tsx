/** A rollout as it happens: on each host what it has started so far, beside what still serves. */
import type { JSX } from 'preact';
import type { ProcessView, RunningView } from '../../api/deployer-client.js';
import { State } from '../parts/state.js';
import { useResource } from '../resource.js';
import { apiPath } from '../routes.js';
import { Silent, stateOf } from './processes.js';

export function HostsOfRollout({
  app,
  release,
}: {
  readonly app: string;
  readonly release: number;
}): JSX.Element | null {
  const running = useResource<RunningView>(apiPath(app, '/ps'), { everyMs: 1000 });
  if (running.data === undefined) return null;
  const { processes, silent } = running.data;
  const hosts = [...new Set(processes.map(({ host }) => host))].sort();
  return (
    <section class="rollout" aria-label="Rollout by host">
      <Silent silent={silent} />
      {hosts.map((host) => {
        const here = processes.filter((process) => process.host === host);
        return (
          <div key={host} class="rollout-host">
            <h2>{host}</h2>
            <Side title={`v${release}`} processes={here.filter((process) => process.release === release)} />
            <Side
              title="serves until then"
              processes={here.filter((process) => process.release !== release)}
            />
          </div>
        );
      })}
    </section>
  );
}

function Side({
  title,
  processes,
}: {
  readonly title: string;
  readonly processes: readonly ProcessView[];
}): JSX.Element {
  return (
    <div>
      <h3 class="dim">{title}</h3>
      {processes.length === 0 && <span class="dim">nothing yet</span>}
      <ul class="plain">
        {processes.map((process) => (
          <li key={process.container}>
            <code>{process.process}</code> <State is={stateOf(process)} />
          </li>
        ))}
      </ul>
    </div>
  );
}
