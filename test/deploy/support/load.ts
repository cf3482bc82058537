/** A client that sends requests all the time and counts those that fail. */
import { Agent, request } from 'node:http';

export interface Load {
  /** Bodies of the answers so far, each with its count. */
  readonly seen: Map<string, number>;
  readonly failures: string[];
  requests(): number;
  stop(): Promise<void>;
}

export interface LoadOptions {
  readonly port: number;
  readonly host: string;
  readonly connections?: number;
  /** On kept connections, or one for each request. */
  readonly keepAlive?: boolean;
  readonly method?: 'GET' | 'POST';
}

/** What counts as a failure is anything but 200: a refused or broken connection most of all. */
export function startLoad({
  port,
  host,
  connections = 4,
  keepAlive = true,
  method = 'GET',
}: LoadOptions): Load {
  const agent = new Agent({ keepAlive, maxSockets: connections });
  const seen = new Map<string, number>();
  const failures: string[] = [];
  let running = true;
  let count = 0;
  const client = async (): Promise<void> => {
    while (running) {
      count += 1;
      try {
        const { status, body } = await ask(agent, { port, host, method });
        if (status !== 200) failures.push(`${status} ${body}`);
        seen.set(body, (seen.get(body) ?? 0) + 1);
      } catch (error) {
        failures.push(String(error));
      }
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  };
  const clients = Array.from({ length: connections }, client);
  return {
    seen,
    failures,
    requests: () => count,
    stop: async () => {
      running = false;
      await Promise.all(clients);
      agent.destroy();
    },
  };
}

export function ask(
  agent: Agent | undefined,
  { port, host, method = 'GET', path = '/' }: { port: number; host: string; method?: string; path?: string },
): Promise<{ status: number; body: string; headers: NodeJS.Dict<string | string[]> }> {
  return new Promise((resolve, reject) => {
    const call = request(
      {
        host: '127.0.0.1',
        port,
        method,
        path,
        headers: { host },
        timeout: 20_000,
        ...(agent === undefined ? {} : { agent }),
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            body: Buffer.concat(chunks).toString(),
            headers: response.headers,
          }),
        );
        response.on('error', reject);
      },
    );
    call.on('timeout', () => call.destroy(new Error('no answer in 20 s')));
    call.on('error', reject);
    call.end();
  });
}
