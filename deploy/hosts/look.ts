/** How a host is: in one line for a list, or looked at from all sides. Each side says what is, and what to do next. */
import { statfs } from 'node:fs/promises';
import type { HostFinding, HostReport, HostStatus } from '../../src/api/host-views.js';
import { toSlipwayError } from '../../src/errors.js';
import { parseHostAddress } from '../../src/model/host-address.js';
import type { Host } from '../hosts.js';
import { nodesOf, swarmFindings } from '../swarm/look.js';
import { isSwarm } from '../swarm/target.js';
import { type Engine, refusalOf, statusOf } from '../targets/engine.js';
import type { HostCredentials } from './credentials.js';
import { hintFor } from './hints.js';
import { runProgram } from './program.js';
import { sshArguments } from './ssh.js';

/** What a list waits for. */
const STATUS_MS = 6_000;
const CALL_MS = 10_000;
/** For a registry that the engine cannot reach: it takes its own time to say so. */
const REGISTRY_MS = 15_000;
const REMOTE_COMMAND_MS = 15_000;
/** What the calls of deploy/targets were written for (Docker 20.10). */
const OLDEST_API = [1, 41] as const;
const LEAST_FREE_BYTES = 1024 ** 3;
const LEAST_FREE_SHARE = 0.05;
const CLOCK_LIMIT_MS = 5_000;

/** https://docs.docker.com/engine/api/v1.41/#operation/SystemInfo */
export interface EngineInfo {
  readonly ID: string;
  /** Of the machine. */
  readonly Name: string;
  readonly ServerVersion: string;
  readonly DockerRootDir: string;
  readonly SystemTime: string;
  readonly Swarm?: {
    readonly ControlAvailable?: boolean;
    readonly LocalNodeState?: string;
    readonly Cluster?: { readonly ID?: string } | null;
  };
}

export async function statusOfHost({ name, target }: Host): Promise<HostStatus> {
  const { engine } = target;
  const base = { name, address: isSwarm(target) ? `swarm+${engine.dockerHost}` : engine.dockerHost };
  const options = { timeoutMs: STATUS_MS };
  try {
    const [info, containers, nodes] = await Promise.all([
      infoOf(engine, options),
      target.list(undefined, options),
      isSwarm(target) ? nodesOf(target, options) : undefined,
    ]);
    return {
      ...base,
      version: info.ServerVersion,
      containers: containers.length,
      ...(nodes === undefined ? {} : { nodes }),
    };
  } catch (thrown) {
    return { ...base, problem: toSlipwayError(thrown).message };
  }
}

/** Throws `engine_unavailable`. */
export function infoOf(
  engine: Engine,
  options: { timeoutMs: number } = { timeoutMs: CALL_MS },
): Promise<EngineInfo> {
  return engine.call(
    'say what it is',
    (api, signal) => api.json<EngineInfo>({ path: '/info', signal }),
    options,
  );
}

export async function reportOf(host: Host, credentials: HostCredentials): Promise<HostReport> {
  const { engine } = host.target;
  const findings: HostFinding[] = [];
  const asked = Date.now();
  try {
    const info = await infoOf(engine);
    const answered = Date.now();
    findings.push({ what: 'connection', result: 'good', says: `${engine.dockerHost} answers` });
    findings.push(
      await versionFinding(engine, info),
      await diskFinding(host, info, credentials),
      clockFinding(info.SystemTime, asked, answered),
      await registryFinding(host),
    );
    if (isSwarm(host.target)) findings.push(...(await swarmFindings(host.target)));
  } catch (thrown) {
    const { message } = toSlipwayError(thrown);
    findings.push({
      what: 'connection',
      result: 'bad',
      says: message,
      ...withHint(hintFor(message)),
    });
  }
  return { name: host.name, good: findings.every(({ result }) => result !== 'bad'), findings };
}

async function versionFinding(engine: Engine, { ServerVersion }: EngineInfo): Promise<HostFinding> {
  const { ApiVersion } = await engine.call(
    'say its version',
    (api, signal) => api.json<{ ApiVersion: string }>({ path: '/version', signal }),
    { timeoutMs: CALL_MS },
  );
  const [major = 0, minor = 0] = ApiVersion.split('.').map(Number);
  const isNew = major > OLDEST_API[0] || (major === OLDEST_API[0] && minor >= OLDEST_API[1]);
  return {
    what: 'engine',
    result: isNew ? 'good' : 'bad',
    says: `Docker Engine ${ServerVersion}, API ${ApiVersion}`,
    ...(isNew
      ? {}
      : { hint: `update it: API ${OLDEST_API.join('.')} (Docker 20.10) is the oldest that does` }),
  };
}

