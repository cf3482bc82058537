/** Hosts, for admins, and where an app is placed. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { AddedHost, HostReport, HostView, PreparationEvent, RemovedHost } from '../../api/host-views.js';
import type { BuildView } from '../../api/views.js';
import { ERROR_CODES, type ErrorCode, SlipwayError } from '../../errors.js';
import { describePlacement, type HostRecord, type Placement } from '../../model/host.js';
import { printable, shortTime, table } from '../output.js';
import { type Command, EXIT, type ExitCode, type Invocation, type OptionSpec, UsageError } from '../usage.js';
import { followUnlessDetached } from './builds.js';

/** The deployer tries several ways, each with its own limit. */
const SLOW_MS = 120_000;

const FINGERPRINT: OptionSpec = {
  type: 'string',
  value: 'SHA256:…',
  help: "of the host's SSH key, as you have compared it on the host",
};
const NAME_ONLY = { ofApp: false, args: { min: 1, max: 1 } } as const;

const list: Command = {
  name: 'hosts',
  aliases: ['hosts:list'],
  usage: '',
  help: 'List the hosts that apps can run on (admins only).',
  examples: ['slipway hosts'],
  ofApp: false,
  args: { min: 0, max: 0 },
  async run(invocation) {
    const { hosts } = await (await invocation.client()).get<{ hosts: HostView[] }>('/v1/hosts');
    const rows = hosts.map((host) => [
      host.name,
      host.address,
      labelsOf(host).join(','),
      stateOf(host),
      host.version ?? '',
      host.containers === undefined ? '' : String(host.containers),
    ]);
    const head = ['NAME', 'ADDRESS', 'LABELS', 'STATE', 'ENGINE', 'CONTAINERS'];
    invocation.output.result(hosts, table(head, rows));
    return EXIT.done;
  },
};

const add: Command = {
  name: 'hosts:add',
  usage: 'NAME ADDRESS',
  help: 'Add a host (admins only). It is looked at first, and written down when it can be reached.',
  notes: [
    'ADDRESS: ssh://user@host[:port][/path/of/docker.sock], tcp://host:port, or unix:///path/of/docker.sock here.',
    'With swarm+ in front it is a manager of a Docker Swarm, and all of its nodes are one host.',
    'By SSH the host needs a Docker Engine, and the line of `slipway hosts:key` in authorized_keys of that user.',
  ],
  examples: [
    'slipway hosts:add alpha ssh://deploy@10.0.0.5 --label zone=eu',
    'slipway hosts:add prod swarm+ssh://deploy@10.0.0.7',
    'slipway hosts:add beta tcp://10.0.0.6:2376 --tls-ca ca.pem --tls-cert cert.pem --tls-key key.pem',
  ],
  ofApp: false,
  args: { min: 2, max: 2 },
  options: {
    label: { type: 'string', multiple: true, value: 'K=V', help: 'for placement; may be repeated' },
    fingerprint: FINGERPRINT,
    'tls-ca': { type: 'string', value: 'FILE', help: 'the CA that signed the certificate of the engine' },
    'tls-cert': { type: 'string', value: 'FILE', help: 'the client certificate that is shown to the engine' },
    'tls-key': { type: 'string', value: 'FILE', help: 'its key, without a passphrase' },
    'no-check': { type: 'boolean', help: 'write it down without a look at it' },
  },
  async run(invocation) {
    const [name, address] = invocation.args;
    const { fingerprint } = invocation.options;
    const tls = await tlsFiles(invocation);
    const { host, warnings } = await (await invocation.client()).postSlowly<AddedHost>(
      '/v1/hosts',
      {
        name,
        address,
        labels: readLabels(invocation.lists.label ?? []),
        ...(fingerprint === undefined ? {} : { fingerprint }),
        ...(tls === undefined ? {} : { tls }),
        check: !invocation.options['no-check'],
      },
      SLOW_MS,
    );
    invocation.output.result({ ...host, warnings }, [
      `${host.name} is known, at ${host.address}`,
      ...(host.pullPort === undefined
        ? []
        : [`it pulls through SSH, from port ${host.pullPort} of its loopback`]),
      `place an app on it: slipway placement:set --host ${host.name} -a APP`,
    ]);
    for (const warning of warnings) invocation.output.problem([warning]);
    return EXIT.done;
  },
};

