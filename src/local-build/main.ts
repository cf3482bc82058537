/** The way of `slipway build` from its options to its exit code; loaded only when it is called. */
import { EXIT, type ExitCode, type Invocation, UsageError } from '../cli/usage.js';
import type { LintWarning } from '../dockerfile/lint/lint.js';
import { type SlipwayError, toSlipwayError } from '../errors.js';
import { explained } from './failure.js';
import type { LocalDockerfile } from './local-dockerfile.js';
import type { LocalSurroundings } from './opened.js';
import { type LocalBuild, readLocalBuild } from './options.js';
import { planOutputs } from './outputs.js';
import { choosePrinter } from './printers/choose.js';
import { LastOutput } from './printers/last-output.js';
import type { Printer } from './printers/printer.js';
import { RawJsonPrinter } from './printers/rawjson.js';
import { exitCodeOf, failureLines, metadataOf, writeResultFiles } from './report.js';
import { checkLocalBuild, runLocalBuild } from './run.js';

/** Throws only a UsageError: every other failure is told here and becomes an exit code. */
export async function localBuild(invocation: Invocation): Promise<ExitCode> {
  const { env, stdin, output } = invocation;
  const build = readLocalBuild(invocation);
  const printer = choosePrinter(build.check ? 'quiet' : build.progress, output.streams.err, env);
  const last = new LastOutput(printer);
  using stop = new StopSignals(invocation.signal);
  let dockerfile: LocalDockerfile | undefined;
  const surroundings: LocalSurroundings = {
    env,
    stdin,
    stdout: output.streams.out,
    printer: last,
    signal: stop.signal,
    onDockerfile: (source) => {
      dockerfile = source;
    },
  };
  try {
    const code = build.check
      ? await check(build, surroundings, invocation)
      : await buildAndTell(build, surroundings, printer, invocation);
    printer.close();
    return code;
  } catch (thrown) {
    printer.close();
    if (thrown instanceof UsageError) throw thrown;
    if (stop.signal.aborted) {
      output.problem(['interrupted: nothing was built']);
      return EXIT.interrupted;
    }
    const error = explained(toSlipwayError(thrown));
    if (printer instanceof RawJsonPrinter) printer.other(errorEvent(error));
    else {
      const shown = last.showsOutput ? [] : last.lines;
      for (const line of failureLines({ error, dockerfile, output: shown })) output.note(line);
    }
    return exitCodeOf(error);
  }
}

async function buildAndTell(
  build: LocalBuild,
  surroundings: LocalSurroundings,
  printer: Printer,
  { output }: Invocation,
): Promise<ExitCode> {
  const plan = planOutputs(build);
  const result = await runLocalBuild(build, plan, surroundings);
  await writeResultFiles(build, result);
  printer.close();
  const { digest } = result.descriptor;
  const metadata = metadataOf(result);
  // Where the image itself goes to stdout, nothing else does.
  const takesStdout = plan.specs.some((spec) => 'dest' in spec && spec.dest === '-');
  if (printer instanceof RawJsonPrinter)
    printer.other({ type: 'result', digest, names: result.names, steps: result.steps });
  else if (build.progress !== 'quiet') {
    const { cached, total } = result.steps;
    output.note(`${total} ${total === 1 ? 'step' : 'steps'}, ${cached} cached: ${digest}`);
    for (const name of result.names) output.note(`named ${name}`);
    if (plan.specs.length === 0)
      output.note(
        'the image is in the cache only; write it with -o type=oci,dest=FILE, or push it with --push',
      );
  }
  if (!takesStdout && (output.json || build.progress === 'quiet')) output.result(metadata, [digest]);
  return EXIT.done;
}

/** 0 without warnings, 1 with some, 2 when the Dockerfile cannot be built at all: as `docker build --check`. */
async function check(
  build: LocalBuild,
  surroundings: LocalSurroundings,
  { output }: Invocation,
): Promise<ExitCode> {
  const { warnings } = await checkLocalBuild(build, surroundings);
  output.result({ warnings }, checkLines(warnings));
  return warnings.length === 0 ? EXIT.done : EXIT.failed;
}

function checkLines(warnings: readonly LintWarning[]): string[] {
  if (warnings.length === 0) return ['Check complete, no warnings found.'];
  return [
    `Check complete, ${warnings.length} ${warnings.length === 1 ? 'warning has' : 'warnings have'} been found!`,
    ...warnings.flatMap(({ rule, text, line, url }) => [
      '',
      `WARNING: ${rule} - ${url}`,
      text,
      `line ${line}`,
    ]),
  ];
}

function errorEvent(error: SlipwayError): { type: string; [field: string]: unknown } {
  const { code, message, where, hint } = error;
  return { type: 'error', code, message, where, hint };
}

/** ^C, and what else asks a program to end. */
class StopSignals {
  readonly signal: AbortSignal;
  readonly #abort = new AbortController();

  constructor(interrupted: AbortSignal) {
    this.signal = AbortSignal.any([interrupted, this.#abort.signal]);
    process.once('SIGTERM', this.#stop).once('SIGHUP', this.#stop);
  }

  [Symbol.dispose](): void {
    process.off('SIGTERM', this.#stop).off('SIGHUP', this.#stop);
  }

  readonly #stop = (): void => this.#abort.abort();
}
