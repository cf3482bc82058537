/** The hosts of the platform, how each is, and a closer look at one. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { HostReport, HostView } from '../../api/host-views.js';
import { ask, type Fault, toFault } from '../api.js';
import { many } from '../format.js';
import { Loaded } from '../parts/loaded.js';
import { Notice } from '../parts/notice.js';
import { State } from '../parts/state.js';
import { useResource } from '../resource.js';

export function Hosts(): JSX.Element {
  const hosts = useResource<{ hosts: readonly HostView[] }>('/v1/hosts', { everyMs: 10_000 });
  return (
    <div class="page">
      <h1 tabIndex={-1}>Hosts</h1>
      <Loaded from={hosts}>
        {({ hosts: all }) => (
          <ul class="hosts">
            {all.map((host) => (
              <Host key={host.name} host={host} />
            ))}
          </ul>
        )}
      </Loaded>
    </div>
  );
}

function Host({ host }: { readonly host: HostView }): JSX.Element {
  const { name, address, version, containers, nodes, problem, cordoned, labels } = host;
  const [report, setReport] = useState<HostReport>();
  const [fault, setFault] = useState<Fault>();
  const [isChecking, setChecking] = useState(false);
  const check = async (): Promise<void> => {
    setChecking(true);
    setFault(undefined);
    try {
      setReport(
        await ask<HostReport>(`/v1/hosts/${encodeURIComponent(name)}/check`, { method: 'POST', body: {} }),
      );
    } catch (thrown) {
      setFault(toFault(thrown));
    } finally {
      setChecking(false);
    }
  };
  return (
    <li>
      <div class="head">
        <h2>{name}</h2>
        <State is={problem !== undefined ? 'not answering' : cordoned !== undefined ? 'cordoned' : 'up'} />
        <button type="button" disabled={isChecking} aria-label={`Check ${name}`} onClick={() => void check()}>
          {isChecking ? 'Checking…' : 'Check'}
        </button>
      </div>
      <p class="host-facts dim">
        <code>{address}</code>
        {version !== undefined && <span>Docker {version}</span>}
        {containers !== undefined && <span>{many(containers, 'container')}</span>}
        {nodes !== undefined && (
          <span>
            {nodes.ready} of {many(nodes.total, 'node')} ready
          </span>
        )}
        {Object.entries(labels).map(([label, value]) => (
          <span key={label} class="tag">
            {label}={value}
          </span>
        ))}
      </p>
      {problem !== undefined && <p class="reason">{problem}</p>}
      {cordoned !== undefined && (
        <p class="reason">
          Gets nothing new, said {cordoned.by}
          {cordoned.reason !== undefined && `: ${cordoned.reason}`}
        </p>
      )}
      {fault !== undefined && <Notice fault={fault} />}
      {report !== undefined && (
        <ul class="findings" aria-label={`What the check of ${name} found`}>
          {report.findings.map(({ what, result, says, hint }) => (
            <li key={what} class={result}>
              <span class="what">{what}</span> <span class="result">{result}</span> {says}
              {hint !== undefined && <span class="hint"> {hint}</span>}
            </li>
          ))}
        </ul>
      )}
    </li>
  );
}