const info: Command = {
  name: 'hosts:info',
  usage: 'NAME',
  help: 'Show what is known of a host, and which apps it runs (admins only).',
  examples: ['slipway hosts:info alpha'],
  ...NAME_ONLY,
  async run(invocation) {
    const client = await invocation.client();
    const host = await client.get<HostView & { apps: string[] }>(hostPath(invocation.args[0]));
    const { cordoned } = host;
    const lines = [
      ['name', host.name],
      ['address', host.address],
      ['labels', labelsOf(host).join(', ') || 'none'],
      ['state', stateOf(host)],
      ...(cordoned === undefined
        ? []
        : [
            [
              'cordoned',
              [`at ${shortTime(cordoned.at)} by ${cordoned.by}`, cordoned.reason ?? []].flat().join(': '),
            ],
          ]),
      ...(host.problem === undefined ? [] : [['problem', host.problem]]),
      ...(host.version === undefined ? [] : [['engine', `Docker ${host.version}`]]),
      ...(host.nodes === undefined
        ? []
        : [
            [
              'swarm',
              `${host.nodes.ready} of ${host.nodes.total} nodes ready, managers: ${host.nodes.managers}`,
            ],
          ]),
      ...(host.containers === undefined ? [] : [['containers', String(host.containers)]]),
      ...(host.pullPort === undefined
        ? []
        : [['pulls', `through SSH, from 127.0.0.1:${host.pullPort} there`]]),
      ['apps', host.apps.join(', ') || 'none'],
    ];
    invocation.output.result(
      host,
      lines.map(([what = '', says = '']) => `${`${what}:`.padEnd(12)}${printable(says)}`),
    );
    return EXIT.done;
  },
};

const check: Command = {
  name: 'hosts:check',
  usage: '[NAME]',
  help: 'Look at a host, or at all of them, from all sides (admins only). Exit code 1 when something is wrong.',
  notes: [
    'Looked at are: the connection, the version of the engine, its disk, its clock, and whether it sees the registry.',
  ],
  examples: ['slipway hosts:check', 'slipway hosts:check alpha'],
  ofApp: false,
  args: { min: 0, max: 1 },
  async run(invocation) {
    const client = await invocation.client();
    const [name] = invocation.args;
    const names =
      name === undefined
        ? (await client.get<{ hosts: HostView[] }>('/v1/hosts')).hosts.map((host) => host.name)
        : [name];
    const reports = await Promise.all(
      names.map((each) => client.postSlowly<HostReport>(`${hostPath(each)}/check`, {}, SLOW_MS)),
    );
    const width = Math.max(...names.map((each) => each.length));
    const lines = reports.flatMap((report) =>
      report.findings.flatMap(({ what, result, says, hint }) => [
        printable(`${report.name.padEnd(width)}  ${what.padEnd(10)}  ${MARKS[result]}  ${says}`),
        ...(hint === undefined ? [] : [`${' '.repeat(width + 14)}      → ${printable(hint)}`]),
      ]),
    );
    invocation.output.result(reports, lines);
    return reports.every(({ good }) => good) ? EXIT.done : EXIT.failed;
  },
};

const MARKS = { good: 'ok ', bad: 'BAD', unknown: '?  ' } as const;

const label: Command = {
  name: 'hosts:label',
  usage: 'NAME K=V… K-…',
  help: 'Give a host labels, or take some away (admins only). What runs stays where it is until the next release.',
  examples: ['slipway hosts:label alpha zone=eu disk=ssd', 'slipway hosts:label alpha zone-'],
  ofApp: false,
  args: { min: 2, max: 50 },
  async run(invocation) {
    const [name, ...changes] = invocation.args;
    const removed = changes.filter((text) => /^[^=]+-$/.test(text)).map((text) => [text.slice(0, -1), null]);
    const set = readLabels(changes.filter((text) => !/^[^=]+-$/.test(text)));
    const labels = { ...set, ...Object.fromEntries(removed) };
    const host = await (await invocation.client()).patch<HostRecord>(hostPath(name), { labels });
    invocation.output.result(host, [`${host.name}: ${labelsOf(host).join(', ') || 'no labels'}`]);
    return EXIT.done;
  },
};

const cordon: Command = {
  name: 'hosts:cordon',
  usage: 'NAME',
  help: 'Have a host keep what it runs and get nothing new (admins only).',
  examples: ['slipway hosts:cordon alpha --reason "its disk is replaced"'],
  ...NAME_ONLY,
  options: { reason: { type: 'string', value: 'TEXT', help: 'for the others' } },
  async run(invocation) {
    const { reason } = invocation.options;
    const change = { cordoned: reason === undefined ? {} : { reason } };
    const host = await (await invocation.client()).patch<HostRecord>(hostPath(invocation.args[0]), change);
    invocation.output.result(host, [`${host.name} is cordoned: new releases are placed elsewhere`]);
    return EXIT.done;
  },
};

