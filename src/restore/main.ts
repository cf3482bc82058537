/** `slipway restore`: from options to exit code. */
import { resolve } from 'node:path';
import { EXIT, type ExitCode, type Invocation } from '../cli/usage.js';
import { loadConfig } from '../config.js';
import { Git } from '../git/git.js';
import { RegistryClient } from '../registry/client.js';
import { imagesIn, imagesInDirectory } from './images.js';
import { type Restored, type RestoredApp, restore } from './restore.js';

export async function restoreMain({ args, options, output, env, directory }: Invocation): Promise<ExitCode> {
  const config = loadConfig(env);
  const path = (name: string): string | undefined =>
    typeof options[name] === 'string' ? resolve(directory, options[name]) : undefined;
  const registryData = path('registry-data');
  const registry = RegistryClient.fromConfig(config);
  const dryRun = options['dry-run'] === true;
  try {
    const hasImage =
      registryData !== undefined
        ? await imagesInDirectory(registryData)
        : env.SLIPWAY_REGISTRY
          ? imagesIn(registry, config.registry.host)
          : undefined;
    const restored = await restore({
      mirror: resolve(directory, args[0] ?? '.'),
      home: config.home,
      secretKey: path('secret-key'),
      hasImage,
      registryData,
      dryRun,
      force: options.force === true,
      git: new Git(),
    });
    output.result(restored, linesOf(restored, dryRun, hasImage !== undefined));
    for (const { app, problems } of restored.apps)
      for (const each of problems) output.problem([`${app}: ${each}`]);
    if (restored.isDone || (dryRun && !hasProblems(restored))) return EXIT.done;
    output.problem([
      dryRun ? 'it would not be restored like this' : 'nothing was restored',
      'correct what is said above, or restore all the same with --force',
    ]);
    return EXIT.failed;
  } finally {
    registry.close();
  }
}

function hasProblems({ apps }: Restored): boolean {
  return apps.some(({ problems }) => problems.length > 0);
}

function linesOf(restored: Restored, dryRun: boolean, looked: boolean): string[] {
  const { apps, tokens, problems, home, isDone } = restored;
  return [
    ...apps.map(lineOf),
    `${tokens} tokens`,
    ...problems,
    ...(looked
      ? []
      : ['images were not looked for: name their registry with SLIPWAY_REGISTRY or --registry-data DIR']),
    ...(isDone ? [`restored to ${home}; next: npm start`] : dryRun ? ['nothing was written'] : []),
  ];
}

function lineOf({ app, live, releases, withoutImage, cutOff }: RestoredApp): string {
  const versions = (numbers: readonly number[]): string => numbers.map((number) => `v${number}`).join(', ');
  return [
    `${app}: ${live === undefined ? 'nothing was live' : `v${live} is live`}, ${releases} releases`,
    ...(withoutImage !== undefined && withoutImage.length > 0
      ? [`no image of ${versions(withoutImage)}`]
      : []),
    ...(cutOff.length > 0 ? [`${versions(cutOff)} had not ended`] : []),
  ].join('; ');
}
