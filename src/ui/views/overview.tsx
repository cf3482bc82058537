/** What of an app is live, what runs of it and where, and what happened last; of an app without a release, how to push to it. */
import type { JSX } from 'preact';
import type { DomainView } from '../../api/domains.js';
import type { AppView, BuildView, ReleaseView } from '../../api/views.js';
import { short, webAddress } from '../format.js';
import { Loaded } from '../parts/loaded.js';
import { Ago } from '../parts/time.js';
import { useResource } from '../resource.js';
import { apiPath, appPath } from '../routes.js';
import { BuildRows } from './builds.js';
import { Processes } from './processes.js';
import { PushHelp } from './push-help.js';
import { RollbackButton } from './rollback.js';

export function Overview({ app }: { readonly app: AppView }): JSX.Element {
  const builds = useResource<{ builds: readonly BuildView[] }>(apiPath(app.name, '/builds?limit=6'), {
    everyMs: 3000,
  });
  const releases = useResource<{ releases: readonly ReleaseView[] }>(apiPath(app.name, '/releases'), {
    everyMs: 5000,
  });
  const domains = useResource<{ domains: readonly DomainView[] }>(apiPath(app.name, '/domains'));
  const before = releases.data?.releases.find(
    ({ number, state, bad, gone }) =>
      number < (app.release?.number ?? 0) && state === 'was live' && bad === undefined && !gone,
  );
  const isEmpty = app.release === undefined && builds.data?.builds.length === 0;
  return (
    <>
      {isEmpty && <PushHelp app={app} />}
      {app.release !== undefined && (
        <section class="live" aria-labelledby="live">
          <div class="head">
            <h2 id="live">
              <span class="figure">{app.release.version}</span> is live
            </h2>
            {before !== undefined && <RollbackButton app={app.name} target={before} live={app.release} />}
          </div>
          <p class="message">{app.release.message ?? app.release.description}</p>
          <dl class="facts">
            <Fact is="Commit">
              <code>{short(app.release.commit)}</code>
            </Fact>
            <Fact is="Image">
              <code title={app.release.image.digest}>{short(app.release.image.digest)}</code>
            </Fact>
            <Fact is="By">{app.release.createdBy}</Fact>
            <Fact is="Since">
              <Ago at={app.release.endedAt ?? app.release.createdAt} />
            </Fact>
            <Fact is="Hosts">{app.release.hosts.join(', ')}</Fact>
          </dl>
        </section>
      )}
      {app.release !== undefined && <Processes app={app.name} wanted={app.release.processes} />}
      {builds.data?.builds.length === 0 ? null : (
        <section aria-labelledby="latest">
          <div class="head">
            <h2 id="latest">Latest</h2>
            <a href={appPath(app.name, 'builds')}>All builds</a>
          </div>
          <Loaded from={builds}>{({ builds: rows }) => <BuildRows app={app.name} builds={rows} />}</Loaded>
        </section>
      )}
      {app.release !== undefined && domains.data !== undefined && (
        <section aria-labelledby="domains">
          <h2 id="domains">Domains</h2>
          <ul class="plain">
            {domains.data.domains.map(({ name, url }) => (
              <li key={name}>
                {webAddress(url) === undefined || name.startsWith('*') ? (
                  name
                ) : (
                  <a href={url} target="_blank" rel="noreferrer">
                    {name}
                  </a>
                )}
              </li>
            ))}
          </ul>
        </section>
      )}
    </>
  );
}

function Fact({
  is,
  children,
}: {
  readonly is: string;
  readonly children: JSX.Element | string;
}): JSX.Element {
  return (
    <div>
      <dt>{is}</dt>
      <dd>{children}</dd>
    </div>
  );
}
