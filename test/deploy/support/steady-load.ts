/** A client that sends requests at a steady pace, whether they are answered or not, and counts those that fail. */
import { Agent } from 'node:http';
import { ask } from './load.js';

export interface SteadyLoad {
  /** Bodies of the answers so far, each with its count. */
  readonly seen: Map<string, number>;
  readonly failures: string[];
  requests(): number;
  /** Resolves when the last request has been answered. */
  stop(): Promise<void>;
}

/** Two of three on kept connections, the third on one of its own. */
export function startSteadyLoad(target: { port: number; host: string }, perSecond = 200): SteadyLoad {
  // Connections that were idle for as long as the edge keeps them may be closed at the moment in which they are used.
  const agent = new Agent({ keepAlive: true, maxSockets: 500, timeout: 5000 });
  const seen = new Map<string, number>();
  const failures: string[] = [];
  const underWay = new Set<Promise<void>>();
  const startedAt = performance.now();
  let count = 0;
  const send = async (number: number): Promise<void> => {
    const sentAt = performance.now();
    const at = (): string =>
      `${((sentAt - startedAt) / 1000).toFixed(1)} s, after ${(performance.now() - sentAt).toFixed(0)} ms`;
    try {
      const { status, body } = await ask(number % 3 === 0 ? undefined : agent, target);
      if (status !== 200) failures.push(`${at()}: ${status} ${body.trim()}`);
      seen.set(body.trim(), (seen.get(body.trim()) ?? 0) + 1);
    } catch (error) {
      failures.push(`${at()}: ${error}`);
    }
  };
  const timer = setInterval(() => {
    // A timer that comes late makes good what it missed.
    for (const due = ((performance.now() - startedAt) / 1000) * perSecond; count < due; count += 1) {
      const sent = send(count).finally(() => underWay.delete(sent));
      underWay.add(sent);
    }
  }, 5);
  return {
    seen,
    failures,
    requests: () => count,
    stop: async () => {
      clearInterval(timer);
      await Promise.all(underWay);
      agent.destroy();
    },
  };
}
