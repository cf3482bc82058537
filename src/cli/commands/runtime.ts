/** What runs, and what it writes. */
import type { RunningView, TrafficView } from '../../api/deployer-client.js';
import { shortTime, table } from '../output.js';
import { type Command, EXIT, type ExitCode, type Invocation } from '../usage.js';

const processes: Command = {
  name: 'ps',
  usage: '',
  help: "Show an app's running processes.",
  examples: ['slipway ps -a hello'],
  args: { min: 0, max: 0 },
  async run(invocation) {
    const app = await invocation.app();
    const client = await invocation.client();
    const { processes: list, silent } = await client.get<RunningView>(`/v1/apps/${app}/ps`);
    const rows = list.map((entry) => [
      entry.process,
      `v${entry.release}`,
      entry.health === undefined ? entry.state : `${entry.state}, ${entry.health}`,
      entry.host,
      entry.container.slice(0, 12),
      shortTime(entry.startedAt),
      String(entry.restarts),
    ]);
    const head = ['PROCESS', 'RELEASE', 'STATE', 'HOST', 'CONTAINER', 'STARTED', 'RESTARTS'];
    const none = silent.length === 0 ? [`${app} runs nothing`] : [];
    invocation.output.result(list, list.length === 0 ? none : table(head, rows));
    for (const { host, reason } of silent)
      invocation.output.problem([`what runs on ${host} is not known: ${reason}`]);
    return EXIT.done;
  },
};

const logs: Command = {
  name: 'logs',
  usage: '',
  help: "Print what an app's processes wrote. With --json as one value, or with -t as one per line.",
  examples: ['slipway logs -a hello', 'slipway logs -t'],
  args: { min: 0, max: 0 },
  options: {
    tail: { type: 'boolean', short: 't', help: 'go on with what comes' },
    num: { type: 'string', short: 'n', help: 'how many lines of each process (100)' },
  },
  async run(invocation) {
    const app = await invocation.app();
    return printLog(invocation, `/v1/apps/${app}/logs`, { app });
  },
};

/** As `num` and `tail` say. With --json the lines are part of the result `of`; with -t, which has no end, one value each. */
export async function printLog(invocation: Invocation, address: string, of: object): Promise<ExitCode> {
  const { output, options } = invocation;
  const count = encodeURIComponent(String(options.num ?? '100'));
  const path = `${address}?lines=${count}&follow=${options.tail ? '1' : '0'}`;
  const client = await invocation.client();
  if (!output.json) {
    await client.stream(path, (data) => output.bytes(data));
    return EXIT.done;
  }
  const lines: string[] = [];
  const decoder = new TextDecoder();
  let rest = '';
  await client.stream(path, (data) => {
    const whole = (rest + decoder.decode(data, { stream: true })).split('\n');
    rest = whole.pop() ?? '';
    if (options.tail) for (const line of whole) output.item({ line }, line);
    else lines.push(...whole);
  });
  if (!options.tail) output.result({ ...of, lines: rest === '' ? lines : [...lines, rest] }, []);
  return EXIT.done;
}

const metrics: Command = {
  name: 'metrics',
  usage: '',
  help: 'Show what the edge counted of the requests to an app.',
  examples: ['slipway metrics -a hello'],
  args: { min: 0, max: 0 },
  async run(invocation) {
    const app = await invocation.app();
    const client = await invocation.client();
    const { metrics: found } = await client.get<{ metrics: TrafficView | null }>(`/v1/apps/${app}/metrics`);
    invocation.output.result(
      found,
      found === null ? [`nothing of ${app} is at the edge`] : trafficLines(found),
    );
    return EXIT.done;
  },
};

function trafficLines(traffic: TrafficView): string[] {
  const { since, requests, responses, bytesIn, bytesOut, underWay, failures, averageMs } = traffic;
  return [
    `since      ${shortTime(since)}`,
    `requests   ${requests}, ${underWay} under way`,
    `answers    ${Object.entries(responses)
      .map(([status, count]) => `${status} ${count}`)
      .join(', ')}`,
    `bytes      ${bytesIn} in, ${bytesOut} out`,
    `failures   ${failures.connections} connections, ${failures.responses} answers broken off; ${failures.retries} tried again`,
    `on average ${averageMs.total} ms: ${averageMs.queue} waiting, ${averageMs.connect} to connect, ${averageMs.response} until the answer begins`,
  ];
}

export const runtimeCommands: readonly Command[] = [processes, logs, metrics];
