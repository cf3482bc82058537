/** All apps at a glance: what needs somebody first, then what is under way, then the rest by name. */
import type { JSX } from 'preact';
import { useMemo, useRef, useState } from 'preact/hooks';
import type { AppGlance } from '../../api/overview.js';
import type { Person } from '../app.js';
import { many } from '../format.js';
import { filterApps, HEALTH_WORDS, HEALTHS, type Health, healthOf, sortApps } from '../health.js';
import { Key } from '../parts/key.js';
import { Loaded } from '../parts/loaded.js';
import { State } from '../parts/state.js';
import { Ago } from '../parts/time.js';
import { usePageWindow } from '../parts/window.js';
import { useResource } from '../resource.js';
import { appPath } from '../routes.js';
import { useShortcuts } from '../shortcuts.js';
import { NewApp } from './new-app.js';

export function Apps({ person }: { readonly person: Person }): JSX.Element {
  const overview = useResource<{ apps: readonly AppGlance[] }>('/v1/overview', { everyMs: 5000 });
  return (
    <div class="page">
      <Loaded from={overview}>
        {({ apps }) => (
          <>
            <div class="head">
              <h1 tabIndex={-1}>Apps</h1>
              {person.mayCreateApps && <NewApp isFirst={apps.length === 0} />}
            </div>
            {apps.length === 0 ? (
              <p class="empty">There is no app yet{person.mayCreateApps ? '' : ' that you may use'}.</p>
            ) : (
              <List apps={apps} />
            )}
          </>
        )}
      </Loaded>
    </div>
  );
}

function List({ apps }: { readonly apps: readonly AppGlance[] }): JSX.Element {
  const [text, setText] = useState('');
  const [healths, setHealths] = useState<ReadonlySet<Health>>(new Set());
  const filter = useRef<HTMLInputElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const sorted = useMemo(() => sortApps(apps), [apps]);
  const shown = useMemo(() => filterApps(sorted, text, healths), [sorted, text, healths]);
  useShortcuts([{ keys: '/', says: 'Filter the apps', run: () => filter.current?.select() }]);
  const toggle = (health: Health): void => {
    const next = new Set(healths);
    if (!next.delete(health)) next.add(health);
    setHealths(next);
  };
  const onKey = (event: KeyboardEvent): void => {
    const first = list.current?.querySelector<HTMLElement>('a');
    if (event.key === 'ArrowDown') {
      event.preventDefault();
      first?.focus();
    } else if (event.key === 'Enter' && text !== '') first?.click();
    else if (event.key === 'Escape') setText('');
  };
  return (
    <>
      <div class="filter">
        <label class="search">
          <span class="unseen">Filter the apps</span>
          <input
            ref={filter}
            type="search"
            placeholder="Filter by name, release, message or person"
            value={text}
            onInput={(event) => setText(event.currentTarget.value)}
            onKeyDown={onKey}
          />
          <Key>/</Key>
        </label>
        {/* biome-ignore lint/a11y/useSemanticElements: a fieldset would need a form around it */}
        <div class="chips" role="group" aria-label="Only apps that are">
          {HEALTHS.map((health) => {
            const count = apps.filter((app) => healthOf(app) === health).length;
            if (count === 0 && !healths.has(health)) return null;
            return (
              <button
                key={health}
                type="button"
                class="chip"
                data-health={health}
                aria-pressed={healths.has(health)}
                onClick={() => toggle(health)}
              >
                <span class="figure">{count}</span> {HEALTH_WORDS[health]}
              </button>
            );
          })}
        </div>
      </div>
      <p class="unseen" role="status">
        {many(shown.length, 'app')}
      </p>
      <Rows apps={shown} list={list} />
      {shown.length === 0 && <p class="empty">No app is like that.</p>}
    </>
  );
}

const ROW_PX = 56;

function Rows({
  apps,
  list,
}: {
  readonly apps: readonly AppGlance[];
  readonly list: { current: HTMLDivElement | null };
}): JSX.Element {
  const { first, end } = usePageWindow(list, apps.length, ROW_PX);
  const onKey = (event: KeyboardEvent): void => {
    const row = event.target instanceof Element ? event.target.closest<HTMLElement>('[aria-posinset]') : null;
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
    if (row === null || step === 0) return;
    event.preventDefault();
    const next = row.parentElement?.querySelector<HTMLElement>(
      `[aria-posinset="${Number(row.getAttribute('aria-posinset')) + step}"] a`,
    );
    next?.focus();
    next?.scrollIntoView({ block: 'nearest' });
  };
  return (
    // biome-ignore lint/a11y/useSemanticElements: a list of which only a part is there
    <div
      class="rows"
      ref={list}
      role="list"
      aria-label="Apps"
      style={{ height: `${apps.length * ROW_PX}px` }}
      onKeyDown={onKey}
    >
      {apps.slice(first, end).map((app, index) => (
        <Row key={app.name} app={app} at={first + index} of={apps.length} />
      ))}
    </div>
  );
}

function Row({
  app,
  at,
  of,
}: {
  readonly app: AppGlance;
  readonly at: number;
  readonly of: number;
}): JSX.Element {
  const { name, release, latest, running, wanted, lock, maintenance } = app;
  const health = healthOf(app);
  const says = health === 'failed' ? latest?.reason : (release?.message ?? release?.description);
  return (
    // biome-ignore lint/a11y/useSemanticElements: as its list
    <div
      class="row"
      role="listitem"
      aria-posinset={at + 1}
      aria-setsize={of}
      style={{ transform: `translateY(${at * ROW_PX}px)` }}
    >
      <a href={appPath(name)}>{name}</a>
      <State is={HEALTH_WORDS[health]} />
      <span class="version figure">{release?.version}</span>
      <span class="says">
        {lock !== undefined && <span class="tag">locked</span>}
        {maintenance && <span class="tag">maintenance</span>}
        {says}
      </span>
      <span class="count figure">
        {release !== undefined && running !== undefined && `${running}/${wanted}`}
      </span>
      <span class="when">{release !== undefined && <Ago at={release.at} />}</span>
    </div>
  );
}
