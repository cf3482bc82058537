/**
 * One instruction on one state: what it changes in the image's config, and the step that it asks of the builder, if it
 * makes a layer. The rules and the history are BuildKit's.
 */
import { posix } from 'node:path';
import { givenArg, isExported, isProxyArg } from './build-args.js';
import { copyStep } from './copy-step.js';
import { expandWord, expandWords } from './expand.js';
import { describeHealthcheck, quoteList } from './history.js';
import { parsePorts } from './ports.js';
import { invalid, quoted, unsupported } from './problems.js';
import { runStep, withShell } from './run-step.js';
import { isSignal } from './signals.js';
import { commit, expansionFor, pairs, placeOf, splitPair, workingDirectory } from './stage-state.js';
import type { DeclaredArg, Evaluated, StageState } from './step.js';
import type {
  ArgInstruction,
  EnvInstruction,
  KeyValue,
  LabelInstruction,
  StageInstruction,
  WorkdirInstruction,
} from './syntax.js';
import { inTrigger } from './triggers.js';

export { type StageStartsFrom, startStage } from './stage-state.js';
export { withTriggers } from './triggers.js';

/** Throws `dockerfile_invalid` or `dockerfile_unsupported` with the line. The given state stays as it is. */
export function evaluate(state: StageState, instruction: StageInstruction): Evaluated {
  if (instruction.isTrigger !== true) return apply(state, instruction);
  return inTrigger(instruction.text, placeOf(state, instruction), () => apply(state, instruction));
}

function apply(state: StageState, instruction: StageInstruction): Evaluated {
  const where = placeOf(state, instruction);
  if (instruction.unsupported !== undefined) {
    throw unsupported(where, instruction.unsupported.message, instruction.unsupported.hint);
  }
  const config = state.image.config ?? {};
  switch (instruction.kind) {
    case 'RUN': {
      const step = runStep(state, instruction, where);
      return { state: commit(state, { history: step.history, layer: true }, where), step };
    }
    case 'COPY':
    case 'ADD': {
      const step = copyStep(state, instruction, where);
      return { state: commit(state, { history: step.history, layer: true }, where), step };
    }
    case 'WORKDIR':
      return workdir(state, instruction, where);
    case 'ARG':
      return { state: declare(state, instruction, where) };
    case 'ENV':
      return { state: setEnv(state, instruction, where) };
    case 'LABEL':
      return { state: label(state, instruction, where) };
    case 'USER': {
      const user = expandWord(instruction.user, expansionFor(state, where));
      if (user === '')
        throw invalid(
          where,
          `USER ${instruction.user}: the user is empty`,
          'write USER root if that is meant',
        );
      return { state: commit(state, { config: { User: user }, history: `USER ${user}` }, where) };
    }
    case 'CMD': {
      const { command } = instruction;
      const argv = command.form === 'shell' ? withShell(state, command.line) : command.argv;
      const change = { Cmd: argv.length === 0 ? undefined : argv, ArgsEscaped: true };
      return {
        state: {
          ...commit(state, { config: change, history: `CMD ${quoteList(argv)}` }, where),
          cmdSet: true,
        },
      };
    }
    case 'ENTRYPOINT': {
      const { command } = instruction;
      const argv = command.form === 'shell' ? withShell(state, command.line) : command.argv;
      // A CMD from below was made for another entry point.
      const cmd = state.cmdSet ? config.Cmd : undefined;
      const change = { Entrypoint: argv.length === 0 ? undefined : argv, Cmd: cmd };
      return { state: commit(state, { config: change, history: `ENTRYPOINT ${quoteList(argv)}` }, where) };
    }
    case 'SHELL': {
      const history = `SHELL [${instruction.argv.join(' ')}]`;
      return { state: commit(state, { config: { Shell: instruction.argv }, history }, where) };
    }
    case 'EXPOSE': {
      const expansion = expansionFor(state, where);
      const words = instruction.ports.flatMap((port) => expandWords(port, expansion));
      const ports = words.flatMap((word) => parsePorts(word, where));
      const exposed = { ...config.ExposedPorts, ...Object.fromEntries(ports.map((port) => [port, {}])) };
      return {
        state: commit(
          state,
          { config: { ExposedPorts: exposed }, history: `EXPOSE [${ports.join(' ')}]` },
          where,
        ),
      };
    }
    case 'VOLUME': {
      const expansion = expansionFor(state, where);
      const paths = instruction.paths.map((path) => expandWord(path, expansion));
      if (paths.includes('')) throw invalid(where, 'VOLUME: a path is empty', 'give every variable a value');
      const volumes = { ...config.Volumes, ...Object.fromEntries(paths.map((path) => [path, {}])) };
      return {
        state: commit(state, { config: { Volumes: volumes }, history: `VOLUME [${paths.join(' ')}]` }, where),
      };
    }
    case 'STOPSIGNAL': {
      const signal = expandWord(instruction.signal, expansionFor(state, where));
      if (!isSignal(signal))
        throw invalid(
          where,
          `STOPSIGNAL: ${quoted(signal)} is not a signal`,
          'use SIGTERM, SIGQUIT or a number',
        );
      return {
        state: commit(state, { config: { StopSignal: signal }, history: `STOPSIGNAL ${signal}` }, where),
      };
    }
    case 'HEALTHCHECK': {
      const { healthcheck } = instruction;
      const history = `HEALTHCHECK ${describeHealthcheck(healthcheck)}`;
      return { state: commit(state, { config: { Healthcheck: healthcheck }, history }, where) };
    }
    case 'MAINTAINER': {
      const { author } = instruction;
      return { state: commit(state, { author, history: `MAINTAINER ${author}` }, where) };
    }
    case 'ONBUILD': {
      // BuildKit's history does not tell of it.
      const triggers = [...(config.OnBuild ?? []), instruction.expression];
      return { state: { ...state, image: { ...state.image, config: { ...config, OnBuild: triggers } } } };
    }
  }
}

