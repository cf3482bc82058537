/** Images in registries and files, without a platform: what they are made of, and from one to the other. */
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { table } from '../cli/output.js';
import { EXIT, type ExitCode, type Invocation, UsageError } from '../cli/usage.js';
import { loadConfig } from '../config.js';
import type { Platform } from '../dockerfile/build-plan.js';
import { formatPlatform, parsePlatform } from '../dockerfile/platform.js';
import type { ExportableImage } from '../images/exportable.js';
import { ageText, historyRows, sizeText } from '../images/history-rows.js';
import { fullNames } from '../images/layout-files.js';
import { withPulled, withStored } from '../images/open-image.js';
import { pushBuilt } from '../images/push-built.js';
import { saveImage } from '../images/save.js';
import { registryClient } from '../local-build/registry.js';
import { oneLine } from '../one-line.js';
import type { RegistryClient } from '../registry/client.js';
import { hostPlatform } from '../registry/pull.js';
import { isRegistryHost } from '../registry/reference.js';

/** What each layer was made by, the newest first. */
export async function imageHistory(invocation: Invocation): Promise<ExitCode> {
  const { output, options } = invocation;
  const rows = await withImage(invocation, async ({ image }) => historyRows(image));
  const now = Date.now();
  const lines = rows.map((row) => [
    row.digest?.slice('sha256:'.length, 'sha256:'.length + 12) ?? '<none>',
    ageText(row.created, now),
    shortened(row.instruction, options['no-trunc'] === true),
    sizeText(row.sizeBytes),
    row.comment ?? '',
  ]);
  output.result(rows, table(['LAYER', 'CREATED', 'CREATED BY', 'SIZE', 'COMMENT'], lines));
  return EXIT.done;
}

/** An archive's image into a registry. */
export async function imageLoad(invocation: Invocation): Promise<ExitCode> {
  const { args, directory, signal, output } = invocation;
  const names = fullNames([args[1] ?? '']);
  const client = clientOf(invocation, names);
  try {
    const pushed = await withStored(
      pathOf(args[0] ?? '', directory),
      storedOptions(invocation),
      async (bundle) => {
        await pushBuilt(client, bundle, 'oci', names, { signal });
        return bundle.root.digest;
      },
    );
    output.result({ name: names[0], digest: pushed }, [`${names[0]} is ${pushed}`]);
    return EXIT.done;
  } finally {
    client.close();
  }
}

/** A registry's image into an archive. */
export async function imageSave(invocation: Invocation): Promise<ExitCode> {
  const { args, directory, signal, output } = invocation;
  const [reference = '', file = ''] = args;
  const client = clientOf(invocation, []);
  try {
    const digest = await withPulled(client, reference, platformOf(invocation), signal, async (image) => {
      await saveImage(image, reference, pathOf(file, directory), output.streams.out, signal);
      return image.image.digest;
    });
    if (file === '-') output.note(`${reference} is ${digest}`);
    else output.result({ name: reference, digest, file }, [`${reference} (${digest}) is in ${file}`]);
    return EXIT.done;
  } finally {
    client.close();
  }
}

/** What is no reference to a person, even where it is not there. */
const PATH = /^\.{0,2}\/|\.(tar|tgz|tar\.(gz|zst|xz|bz2))$/;

/** Of a path that is there, of stdin, or of a registry. */
async function withImage<T>(invocation: Invocation, use: (image: ExportableImage) => Promise<T>): Promise<T> {
  const { args, directory, signal } = invocation;
  const [place = ''] = args;
  const path = pathOf(place, directory);
  const isPath = place === '-' || PATH.test(place) || (await exists(path));
  if (isPath)
    return withStored(path, storedOptions(invocation), async ({ images }) => {
      return use(imageFor(platformOf(invocation), images, place));
    });
  const client = clientOf(invocation, []);
  try {
    return await withPulled(client, place, platformOf(invocation), signal, use);
  } finally {
    client.close();
  }
}

/** Without a platform that of this machine, else the first. */
function imageFor(
  asked: Platform | undefined,
  images: readonly ExportableImage[],
  place: string,
): ExportableImage {
  const wanted = asked ?? hostPlatform();
  const fitting = images.filter(
    ({ platform: { os, architecture, variant } }) =>
      os === wanted.os &&
      architecture === wanted.architecture &&
      (asked?.variant === undefined || variant === undefined || variant === asked.variant),
  );
  const chosen = fitting[0] ?? (asked === undefined ? images[0] : undefined);
  if (chosen !== undefined) return chosen;
  if (asked === undefined) throw new UsageError(`${place} holds no image`);
  const there = images.map(({ platform }) => formatPlatform(platform)).join(', ');
  throw new UsageError(
    `${place} holds no image for ${formatPlatform(asked)}`,
    `give --platform one of: ${there}`,
  );
}

function storedOptions({ stdin, options, signal }: Invocation): Parameters<typeof withStored>[1] {
  return { stdin, signal, ...(typeof options.name === 'string' ? { name: options.name } : {}) };
}

function clientOf({ lists, env }: Invocation, writes: readonly string[]): RegistryClient {
  const hosts = lists['insecure-registry'] ?? [];
  const wrong = hosts.find((host) => !isRegistryHost(host));
  if (wrong !== undefined)
    throw new UsageError(`--insecure-registry ${JSON.stringify(wrong)} is not HOST or HOST:PORT`);
  const mirrors = (lists.mirror ?? []).map((given) => {
    const [from, to, ...more] = given.split('=');
    if (!from || !to || more.length > 0 || !isRegistryHost(to.split('/')[0] ?? ''))
      throw new UsageError(`--mirror ${JSON.stringify(given)} is not FROM=TO`);
    return { from, to };
  });
  return registryClient({ mirrors, insecureRegistries: hosts }, writes, loadConfig(env), env);
}

function platformOf({ options }: Invocation): Platform | undefined {
  return typeof options.platform === 'string'
    ? parsePlatform(options.platform, hostPlatform(), '--platform')
    : undefined;
}

function pathOf(given: string, directory: string): string {
  return given === '-' ? '-' : resolve(directory, given);
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

const INSTRUCTION_CHARS = 60;

function shortened(instruction: string, whole: boolean): string {
  return oneLine(instruction, whole ? undefined : INSTRUCTION_CHARS);
}