async function diskFinding(
  { name, target }: Host,
  { DockerRootDir: directory }: EngineInfo,
  credentials: HostCredentials,
): Promise<HostFinding> {
  const space = await freeSpace(name, target.engine, directory, credentials).catch(() => undefined);
  if (space === undefined) {
    const says = `how much is free in ${directory} cannot be seen from here`;
    return { what: 'disk', result: 'unknown', says, hint: 'look there with: df -h' };
  }
  const { freeBytes, sizeBytes } = space;
  const isEnough = freeBytes >= LEAST_FREE_BYTES && freeBytes >= sizeBytes * LEAST_FREE_SHARE;
  return {
    what: 'disk',
    result: isEnough ? 'good' : 'bad',
    says: `${gibibytes(freeBytes)} of ${gibibytes(sizeBytes)} are free in ${directory}`,
    ...(isEnough ? {} : { hint: 'see what takes it with: docker system df; then: docker image prune -a' }),
  };
}

interface Space {
  readonly freeBytes: number;
  readonly sizeBytes: number;
}

async function freeSpace(
  name: string,
  { dockerHost, remoteHost }: Engine,
  directory: string,
  credentials: HostCredentials,
): Promise<Space | undefined> {
  if (remoteHost === undefined) {
    const { bavail, blocks, bsize } = await statfs(directory);
    return { freeBytes: bavail * bsize, sizeBytes: blocks * bsize };
  }
  // The other side's login shell reads the command: only a plain path may be in it.
  const address = dockerHost.startsWith('ssh:') ? parseHostAddress(dockerHost) : undefined;
  if (address?.kind !== 'ssh' || !/^(?:\/[A-Za-z0-9._-]+)+$/.test(directory)) return undefined;
  const files = { keyFile: await credentials.keyFile(), knownHostsFile: credentials.knownHostsFile(name) };
  const { output } = await runProgram('ssh', [...sshArguments(address, files), 'df', '-P', '-k', directory], {
    timeoutMs: REMOTE_COMMAND_MS,
  });
  return parseDf(output);
}

/** POSIX `df -P -k`: Filesystem, 1024-blocks, Used, Available, … */
export function parseDf(output: string): Space | undefined {
  const [, size = '', free = ''] = /\n\S+ +(\d+) +\d+ +(\d+) /.exec(output) ?? [];
  return free === '' ? undefined : { freeBytes: Number(free) * 1024, sizeBytes: Number(size) * 1024 };
}

function clockFinding(systemTime: string, askedAt: number, answeredAt: number): HostFinding {
  const there = Date.parse(systemTime);
  if (Number.isNaN(there))
    return { what: 'clock', result: 'unknown', says: 'the engine does not say its time' };
  // It looked at its clock at some moment between.
  const ahead = Math.max(there - answeredAt, 0) - Math.max(askedAt - there, 0);
  const isRight = Math.abs(ahead) <= CLOCK_LIMIT_MS;
  const seconds = `${(Math.abs(ahead) / 1000).toFixed(1)} s`;
  return {
    what: 'clock',
    result: isRight ? 'good' : 'bad',
    says: isRight
      ? `as here, within ${CLOCK_LIMIT_MS / 1000} s`
      : `${seconds} ${ahead > 0 ? 'ahead of' : 'behind'} ours`,
    ...(isRight ? {} : { hint: 'have both machines set their clocks: apt install systemd-timesyncd' }),
  };
}

/** The engine itself asks the registry for an image that nobody has; that it is not there is the answer. */
export async function registryFinding({ target }: Pick<Host, 'target'>): Promise<HostFinding> {
  const probe = target.reference({ repository: 'slipway-check', digest: `sha256:${'0'.repeat(64)}` });
  const registry = probe.slice(0, probe.indexOf('/'));
  const seen: HostFinding = {
    what: 'registry',
    result: 'good',
    says: `the engine sees the registry at ${registry}`,
  };
  try {
    await target.engine.call(
      'ask the registry',
      (api, signal) => api.json({ path: `/distribution/${probe}/json`, signal }),
      { timeoutMs: REGISTRY_MS },
    );
    return seen;
  } catch (thrown) {
    const words = statusOf(thrown) === undefined ? toSlipwayError(thrown).message : refusalOf(thrown);
    if (/manifest unknown|name unknown|not found|unauthorized|denied|authentication required/i.test(words))
      return seen;
    return {
      what: 'registry',
      result: 'bad',
      says: `the engine does not see the registry at ${registry}: ${words}`,
      hint: 'add the host by SSH, then it pulls through that; or give the registry an address that it reaches, and TLS or `insecure-registries` in its daemon.json',
    };
  }
}

function gibibytes(bytes: number): string {
  return `${(bytes / 1024 ** 3).toFixed(1)} GiB`;
}

function withHint(hint: string | undefined): { hint?: string } {
  return hint === undefined ? {} : { hint };
}