/** Makes a layer for every directory but `/`, as in BuildKit: what is there already makes an empty one. */
function workdir(state: StageState, instruction: WorkdirInstruction, where: string): Evaluated {
  const written = expandWord(instruction.path, expansionFor(state, where));
  // What a variable without a value leaves is where one is already.
  const path = cleanDirectory(posix.resolve('/', workingDirectory(state), written));
  const history = `WORKDIR ${path}`;
  const next = commit(state, { config: { WorkingDir: path }, history, layer: path !== '/' }, where);
  if (path === '/') return { state: next };
  return { state: next, step: { kind: 'workdir', path, user: state.image.config?.User ?? '', history } };
}

/** POSIX leaves the meaning of two leading slashes open; Linux has none. */
function cleanDirectory(path: string): string {
  return path.replace(/^\/+/, '/');
}

function setEnv(state: StageState, instruction: EnvInstruction, where: string): StageState {
  const set = expandPairs(state, instruction.pairs, where, 'ENV');
  const image = new Map((state.image.config?.Env ?? []).map(splitPair));
  const env = new Map(state.env);
  for (const { key, value } of set) {
    image.set(key, value);
    env.set(key, value);
  }
  const history = `ENV ${set.map(({ key, value }) => `${key}=${value}`).join(' ')}`;
  return { ...commit(state, { config: { Env: pairs(image) }, history }, where), env };
}

function label(state: StageState, instruction: LabelInstruction, where: string): StageState {
  const set = expandPairs(state, instruction.pairs, where, 'LABEL');
  const labels = {
    ...state.image.config?.Labels,
    ...Object.fromEntries(set.map(({ key, value }) => [key, value])),
  };
  const history = `LABEL ${set.map(({ key, value }) => `${key}=${value}`).join(' ')}`;
  return commit(state, { config: { Labels: labels }, history }, where);
}

/** All with the environment before the instruction: `ENV a=1 b=$a` sees the old a. */
function expandPairs(
  state: StageState,
  written: readonly KeyValue[],
  where: string,
  keyword: 'ENV' | 'LABEL',
): readonly KeyValue[] {
  const expansion = expansionFor(state, where);
  return written.map(({ key, value }) => {
    const name = expandWord(key, expansion);
    if (name === '')
      throw invalid(where, `${keyword} ${key}: the name is empty`, 'give the variable a value');
    if (keyword === 'ENV' && name.includes('='))
      throw invalid(where, `ENV: the name ${quoted(name)} holds a =`);
    return { key: name, value: expandWord(value, expansion) };
  });
}

/** A value comes from the build args, else the default, else the global scope; without one there is no variable. */
function declare(state: StageState, instruction: ArgInstruction, where: string): StageState {
  const { buildArgs, globalArgs } = state.plan;
  const env = new Map(state.env);
  const expansion = { ...expansionFor(state, where), env };
  const args: DeclaredArg[] = [...state.args];
  const shown: string[] = [];
  for (const { key: writtenKey, value: written } of instruction.args) {
    const key = expandWord(writtenKey, expansion);
    if (key === '' || key.includes('='))
      throw invalid(where, `ARG ${writtenKey}: ${quoted(key)} is not a name`);
    const given = givenArg(buildArgs, key);
    const value = given ?? (written === undefined ? globalArgs.get(key) : expandWord(written, expansion));
    if (value !== undefined && isExported(key)) env.set(key, value);
    args.push({ key, ...(value === undefined ? {} : { value }) });
    // A proxy's address may hold a password.
    shown.push(value === undefined || isProxyArg(key) ? key : `${key}=${value}`);
  }
  return { ...commit(state, { history: `ARG ${shown.join(' ')}` }, where), args, env };
}
