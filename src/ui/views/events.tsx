/** Who changed what, and when; the newest first. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { ValueChange } from '../../ledger/event-documents.js';
import type { EventPage } from '../../ledger/event-log.js';
import { ask, type Fault, toFault } from '../api.js';
import { Loaded } from '../parts/loaded.js';
import { Notice } from '../parts/notice.js';
import { Ago } from '../parts/time.js';
import { useResource } from '../resource.js';
import { appPath } from '../routes.js';

export function Events(): JSX.Element {
  const newest = useResource<EventPage>('/v1/events', { everyMs: 5000 });
  return (
    <div class="page">
      <h1 tabIndex={-1}>Events</h1>
      <Loaded from={newest}>{(page) => <List newest={page} />}</Loaded>
    </div>
  );
}

function List({ newest }: { readonly newest: EventPage }): JSX.Element {
  const [older, setOlder] = useState<EventPage>();
  const [fault, setFault] = useState<Fault>();
  // Newer ones push the first page on: what is on both is shown once.
  const known = new Set(newest.events.map(({ id }) => id));
  const events = [...newest.events, ...(older?.events ?? []).filter(({ id }) => !known.has(id))];
  const next = older === undefined ? newest.next : older.next;
  const more = async (): Promise<void> => {
    try {
      const page = await ask<EventPage>(`/v1/events?cursor=${encodeURIComponent(next ?? '')}`);
      setOlder({ ...page, events: [...(older?.events ?? newest.events), ...page.events] });
    } catch (thrown) {
      setFault(toFault(thrown));
    }
  };
  if (events.length === 0) return <p class="empty">Nothing has happened yet.</p>;
  return (
    <>
      <ol class="events">
        {events.map((event) => (
          <li key={event.id}>
            <span class="who">{event.who}</span>
            <span class="says">
              {event.app !== undefined && (
                <>
                  <a href={appPath(event.app)}>{event.app}</a>{' '}
                </>
              )}
              {event.did}
            </span>
            <Ago at={event.at} />
            {event.changes.length > 0 && (
              <ul class="changes dim">
                {event.changes.map((change) => (
                  <li key={change.name}>
                    <code>{change.name}</code> {describeChange(change)}
                  </li>
                ))}
              </ul>
            )}
          </li>
        ))}
      </ol>
      {fault !== undefined && <Notice fault={fault} />}
      {next !== undefined && (
        <button type="button" onClick={() => void more()}>
          Show older ones
        </button>
      )}
    </>
  );
}

function describeChange({ is, before, after }: ValueChange): string {
  const shown = (value: unknown): string =>
    (typeof value === 'string' ? value : JSON.stringify(value)).slice(0, 200);
  const ends = [before, after].filter((value) => value !== undefined).map(shown);
  return ends.length === 0 ? is : `${is}: ${ends.join(' → ')}`;
}