const uncordon: Command = {
  name: 'hosts:uncordon',
  usage: 'NAME',
  help: 'Have a host get new releases again (admins only).',
  examples: ['slipway hosts:uncordon alpha'],
  ...NAME_ONLY,
  async run(invocation) {
    const client = await invocation.client();
    const host = await client.patch<HostRecord>(hostPath(invocation.args[0]), { cordoned: null });
    invocation.output.result(host, [`${host.name} is not cordoned: new releases may be placed on it`]);
    return EXIT.done;
  },
};

const remove: Command = {
  name: 'hosts:remove',
  usage: 'NAME',
  help: 'Forget a host and remove its containers of this platform (admins only).',
  notes: ['Refused while a live release runs on it, or a placement names it, but for --force.'],
  examples: ['slipway hosts:remove alpha'],
  ...NAME_ONLY,
  options: { force: { type: 'boolean', help: 'also while apps are placed on it' } },
  async run(invocation) {
    const force = invocation.options.force ? '?force=1' : '';
    const client = await invocation.client();
    const removed = await client.delete<RemovedHost>(`${hostPath(invocation.args[0])}${force}`);
    const { name, containers, problem } = removed;
    invocation.output.result(removed, [
      containers === undefined
        ? `${name} is forgotten`
        : `${name} is forgotten, and its containers of this platform are removed: ${containers}`,
    ]);
    if (problem !== undefined)
      invocation.output.problem([
        `what ran there may still run: ${problem}`,
        'remove it there by hand: docs/hosts.md, "Removing one", has the command',
      ]);
    return EXIT.done;
  },
};

const key: Command = {
  name: 'hosts:key',
  usage: '',
  help: 'Print the public SSH key of the platform, for authorized_keys (admins only).',
  examples: ['slipway hosts:key | ssh root@10.0.0.5 "cat >> .ssh/authorized_keys"'],
  ofApp: false,
  args: { min: 0, max: 0 },
  async run(invocation) {
    const { publicKey } = await (await invocation.client()).get<{ publicKey: string }>('/v1/host-key');
    invocation.output.result({ publicKey }, [publicKey]);
    return EXIT.done;
  },
};

const prepare: Command = {
  name: 'hosts:prepare',
  usage: 'ssh://root@HOST',
  help: 'Install a Docker Engine on a Debian or Ubuntu machine (admins only). It may be repeated.',
  notes: ['What is set there already stays. Then: slipway hosts:add.'],
  examples: ['slipway hosts:prepare ssh://root@10.0.0.5'],
  ofApp: false,
  args: { min: 1, max: 1 },
  options: { fingerprint: FINGERPRINT },
  async run(invocation) {
    const { output } = invocation;
    const [address] = invocation.args;
    const { fingerprint } = invocation.options;
    const said: string[] = [];
    let end: PreparationEvent | undefined;
    let rest = '';
    const take = (text: string): void => {
      const event = JSON.parse(text) as PreparationEvent;
      if (!('line' in event)) {
        end = event;
        return;
      }
      said.push(event.line);
      if (!output.json) output.result(undefined, [printable(event.line)]);
    };
    const decoder = new TextDecoder();
    await (await invocation.client()).stream(
      '/v1/host-preparations',
      (data) => {
        const whole = (rest + decoder.decode(data, { stream: true })).split('\n');
        rest = whole.pop() ?? '';
        for (const text of whole) take(text);
      },
      { address, ...(fingerprint === undefined ? {} : { fingerprint }) },
    );
    if (end === undefined)
      throw new SlipwayError('unavailable', 'the preparation was cut off', { hint: 'run it again' });
    if ('error' in end) throw toError(end.error);
    output.result({ address, lines: said }, []);
    return EXIT.done;
  },
};

const placement: Command = {
  name: 'placement',
  usage: '',
  help: 'Show which hosts an app is placed on.',
  examples: ['slipway placement -a hello'],
  args: { min: 0, max: 0 },
  async run(invocation) {
    const app = await invocation.app();
    return showPlacement(
      invocation,
      app,
      await (await invocation.client()).get<PlacementView>(placementPath(app)),
    );
  },
};

