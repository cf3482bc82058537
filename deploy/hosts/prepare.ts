/**
 * A bare Debian or Ubuntu machine, reached over SSH as root, becomes a host: it gets a Docker Engine when it has none, log limits and
 * live-restore. What somebody has set there stays.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SlipwayError, toSlipwayError } from '../../src/errors.js';
import { parseHostAddress } from '../../src/model/host-address.js';
import type { HostCredentials } from './credentials.js';
import { hintFor } from './hints.js';
import { FACT, INSTALL, READ_SETTINGS, RELOAD, RESTART, WRITE_SETTINGS } from './prepare-scripts.js';
import { lastLine, type ProgramEnd, type ProgramOptions, runProgram } from './program.js';
import { confirmedHostKey, type SshFiles, sshArguments } from './ssh.js';

export interface PreparationOptions {
  readonly fingerprint: string | undefined;
  readonly signal: AbortSignal;
  readonly onLine: (line: string) => void;
}

const INSTALL_MS = 15 * 60_000;
const STEP_MS = 60_000;
const LOG_LIMITS = { 'max-size': '10m', 'max-file': '3' };

/** Throws `bad_request`, `engine_unavailable`, `unavailable`. */
export async function prepareHost(
  text: string,
  credentials: HostCredentials,
  { fingerprint, signal, onLine }: PreparationOptions,
): Promise<void> {
  const address = parseHostAddress(text);
  if (address.kind !== 'ssh' || address.swarm)
    throw new SlipwayError('bad_request', 'only one machine that is reached by SSH can be prepared', {
      hint: 'for example: slipway hosts:prepare ssh://root@10.0.0.5',
    });
  const knownHost = await confirmedHostKey(address, fingerprint, `slipway hosts:prepare ${text}`);
  const directory = await mkdtemp(join(tmpdir(), 'slipway-prepare-'));
  try {
    const knownHostsFile = join(directory, 'known_hosts');
    await writeFile(knownHostsFile, `${knownHost}\n`, { mode: 0o600 });
    const files: SshFiles = { keyFile: await credentials.keyFile(), knownHostsFile };
    const remote = async (command: readonly string[], options: ProgramOptions): Promise<ProgramEnd> => {
      try {
        return await runProgram('ssh', [...sshArguments(address, files), ...command], { signal, ...options });
      } catch (thrown) {
        signal.throwIfAborted();
        const { code, message } = toSlipwayError(thrown);
        const hint = hintFor(message);
        throw new SlipwayError(code, message, { ...(hint === undefined ? {} : { hint }), cause: thrown });
      }
    };
    const facts = new Map<string, string>();
    const say = (line: string): void => {
      const [, name = '', value = ''] = /^([a-z-]+)=(.*)$/.exec(line.slice(FACT.length)) ?? [];
      if (line.startsWith(FACT)) facts.set(name, value);
      else onLine(line);
    };
    const script = async (input: string, timeoutMs: number): Promise<void> => {
      const { exitCode, output } = await remote(['sh', '-s'], {
        input,
        timeoutMs,
        onLine: say,
        accept: [1],
      });
      if (exitCode === 0) return;
      const problem = lastLine(output)?.replace(/^! +/, '') ?? 'its shell said nothing';
      throw new SlipwayError('unavailable', `${address.host} is not prepared: ${problem}`, {
        hint: 'what was done before may stay; run it again when that is mended',
      });
    };

    await script(INSTALL, INSTALL_MS);
    const before = await remote([READ_SETTINGS], { timeoutMs: STEP_MS, accept: [1] });
    const { output } = before;
    const wanted = withSettings(before.exitCode === 0 ? output : '', facts.get('swarm') === 'active');
    if (wanted === undefined) {
      onLine('-----> /etc/docker/daemon.json: as it should be');
    } else {
      onLine(`-----> Adding to /etc/docker/daemon.json: ${wanted.added.join(', ')}`);
      await remote([WRITE_SETTINGS], { input: wanted.text, timeoutMs: STEP_MS });
      await script(facts.get('was-there') === 'no' ? RESTART : RELOAD, STEP_MS);
    }
    const name = address.host.split('.')[0]?.toLowerCase() ?? '';
    const example = /^[a-z]/.test(name) ? name : 'NAME';
    onLine(`-----> Ready. Next: slipway hosts:add ${example} ${text} --fingerprint ${fingerprint}`);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/**
 * The settings with what is missing, or undefined when nothing is. What is set stays, whatever it is. A node of a swarm cannot have
 * live-restore. Throws `unavailable` when they are no JSON object: dockerd itself would not start with them.
 */
export function withSettings(
  text: string,
  isSwarmNode: boolean,
): { text: string; added: readonly string[] } | undefined {
  const settings = parseSettings(text);
  const hasLogs = 'log-driver' in settings || 'log-opts' in settings;
  const missing: Record<string, unknown> = {
    ...(hasLogs ? {} : { 'log-driver': 'json-file', 'log-opts': LOG_LIMITS }),
    ...('live-restore' in settings || isSwarmNode ? {} : { 'live-restore': true }),
  };
  const added = Object.keys(missing);
  if (added.length === 0) return undefined;
  return { text: `${JSON.stringify({ ...settings, ...missing }, null, 2)}\n`, added };
}

function parseSettings(text: string): Record<string, unknown> {
  if (text.trim() === '') return {};
  try {
    const settings = JSON.parse(text) as unknown;
    if (typeof settings === 'object' && settings !== null && !Array.isArray(settings))
      return settings as Record<string, unknown>;
  } catch {
    // Said below.
  }
  throw new SlipwayError('unavailable', 'what is in /etc/docker/daemon.json there is no JSON object', {
    hint: 'correct it or move it away, then prepare the host again',
  });
}
