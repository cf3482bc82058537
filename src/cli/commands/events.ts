/** Events: who changed what. */

import { sleep } from '../../clock.js';
import type { EventPage, LedgerEvent } from '../../ledger/event-log.js';
import type { ApiClient } from '../client.js';
import { printable, shortTime } from '../output.js';
import { type Command, EXIT, type Invocation, UsageError } from '../usage.js';

const PAGE = 100;
const POLL_MS = 2000;
const VALUE_LENGTH = 60;

const events: Command = {
  name: 'events',
  usage: '',
  help: 'Show who changed what, from what to what; the newest last. Without -a: of all that you may see.',
  examples: ['slipway events', 'slipway events -a hello -n 5', 'slipway events -f'],
  ofApp: false,
  args: { min: 0, max: 0 },
  options: {
    app: { type: 'string', short: 'a', value: 'APP', help: 'only those of this app' },
    num: { type: 'string', short: 'n', value: 'N', help: 'how many; 20 unless it is said' },
    follow: { type: 'boolean', short: 'f', help: 'show what comes, until ^C' },
  },
  async run(invocation) {
    const { options, output, client, signal } = invocation;
    const limit = numberOf(options.num ?? '20');
    const path = typeof options.app === 'string' ? `/v1/apps/${await invocation.app()}/events` : '/v1/events';
    const api = await client();
    const found = await newest(api, path, limit);
    if (!options.follow && output.json) {
      output.result(found, []);
      return EXIT.done;
    }
    for (const event of found) show(output, event);
    if (options.follow) await follow(api, path, found.at(-1), signal, (event) => show(output, event));
    return EXIT.done;
  },
};

function numberOf(text: string | boolean): number {
  const number = /^\d{1,5}$/.test(String(text)) ? Number(text) : 0;
  if (number === 0) throw new UsageError('-n takes a whole number above 0');
  return number;
}

/** The oldest of them first. */
async function newest(api: ApiClient, path: string, limit: number): Promise<LedgerEvent[]> {
  const found: LedgerEvent[] = [];
  for (let cursor = ''; found.length < limit; ) {
    const wanted = Math.min(PAGE, limit - found.length);
    const page = await api.get<EventPage>(`${path}?limit=${wanted}${cursor}`);
    found.push(...page.events);
    if (page.next === undefined) break;
    cursor = `&cursor=${encodeURIComponent(page.next)}`;
  }
  return found.reverse();
}

async function follow(
  api: ApiClient,
  path: string,
  newestKnown: LedgerEvent | undefined,
  signal: AbortSignal,
  onEvent: (event: LedgerEvent) => void,
): Promise<void> {
  let last = newestKnown;
  // What came in the same second is told again.
  let seen = new Set<string>(last === undefined ? [] : [last.id]);
  while (!signal.aborted) {
    await sleep(POLL_MS, signal).catch(() => undefined);
    if (signal.aborted) return;
    const answer =
      last === undefined
        ? { events: await newest(api, path, PAGE) }
        : await api.get<{ events: LedgerEvent[] }>(`${path}?after=${encodeURIComponent(last.id)}`);
    const fresh = answer.events.filter(({ id }) => !seen.has(id));
    for (const event of fresh) onEvent(event);
    const { at } = answer.events.at(-1) ?? last ?? { at: '' };
    seen = new Set(
      [...answer.events, ...(last === undefined ? [] : [last])]
        .filter((each) => each.at === at)
        .map(({ id }) => id),
    );
    last = answer.events.at(-1) ?? last;
  }
}

function show(output: Invocation['output'], event: LedgerEvent): void {
  const { at, who, app, did, changes } = event;
  const head = `${shortTime(at)}  ${app ?? 'platform'}  ${printable(did)} (${printable(who)})`;
  const lines = changes.map(
    ({ name, is, before, after }) => `    ${printable(name)}: ${described(is, before, after)}`,
  );
  output.item(event, [head, ...lines].join('\n'));
}

function described(is: string, before: unknown, after: unknown): string {
  if (before === undefined && after === undefined) return is;
  if (before === undefined) return short(after);
  return after === undefined ? `${short(before)} → nothing` : `${short(before)} → ${short(after)}`;
}

function short(value: unknown): string {
  const text = printable(typeof value === 'string' ? value : JSON.stringify(value));
  return text.length <= VALUE_LENGTH ? text : `${text.slice(0, VALUE_LENGTH)}…`;
}

export const eventCommands: readonly Command[] = [events];
