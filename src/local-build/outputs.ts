/** What `--output`, `--push` and `-t` ask for, brought together and written. */
import { resolve } from 'node:path';
import type { BuilderStore } from '../build/builder-store.js';
import { UsageError } from '../cli/usage.js';
import { formatPlatform } from '../dockerfile/platform.js';
import type { AnnotationRule } from '../images/annotations.js';
import { parseAnnotation } from '../images/annotations.js';
import { bundleOf } from '../images/bundle.js';
import { checkOutput, exportImage } from '../images/export.js';
import type { ExportableImage, ExportedDescriptor } from '../images/exportable.js';
import { type OutputSpec, parseOutput } from '../images/output-spec.js';
import type { RegistryClient } from '../registry/client.js';
import { digestOf } from '../registry/image.js';
import type { LocalBuild } from './options.js';
import { inPhase, type Printer } from './printers/printer.js';

export interface OutputPlan {
  readonly specs: readonly OutputSpec[];
  readonly annotations: readonly AnnotationRule[];
  /** References that are pushed. */
  readonly pushes: readonly string[];
}

/** Throws a UsageError, or `bad_request`, for what cannot be meant. */
export function planOutputs(build: LocalBuild): OutputPlan {
  const specs = build.outputs.map(parseOutput);
  if (build.push && !specs.some((spec) => spec.kind === 'registry')) specs.push(parseOutput('type=registry'));
  const registries = specs.filter((spec) => spec.kind === 'registry');
  const pushes = registries.length === 0 ? [] : [...build.tags, ...registries.flatMap((spec) => spec.names)];
  if (registries.length > 0 && pushes.length === 0)
    throw new UsageError('pushing needs a name', 'give one with -t REGISTRY/NAME:TAG');
  if (specs.filter((spec) => 'dest' in spec && spec.dest === '-').length > 1)
    throw new UsageError('only one output can go to stdout');
  // A commit has a time, which is known when it was fetched.
  const isOfCommit = build.buildArgs.SOURCE_DATE_EPOCH === 'context' && build.context.kind === 'git';
  const epoch = isOfCommit ? 0 : epochOf(build.buildArgs);
  for (const spec of specs) checkOutput(spec, build.platforms.map(formatPlatform), epoch);
  return { specs, annotations: build.annotations.flatMap(parseAnnotation), pushes };
}

export interface OutputTools {
  readonly build: LocalBuild;
  readonly registry: RegistryClient;
  readonly store: BuilderStore;
  readonly printer: Printer;
  readonly stdout: NodeJS.WritableStream;
  readonly signal: AbortSignal;
}

/** What was written, or, where nothing was asked for, would be. */
export interface Written {
  /** Of the image, or of the index of several. */
  readonly descriptor: ExportedDescriptor;
  /** Where there is one image. */
  readonly configDigest?: string;
  /** Full references. */
  readonly names: readonly string[];
}

/** One after the other, in the order of the options. */
export async function writeOutputs(
  plan: OutputPlan,
  images: readonly ExportableImage[],
  { build, registry, store, printer, stdout, signal }: OutputTools,
): Promise<Written> {
  let written: Written | undefined;
  const epoch = epochOf(build.buildArgs);
  for (const spec of plan.specs) {
    if (spec.kind === 'none') continue;
    const output = resolved(annotated(spec, plan.annotations), build.directory);
    const { root, configDigest, names } = await inPhase(printer, `exporting ${described(spec)}`, () =>
      exportImage(
        { images, names: build.tags, output, ...(epoch === undefined ? {} : { epoch }) },
        { registry, blobs: store.blobs, layers: store.layers, stdout, signal },
      ),
    );
    // A push comes first: that is the digest by which the image can be had.
    if (root !== undefined && (written === undefined || spec.kind === 'registry'))
      written = { descriptor: root, names, ...(configDigest === undefined ? {} : { configDigest }) };
  }
  if (written !== undefined) return written;
  const { root } = bundleOf(images, 'oci', plan.annotations);
  const [only] = images;
  return {
    descriptor: root,
    names: build.tags,
    ...(images.length === 1 && only !== undefined ? { configDigest: digestOf(only.image.config) } : {}),
  };
}

/** A value that is no number was refused with the plan. */
function epochOf(args: Readonly<Record<string, string>>): number | undefined {
  const text = args.SOURCE_DATE_EPOCH ?? '';
  return /^\d+$/.test(text) ? Number(text) : undefined;
}

function annotated(spec: OutputSpec, annotations: readonly AnnotationRule[]): OutputSpec {
  return 'annotations' in spec ? { ...spec, annotations: [...annotations, ...spec.annotations] } : spec;
}

function resolved(spec: OutputSpec, directory: string): OutputSpec {
  return 'dest' in spec && spec.dest !== '-' ? { ...spec, dest: resolve(directory, spec.dest) } : spec;
}

function described(spec: OutputSpec): string {
  if (spec.kind === 'registry') return 'to the registry';
  return 'dest' in spec ? `type=${spec.kind} to ${spec.dest === '-' ? 'stdout' : spec.dest}` : spec.kind;
}
