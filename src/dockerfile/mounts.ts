/** `RUN --mount` → Mounts: variables expanded, defaults filled in, paths absolute. As BuildKit's, but for `cachekey`. */
import { posix } from 'node:path';
import { givenArg } from './build-args.js';
import type { Origin } from './build-plan.js';
import { expandWord } from './expand.js';
import { type MountOptions, mountOptions } from './mount-options.js';
import { mountOrigin } from './origin.js';
import { invalid, quoted } from './problems.js';
import { expansionFor, workingDirectory } from './stage-state.js';
import type { CacheMount, Mount, SshMount, StageState } from './step.js';
import type { RunInstruction } from './syntax.js';

/** In the order in which they are written. Throws `dockerfile_invalid`. */
export function mountsOf(state: StageState, instruction: RunInstruction, where: string): readonly Mount[] {
  const expansion = expansionFor(state, where);
  const all = instruction.mounts.map((written) =>
    mountOptions(written, (text) => expandWord(text, expansion), where),
  );
  const agents = all.filter(({ type, target }) => type === 'ssh' && target === '');
  return all.map((options) => {
    check(options, where);
    if (options.type === 'secret') return secret(options, where);
    if (options.type === 'ssh') return ssh(options, agents.indexOf(options));
    const target = targetOf(state, options, where);
    if (options.type === 'tmpfs') {
      return { kind: 'tmpfs', target, ...(options.sizeBytes ? { sizeBytes: options.sizeBytes } : {}) };
    }
    const place = { target, ...originOf(state, options, where), source: rooted(options.source) };
    return options.type === 'bind'
      ? { kind: 'bind', ...place, readWrite: options.readOnly === false }
      : cache(state, options, place);
  });
}

function cache(
  state: StageState,
  options: MountOptions,
  place: Pick<CacheMount, 'target' | 'from' | 'source'>,
): CacheMount {
  return {
    kind: 'cache',
    ...place,
    id: cacheId(state, options),
    sharing: options.sharing ?? 'shared',
    mode: options.mode ?? 0o755,
    uid: options.uid ?? 0,
    gid: options.gid ?? 0,
    readOnly: options.readOnly ?? false,
  };
}

/** `number` counts the agents that have no target of their own. */
function ssh(options: MountOptions, number: number): SshMount {
  return {
    kind: 'ssh',
    id: options.id || 'default',
    target: fromRoot(options.target || `/run/buildkit/ssh_agent.${number}`),
    required: options.required,
    mode: options.mode ?? 0o600,
    uid: options.uid ?? 0,
    gid: options.gid ?? 0,
  };
}

function secret({ env, ...options }: MountOptions, where: string): Mount {
  const id = options.source || options.id || posix.basename(options.target);
  if (id === '') throw invalid(where, 'RUN --mount: a secret needs an id or a target', 'write id=NAME');
  if (env !== undefined && !/^[^=\0]+$/.test(env)) {
    throw invalid(where, `RUN --mount: ${quoted(`env=${env}`)} names no variable`, 'write env=NAME');
  }
  const target =
    options.target !== ''
      ? options.target
      : env === undefined
        ? `/run/secrets/${posix.basename(id)}`
        : undefined;
  return {
    kind: 'secret',
    id,
    ...(target === undefined ? {} : { target: fromRoot(target) }),
    ...(env === undefined ? {} : { env }),
    required: options.required,
    mode: options.mode ?? 0o400,
    uid: options.uid ?? 0,
    gid: options.gid ?? 0,
    inKey: options.inKey,
  };
}

function check(options: MountOptions, where: string): void {
  const { type } = options;
  const refuse = (what: string): never => {
    throw invalid(where, `RUN --mount: a mount of type ${type} has no option ${what}`);
  };
  if (type === 'bind' || type === 'tmpfs') {
    for (const key of ['mode', 'uid', 'gid'] as const) if (options[key] !== undefined) refuse(key);
  }
  if (options.sharing !== undefined && type !== 'cache') refuse('sharing');
  if (type === 'secret') {
    if (options.from !== undefined) refuse('from');
    if (options.source !== '' && options.id !== '') {
      throw invalid(where, 'RUN --mount: a secret has a source or an id, not both', 'keep the id');
    }
  }
  if (type === 'ssh' && options.source !== '') refuse('source');
}

/** Relative to WORKDIR. */
function targetOf(state: StageState, { target }: MountOptions, where: string): string {
  const absolute = posix.resolve('/', workingDirectory(state), target).replace(/^\/+/, '/');
  if (absolute !== '/') return absolute;
  throw invalid(
    where,
    `RUN --mount: ${target === '' ? 'there is no target' : `the target ${quoted(target)} is the root`}`,
    'write target=/path, or have a WORKDIR other than / before it',
  );
}

/** Files of a secret or an agent do not follow WORKDIR. */
function fromRoot(target: string): string {
  return posix.resolve('/', target).replace(/^\/+/, '/');
}

function rooted(source: string): string {
  return posix.resolve('/', source).replace(/^\/+/, '') || '.';
}

/** The target as written, so that relative ones are shared by stages with other directories; as in BuildKit. */
function cacheId({ plan }: StageState, { id, target }: MountOptions): string {
  const namespace = givenArg(plan.buildArgs, 'BUILDKIT_CACHE_MOUNT_NS') ?? '';
  const own = id || posix.normalize(target).replace(/(.)\/$/, '$1');
  return namespace === '' ? own : `${namespace}/${own}`;
}

function originOf(state: StageState, { from, type }: MountOptions, where: string): { from?: Origin } {
  if (from === undefined || from === '' || (type === 'cache' && from.toLowerCase() === 'scratch')) return {};
  return { from: mountOrigin(from, state.stage.index, state.plan, where) };
}
