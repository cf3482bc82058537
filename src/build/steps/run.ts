/** RUN as a step: its key, and its execution in the sandbox (run-step.ts). */
import type { Mount, RunStep } from '../../dockerfile/step.js';
import type { NetworkMode, StageInstruction } from '../../dockerfile/syntax.js';
import { SlipwayError } from '../../errors.js';
import { keyPart } from '../cache/explain.js';
import { runKey } from '../cache/keys.js';
import { type MountIdentities, mountKeys, mountName, mountParts } from '../mounts/mount-keys.js';
import { type MountSource, mountSources } from '../mounts/mount-sources.js';
import { secretIdentity } from '../mounts/secrets.js';
import type { RunSettings } from '../run-settings.js';
import { HOSTNAME } from '../sandbox/step.js';
import { below, type Execution, type StepPlace, type StepTools } from './execution.js';
import { refuseForeign } from './foreign.js';
import { runStep } from './run-step.js';

export async function runExecution(
  step: RunStep,
  instruction: StageInstruction,
  place: StepPlace,
  tools: StepTools,
): Promise<Execution> {
  const { tree, platform, progress } = place;
  const { settings, origins, epoch } = tools;
  const { argv, env, cwd, user, files, security } = step;
  // `default` is what the build was asked to use, as in BuildKit: a step cannot widen `--network none`.
  const network = step.network === undefined || step.network === 'default' ? settings.network : step.network;
  refuseUnlessAllowed(step, network, settings);
  const sources = await mountSources(step.mounts, origins);
  const identities = await mountIdentities(step, sources, settings);
  const mounts = mountKeys(step, identities);
  const { hostname = HOSTNAME } = step;
  // What is in a cache, a secret's value and an agent's keys are in no key: others could take the result, or choose it.
  const isOwn = step.mounts.some(({ kind }) => kind === 'cache' || kind === 'secret' || kind === 'ssh');
  const scope = isOwn ? { scope: settings.cacheScope } : {};
  const common = { argv, env, cwd, user, files, network, security, mounts, hostname, ...scope };
  const ownOptions = mounts.map(({ content: _content, value: _value, ...options }) => options);
  return {
    key: runKey({ parent: tree.identity, platform, ...common, ...(epoch === undefined ? {} : { epoch }) }),
    parts: [
      keyPart('the instruction', [instruction.text, argv, files, security, ownOptions]),
      ...(step.hostname === undefined ? [] : [keyPart('BUILDKIT_SANDBOX_HOSTNAME', hostname)]),
      keyPart('the network mode', network),
      keyPart('the platform', platform),
      ...(epoch === undefined ? [] : [keyPart('SOURCE_DATE_EPOCH', epoch)]),
      ...env.map((pair) => keyPart(`ARG or ENV ${pair.split('=', 1)[0]}`, pair)),
      ...mountParts(step, identities),
      keyPart('the user or working directory', [user, cwd]),
      below(place),
    ],
    asksOutside: step.mounts.some((mount) => mount.kind === 'secret' && mount.inKey),
    pathOf: pathsOf(sources),
    run: async () => {
      await refuseForeign(platform, tools.sandbox.with32Bit);
      const layer = await runStep(step, tree.layers, await tree.layOut(), {
        ...tools,
        network,
        sources,
        output: (chunk) => progress.output(chunk),
        note: (text) => progress.note(text),
      });
      return { layer };
    },
  };
}

/** What takes a RUN out of the sandbox is the operator's to allow, also where its result is cached. */
function refuseUnlessAllowed(step: RunStep, network: NetworkMode, { allow }: RunSettings): void {
  const wanted: readonly (readonly [boolean, string, string])[] = [
    [network === 'host' && !allow.hostNetwork, 'the network of the host', 'network.host'],
    [step.security === 'insecure' && !allow.insecure, 'all privileges on the host', 'security.insecure'],
  ];
  for (const [isRefused, what, entitlement] of wanted) {
    if (!isRefused) continue;
    throw new SlipwayError('not_allowed', `the step asks for ${what}, which this build may not have`, {
      hint: `whoever runs the builder can allow it: slipway build --allow ${entitlement}`,
    });
  }
}

async function mountIdentities(
  { mounts }: RunStep,
  sources: ReadonlyMap<Mount, MountSource>,
  settings: RunSettings,
): Promise<MountIdentities> {
  const contents = new Map([...sources].map(([mount, { content }]) => [mount, content]));
  const secrets = new Map<Mount, string | undefined>();
  for (const mount of mounts) {
    if (mount.kind === 'secret' && mount.inKey) secrets.set(mount, await secretIdentity(mount, settings));
  }
  return { contents, secrets };
}

/** Of what is mounted from the context: to name the file that changed. */
function pathsOf(sources: ReadonlyMap<Mount, MountSource>): ReadonlyMap<string, string> {
  return new Map(
    [...sources].flatMap(([mount, { path }]) =>
      path === undefined ? [] : [[mountName(mount), path] as const],
    ),
  );
}
