/** The page's frame: who is signed in, the way to every view, and the view itself. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { ask, whenSignedOut } from './api.js';
import { Notice } from './parts/notice.js';
import { forgetAll, useResource } from './resource.js';
import { go, usePlace } from './router.js';
import { type Route, routeOf } from './routes.js';
import { AppView } from './views/app.js';
import { Apps } from './views/apps.js';
import { Build } from './views/build.js';
import { Events } from './views/events.js';
import { Hosts } from './views/hosts.js';
import { Keys } from './views/keys.js';
import { Nowhere } from './views/nowhere.js';
import { Queue } from './views/queue.js';
import { SignIn } from './views/sign-in.js';

export interface Person {
  readonly name: string;
  readonly admin: boolean;
  readonly mayCreateApps: boolean;
}

export function App(): JSX.Element | null {
  const { data: person, fault, refresh } = useResource<Person>('/v1/whoami');
  const [isOut, setOut] = useState(false);
  useEffect(() => whenSignedOut(() => setOut(true)), []);
  if (isOut || fault?.status === 401) {
    const onSignedIn = (): void => {
      forgetAll();
      setOut(false);
      void refresh();
    };
    return <SignIn onSignedIn={onSignedIn} wasIn={person !== undefined} />;
  }
  if (person !== undefined) return <Frame person={person} onSignOut={() => setOut(true)} />;
  return fault === undefined ? null : (
    <main class="alone">
      <h1>Slipway</h1>
      <Notice fault={fault} onRetry={refresh} />
    </main>
  );
}

function Frame({
  person,
  onSignOut,
}: {
  readonly person: Person;
  readonly onSignOut: () => void;
}): JSX.Element {
  const route = routeOf(usePlace().path);
  const signOut = async (): Promise<void> => {
    await ask('/session', { method: 'DELETE' });
    forgetAll();
    onSignOut();
  };
  return (
    <>
      <a class="skip" href="#content">
        Skip to the content
      </a>
      <header class="top">
        <a class="brand" href="/" aria-label="Slipway: all apps">
          <Mark />
          Slipway
        </a>
        <nav aria-label="Platform">
          <Way to="/" is={['apps', 'app', 'build'].includes(route.view)}>
            Apps
          </Way>
          <Way to="/queue" is={route.view === 'queue'}>
            Queue
          </Way>
          {person.admin && (
            <Way to="/hosts" is={route.view === 'hosts'}>
              Hosts
            </Way>
          )}
          <Way to="/events" is={route.view === 'events'}>
            Events
          </Way>
        </nav>
        <div class="who">
          <a class="quiet-key" href="/keys" aria-label="Keys">
            <kbd>?</kbd>
          </a>
          <span class="name">{person.name}</span>
          <button type="button" class="quiet" onClick={() => void signOut()}>
            Sign out
          </button>
        </div>
      </header>
      <main id="content" tabIndex={-1}>
        <View route={route} person={person} />
      </main>
    </>
  );
}

function View({ route, person }: { readonly route: Route; readonly person: Person }): JSX.Element {
  const title = titleOf(route);
  useEffect(() => {
    document.title = `${title} · Slipway`;
  }, [title]);
  switch (route.view) {
    case 'apps':
      return <Apps person={person} />;
    case 'app':
      return <AppView key={route.app} app={route.app} tab={route.tab} />;
    case 'build':
      return <Build key={`${route.app}/${route.build}`} app={route.app} id={route.build} />;
    case 'hosts':
      return <Hosts />;
    case 'queue':
      return <Queue />;
    case 'events':
      return <Events />;
    case 'keys':
      return <Keys />;
    case 'nowhere':
      return <Nowhere />;
  }
}

function titleOf(route: Route): string {
  if (route.view === 'build') return `${route.app}: build ${route.build}`;
  if (route.view === 'app') return route.tab === 'overview' ? route.app : `${route.app}: ${route.tab}`;
  return {
    apps: 'Apps',
    hosts: 'Hosts',
    queue: 'Queue',
    events: 'Events',
    keys: 'Keys',
    nowhere: 'Nothing here',
  }[route.view];
}

function Way({
  to,
  is,
  children,
}: {
  readonly to: string;
  readonly is: boolean;
  readonly children: string;
}): JSX.Element {
  const again = (event: MouseEvent): void => {
    if (location.pathname !== to) return;
    event.preventDefault();
    go(to, { replace: true });
  };
  return (
    <a href={to} onClick={again} {...(is ? { 'aria-current': 'page' } : {})}>
      {children}
    </a>
  );
}

export function Mark(): JSX.Element {
  return (
    <svg class="mark" viewBox="0 0 32 32" width="22" height="22" aria-hidden="true">
      <path d="M4.5 26 27.5 18.5" />
      <path
        class="hull"
        d="M4.5 13.5 28 6.200c-.6 4.6-2.300 7.700-5 9.900L9.6 20.400c-2.5-1.5-4.300-3.800-5.100-6.900z"
      />
    </svg>
  );
}
