/** A client that asks an app for its page all the time, and counts what it gets. */
import { Agent, get } from 'node:http';

export interface Target {
  readonly host: string;
  readonly port: number;
  /** The app's name, as the browser would send it: `*.localhost` is this machine, but not every resolver knows. */
  readonly name: string;
}

export interface Page {
  readonly status: number;
  readonly body: string;
}

const ANSWER_TIMEOUT_MS = 10_000;

/** One request. `agent` keeps connections; without one each request has its own. */
export function fetchPage(target: Target, agent?: Agent): Promise<Page> {
  return new Promise((resolve, reject) => {
    const headers = { host: `${target.name}:${target.port}` };
    const { host, port } = target;
    const request = get(
      { host, port, path: '/', headers, agent: agent ?? false, timeout: ANSWER_TIMEOUT_MS },
      (response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (data: string) => {
          body += data;
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
        response.on('error', reject);
      },
    );
    request.on('timeout', () => request.destroy(new Error('no answer in time')));
    request.on('error', reject);
  });
}

export interface TrafficReport {
  readonly requests: number;
  readonly failed: number;
  /** The first failures, for people. */
  readonly failures: readonly string[];
  /** Requests that got a page with each of the wanted texts. */
  readonly pages: Readonly<Record<string, number>>;
}

/** Half of the clients keep their connection, half open a new one each time. Stopped by `stop`, which reports. */
export function startTraffic(
  target: Target,
  texts: readonly string[],
  clients = 4,
): { stop(): Promise<TrafficReport> } {
  let stopped = false;
  let requests = 0;
  const failures: string[] = [];
  const pages: Record<string, number> = Object.fromEntries(texts.map((text) => [text, 0]));
  const client = async (agent: Agent | undefined): Promise<void> => {
    while (!stopped) {
      requests++;
      const page = await fetchPage(target, agent).catch((error: Error) => error);
      const text = page instanceof Error ? undefined : texts.find((each) => page.body.includes(each));
      if (page instanceof Error) failures.push(page.message);
      else if (page.status !== 200 || text === undefined)
        failures.push(`HTTP ${page.status}: ${page.body.slice(0, 80)}`);
      else pages[text] = (pages[text] ?? 0) + 1;
      // Not as fast as possible: the two cores build at the same time.
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    agent?.destroy();
  };
  const running = Array.from({ length: clients }, (_, index) =>
    client(index % 2 === 0 ? new Agent({ keepAlive: true, maxSockets: 1 }) : undefined),
  );
  return {
    stop: async () => {
      stopped = true;
      await Promise.all(running);
      return { requests, failed: failures.length, failures: failures.slice(0, 5), pages };
    },
  };
}
