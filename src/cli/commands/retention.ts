/** What is kept of an app, and letting the rest go. */
import type { HostSweep, HostsSweep } from '../../api/deployer-client.js';
import type { RetentionView } from '../../api/retention.js';
import { formatBytes } from '../../format-bytes.js';
import type { AppSweep } from '../../housekeeping/retention/parts.js';
import { checkAppName } from '../../model/app.js';
import type { ApiClient } from '../client.js';
import { table } from '../output.js';
import { type Command, EXIT, type Invocation, UsageError } from '../usage.js';

const DAY_MS = 24 * 60 * 60_000;

const show: Command = {
  name: 'retention',
  usage: '',
  help: 'Show which releases of an app are kept, why, and what the next sweep removes.',
  examples: ['slipway retention -a hello'],
  args: { min: 0, max: 0 },
  async run(invocation) {
    const app = await invocation.app();
    const view = await (await invocation.client()).get<RetentionView>(`/v1/apps/${app}/retention`);
    showPolicy(invocation, view);
    return EXIT.done;
  },
};

const set: Command = {
  name: 'retention:set',
  usage: '--keep N',
  help: 'Choose how many good releases of an app are kept, beside pinned ones and what runs.',
  examples: ['slipway retention:set --keep 20 -a hello', 'slipway retention:set --default -a hello'],
  args: { min: 0, max: 0 },
  options: {
    keep: { type: 'string', value: 'N', help: 'so many releases that were live' },
    default: { type: 'boolean', help: "the platform's number" },
  },
  async run(invocation) {
    const app = await invocation.app();
    const { keep, default: isDefault } = invocation.options;
    if ((keep === undefined) === (isDefault !== true))
      throw new UsageError('how many?', 'slipway retention:set --keep 20, or --default');
    if (keep !== undefined && !/^[1-9]\d{0,8}$/.test(String(keep)))
      throw new UsageError(`--keep must be a whole number above 0, not "${String(keep).slice(0, 20)}"`);
    const client = await invocation.client();
    const body = { keep: isDefault ? null : Number(keep) };
    showPolicy(invocation, await client.patch<RetentionView>(`/v1/apps/${app}/retention`, body));
    return EXIT.done;
  },
};

function showPolicy({ output }: Invocation, view: RetentionView): void {
  const { keep, isOwn, keepRecordsMs, kept, going, registry, records } = view;
  output.result(view, [
    `keeps     the newest ${keep} good releases${isOwn ? '' : " (the platform's number)"}, what runs, and what is pinned`,
    `logs      of kept releases; of everything else for ${Math.round(keepRecordsMs / DAY_MS)} days`,
    `kept      ${kept.map(({ number, as }) => (as === 'newest' ? `v${number}` : `v${number} (${as})`)).join(', ') || 'nothing yet'}`,
    `goes      ${going.map((number) => `v${number}`).join(', ') || 'no release'}`,
    `registry  ${count(registry.images, 'image')}, ${formatBytes(registry.bytes)}`,
    `logs      of ${count(records.deployments, 'build')}, ${formatBytes(records.bytes)}`,
  ]);
}