const setPlacement: Command = {
  name: 'placement:set',
  usage: '',
  help: 'Place an app on hosts by name, or on all with a label (admins only). What runs is rolled out there.',
  examples: [
    'slipway placement:set --host alpha --host beta -a hello',
    'slipway placement:set --label zone=eu -a hello',
    'slipway placement:set --default -a hello',
  ],
  args: { min: 0, max: 0 },
  options: {
    host: { type: 'string', multiple: true, value: 'NAME', help: 'a host; may be repeated' },
    label: { type: 'string', value: 'K=V', help: 'all hosts with this label' },
    default: { type: 'boolean', help: 'on the local host, as without a placement' },
    detach: { type: 'boolean', help: 'do not wait for the rollout' },
  },
  async run(invocation) {
    const { label: wanted, default: isDefault } = invocation.options;
    const hosts = invocation.lists.host ?? [];
    if ([hosts.length > 0, wanted !== undefined, isDefault === true].filter(Boolean).length !== 1)
      throw new UsageError('where?', 'name one of: --host NAME …, --label K=V, --default');
    const [entry] = Object.entries(readLabels(typeof wanted === 'string' ? [wanted] : []));
    const chosen: Placement | null =
      hosts.length > 0
        ? { hosts }
        : entry === undefined
          ? null
          : { label: { name: entry[0], value: entry[1] } };
    const app = await invocation.app();
    const client = await invocation.client();
    const answer = await client.put<PlacementView | { build: BuildView }>(placementPath(app), {
      placement: chosen,
    });
    if ('build' in answer) return followUnlessDetached(invocation, answer.build);
    return showPlacement(invocation, app, answer);
  },
};

interface PlacementView {
  readonly placement: Placement | null;
  readonly hosts: readonly string[];
  readonly problem?: string;
  readonly live?: readonly string[];
}

function showPlacement({ output }: Invocation, app: string, view: PlacementView): ExitCode {
  const { placement: chosen, hosts, problem, live } = view;
  const next = hosts.join(', ');
  const now = live?.join(', ');
  output.result(view, [
    `${app} is placed ${describePlacement(chosen ?? undefined)}`,
    ...(now === undefined ? [] : [`its live release runs on: ${now}`]),
    ...(hosts.length === 0 || next === now ? [] : [`its next release runs on: ${next}`]),
  ]);
  if (problem !== undefined) output.problem([problem]);
  return EXIT.done;
}

function placementPath(app: string): string {
  return `/v1/apps/${app}/placement`;
}

function hostPath(name: string | undefined): string {
  return `/v1/hosts/${encodeURIComponent(name ?? '')}`;
}

function labelsOf({ labels }: Pick<HostRecord, 'labels'>): string[] {
  return Object.entries(labels).map(([name, value]) => `${name}=${value}`);
}

function stateOf({ problem, cordoned }: HostView): string {
  return [
    problem === undefined ? 'ready' : 'unreachable',
    ...(cordoned === undefined ? [] : ['cordoned']),
  ].join(', ');
}

function readLabels(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const [, name, value] = /^([^=]+)=(.+)$/.exec(text) ?? [];
      if (name !== undefined && value !== undefined) return [name, value];
      throw new UsageError(
        `${JSON.stringify(text.slice(0, 60))} is not a label`,
        'write K=V, for example: zone=eu',
      );
    }),
  );
}

async function tlsFiles({
  options,
  directory,
}: Invocation): Promise<{ ca: string; cert: string; key: string } | undefined> {
  const paths = [options['tls-ca'], options['tls-cert'], options['tls-key']];
  if (paths.every((path) => path === undefined)) return undefined;
  const read = async (path: string | boolean | undefined): Promise<string> => {
    if (typeof path !== 'string')
      throw new UsageError('TLS needs three files', 'give all of: --tls-ca, --tls-cert, --tls-key');
    try {
      return await readFile(resolve(directory, path), 'utf8');
    } catch (thrown) {
      throw new UsageError(`${path} cannot be read: ${(thrown as Error).message}`);
    }
  };
  const [ca = '', cert = '', tlsKey = ''] = await Promise.all(paths.map(read));
  return { ca, cert, key: tlsKey };
}

function toError({ code, message, hint }: { code: string; message: string; hint?: string }): SlipwayError {
  const known = Object.hasOwn(ERROR_CODES, code) ? (code as ErrorCode) : 'unavailable';
  return new SlipwayError(known, message, hint === undefined ? {} : { hint });
}

export const hostCommands: readonly Command[] = [
  list,
  add,
  info,
  check,
  label,
  cordon,
  uncordon,
  remove,
  key,
  prepare,
  placement,
  setPlacement,
];
