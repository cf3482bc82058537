/** One app: its name, where it answers, and a tab for each side of it. */
import type { JSX } from 'preact';
import type { AppView as AppData } from '../../api/views.js';
import { webAddress } from '../format.js';
import { Loaded } from '../parts/loaded.js';
import { useResource } from '../resource.js';
import { APP_TABS, type AppTab, apiPath, appPath } from '../routes.js';
import { AppLogs } from './app-logs.js';
import { Builds } from './builds.js';
import { Config } from './config.js';
import { Metrics } from './metrics.js';
import { Overview } from './overview.js';
import { Releases } from './releases.js';

export function AppView({ app, tab }: { readonly app: string; readonly tab: AppTab }): JSX.Element {
  const data = useResource<AppData>(apiPath(app), { everyMs: 5000 });
  return (
    <div class={tab === 'logs' ? 'page wide' : 'page'}>
      <div class="head">
        <h1 tabIndex={-1}>{app}</h1>
        {data.data !== undefined && <Address url={data.data.url} />}
      </div>
      <Loaded from={data}>
        {(found) => (
          <>
            {found.lock !== undefined && (
              <p class="notice">
                <span>
                  Locked by {found.lock.by}: {found.lock.reason}. What runs stays as it is until{' '}
                  <code>slipway apps:unlock -a {app}</code>.
                </span>
              </p>
            )}
            <nav class="tabs" aria-label={`Of ${app}`}>
              {APP_TABS.map((each) => (
                <a key={each} href={appPath(app, each)} {...(each === tab ? { 'aria-current': 'page' } : {})}>
                  {each.charAt(0).toUpperCase() + each.slice(1)}
                </a>
              ))}
            </nav>
            <Tab app={found} tab={tab} />
          </>
        )}
      </Loaded>
    </div>
  );
}

function Tab({ app, tab }: { readonly app: AppData; readonly tab: AppTab }): JSX.Element {
  switch (tab) {
    case 'overview':
      return <Overview app={app} />;
    case 'releases':
      return <Releases app={app.name} />;
    case 'builds':
      return <Builds app={app.name} />;
    case 'logs':
      return <AppLogs app={app.name} />;
    case 'metrics':
      return <Metrics app={app.name} />;
    case 'config':
      return <Config app={app.name} />;
  }
}

function Address({ url }: { readonly url: string }): JSX.Element {
  const address = webAddress(url);
  const text = url.replace(/^https?:\/\//, '');
  if (address === undefined) return <span class="dim">{text}</span>;
  return (
    <a class="address" href={address} target="_blank" rel="noreferrer">
      {text}
      <span aria-hidden="true"> ↗</span>
    </a>
  );
}