const run: Command = {
  name: 'retention:run',
  usage: '',
  help: `Remove what is not kept from the registry, the hosts and the records (admins only). The platform does so every hour.
Bytes are those that nothing else there needs; a registry frees them when it cleans up.`,
  examples: ['slipway retention:run --dry-run', 'slipway retention:run -a hello'],
  ofApp: false,
  args: { min: 0, max: 0 },
  options: {
    app: { type: 'string', short: 'a', value: 'APP', help: 'of this app only' },
    'dry-run': { type: 'boolean', help: 'only show what would go' },
  },
  async run(invocation) {
    const { output, options } = invocation;
    const dryRun = options['dry-run'] === true;
    const client = await invocation.client();
    const only = typeof options.app === 'string' ? checkAppName(options.app) : undefined;
    const names = only === undefined ? await appNames(client) : [only];
    const apps: AppSweep[] = [];
    // Each is an answer of its own: a thousand in one would outlast every time-out.
    for (const name of names)
      apps.push(await client.post<AppSweep>(`/v1/apps/${name}/retention/run`, { dryRun }));
    const { hosts } = await client.post<HostsSweep>('/v1/retention/hosts', {
      dryRun,
      ...(only === undefined ? {} : { app: only }),
    });
    const rows = rowsOf(apps, hosts);
    const bytes = rows.reduce((sum, row) => sum + row.bytes, 0);
    output.result({ dryRun, apps, hosts, bytes }, [
      ...(rows.length === 0
        ? []
        : table(
            ['PLACE', 'APP', 'WHAT', 'BYTES'],
            rows.map((row) => [row.place, row.app, row.what, formatBytes(row.bytes)]),
          )),
      rows.length === 0
        ? 'there is nothing that is not kept'
        : `${dryRun ? 'would remove' : 'removed'} ${formatBytes(bytes)}`,
    ]);
    for (const line of troubles(apps, hosts)) output.problem([line]);
    return EXIT.done;
  },
};

async function appNames(client: ApiClient): Promise<string[]> {
  const apps = await client.list<{ name: string }>('/v1/apps', 'apps');
  return apps.map(({ name }) => name);
}

interface Row {
  readonly place: string;
  readonly app: string;
  readonly what: string;
  readonly bytes: number;
}

function rowsOf(apps: readonly AppSweep[], hosts: readonly HostSweep[]): Row[] {
  const rows: Row[] = [];
  for (const { app, registry } of apps)
    if (registry.images > 0)
      rows.push({ place: 'registry', app, what: count(registry.images, 'image'), bytes: registry.bytes });
  for (const { host, apps: each } of hosts)
    for (const { app, images, bytes } of each)
      rows.push({ place: `host ${host}`, app, what: count(images, 'image'), bytes });
  for (const { app, records } of apps)
    if (records.deployments > 0)
      rows.push({
        place: 'records',
        app,
        what: `logs of ${count(records.deployments, 'build')}`,
        bytes: records.bytes,
      });
  return rows;
}

function troubles(apps: readonly AppSweep[], hosts: readonly HostSweep[]): string[] {
  const busy = apps.filter(({ registry }) => registry.state === 'busy').map(({ app }) => app);
  return [
    ...(apps.some(({ registry }) => registry.state === 'refused')
      ? ['the registry removes no images; allow it to, or let it expire them itself']
      : []),
    ...(busy.length === 0 ? [] : [`images of ${busy.join(', ')} were being pushed; the next run goes on`]),
    ...hosts.flatMap(({ host, silent }) =>
      silent === undefined ? [] : [`${host} was not swept: ${silent}`],
    ),
  ];
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

const pin: Command = {
  name: 'releases:pin',
  usage: 'vN',
  help: 'Keep a release, however old it gets.',
  examples: ['slipway releases:pin v12 -a hello'],
  args: { min: 1, max: 1 },
  async run(invocation) {
    const app = await invocation.app();
    const path = `/v1/apps/${app}/releases/${encodeURIComponent(invocation.args[0] ?? '')}/pin`;
    const made = await (await invocation.client()).put<{ release: string }>(path);
    invocation.output.result(made, [`${made.release} of ${app} is pinned: it is kept, however old it gets`]);
    return EXIT.done;
  },
};

const unpin: Command = {
  name: 'releases:unpin',
  usage: 'vN',
  help: 'Let a pinned release be let go like any other.',
  examples: ['slipway releases:unpin v12 -a hello'],
  args: { min: 1, max: 1 },
  async run(invocation) {
    const app = await invocation.app();
    const path = `/v1/apps/${app}/releases/${encodeURIComponent(invocation.args[0] ?? '')}/pin`;
    const made = await (await invocation.client()).delete<{ release: string }>(path);
    invocation.output.result(made, [`${made.release} of ${app} is not pinned`]);
    return EXIT.done;
  },
};

export const retentionCommands: readonly Command[] = [show, set, run, pin, unpin];
