/** The engine's stream of events about our containers, one JSON document per line (Engine API, GET /events). */
import type { Readable } from 'node:stream';
import { LABELS } from '../names.js';
import type { ContainerEvent } from './container.js';

/** Exec events are left out: each health check makes three. */
export const EVENT_FILTER: readonly string[] = ['start', 'die', 'oom', 'destroy', 'health_status'];

/** Ends when the stream does; throws what the stream throws. */
export async function* parseEvents(stream: Readable): AsyncGenerator<ContainerEvent, void, undefined> {
  let rest = '';
  for await (const chunk of stream.setEncoding('utf8')) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const event = parseEvent(line);
      if (event !== undefined) yield event;
    }
  }
}

/** Undefined for what we did not ask for. */
export function parseEvent(line: string): ContainerEvent | undefined {
  let message: { Action?: string; Actor?: { ID?: string; Attributes?: Record<string, string> } };
  try {
    message = JSON.parse(line) as typeof message;
  } catch {
    return undefined;
  }
  const id = message.Actor?.ID;
  const app = message.Actor?.Attributes?.[LABELS.app];
  // `health_status: healthy`
  const action = message.Action?.replace(/^health_status: /, '');
  if (id === undefined || app === undefined) return undefined;
  switch (action) {
    case 'start':
    case 'die':
    case 'oom':
    case 'destroy':
    case 'healthy':
    case 'unhealthy':
      return { id, app, action };
    default:
      return undefined;
  }
}
