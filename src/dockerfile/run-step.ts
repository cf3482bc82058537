/** RUN → what to execute: shell or exec form, the three ways of a heredoc, environment, history. */
import { givenArg, isProxyArg, proxyEnv } from './build-args.js';
import { heredocBody, heredocStart } from './heredoc.js';
import { mountsOf } from './mounts.js';
import { pairs, workingDirectory } from './stage-state.js';
import type { RunStep, StageState } from './step.js';
import type { RunInstruction } from './syntax.js';

const DEFAULT_SHELL = ['/bin/sh', '-c'];
/** Where BuildKit mounts a script that a heredoc holds. */
const SCRIPTS = '/dev/pipes/';

export function withShell(state: StageState, line: string): readonly string[] {
  const shell = state.image.config?.Shell ?? [];
  return [...(shell.length > 0 ? shell : DEFAULT_SHELL), line];
}

export function runStep(state: StageState, instruction: RunInstruction, where: string): RunStep {
  const { argv, files } = commandOf(state, instruction, where);
  const hostname = givenArg(state.plan.buildArgs, 'BUILDKIT_SANDBOX_HOSTNAME');
  return {
    kind: 'run',
    argv,
    env: pairs(state.env),
    proxyEnv: proxyEnv(state.plan.buildArgs, state.env),
    cwd: workingDirectory(state),
    user: state.image.config?.User ?? '',
    ...(instruction.network === undefined ? {} : { network: instruction.network }),
    security: instruction.security,
    ...(hostname ? { hostname } : {}),
    mounts: mountsOf(state, instruction, where),
    files,
    history: `RUN ${[...declaredArgs(state), ...argv].join(' ')} # buildkit`,
  };
}

function commandOf(
  state: StageState,
  { command, heredocs }: RunInstruction,
  where: string,
): Pick<RunStep, 'argv' | 'files'> {
  if (command.form === 'exec') return { argv: command.argv, files: [] };
  const [only] = heredocs;
  if (only === undefined) return { argv: withShell(state, command.line), files: [] };
  if (heredocs.length > 1 || heredocStart(command.line, where) === undefined) {
    // The shell reads the heredocs itself.
    const script = heredocs.reduce((text, { content, name }) => `${text}\n${content}${name}`, command.line);
    return { argv: withShell(state, script), files: [] };
  }
  const body = heredocBody(only);
  if (!only.content.startsWith('#!')) return { argv: withShell(state, body), files: [] };
  const path = `${SCRIPTS}${only.name}`;
  return { argv: withShell(state, path), files: [{ path, mode: 0o755, content: body }] };
}

/** `|2 A=1 B=2`: the ARGs in scope, each once, with the values that the command sees. */
function declaredArgs(state: StageState): readonly string[] {
  const shown = new Map<string, string>();
  for (const { key, value } of state.args) {
    if (!isProxyArg(key)) shown.set(key, state.env.get(key) ?? value ?? '');
  }
  return shown.size === 0 ? [] : [`|${shown.size}`, ...pairs(shown)];
}
