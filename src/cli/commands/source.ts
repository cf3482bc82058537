/** What of a repository is an app's: several apps from one. */
import type { SourceView } from '../../api/source.js';
import { type Command, EXIT, type Invocation, type OptionSpec, UsageError } from '../usage.js';

export const SOURCE_OPTIONS: {
  readonly repo: OptionSpec;
  readonly path: OptionSpec;
  readonly watch: OptionSpec;
} = {
  repo: { type: 'string', value: 'APP', help: 'the app whose pushes deploy this one as well' },
  path: { type: 'string', value: 'DIR', help: 'the directory that is built, with its Dockerfile' },
  watch: { type: 'string', value: 'PATHS', help: 'with commas: further paths whose changes deploy it' },
};

/** Undefined when none of the options is given. */
export function sourceOf({ options }: Invocation): object | undefined {
  const { repo, path, watch } = options;
  if (repo === undefined && path === undefined && watch === undefined) return undefined;
  return {
    ...(typeof repo === 'string' ? { repo } : {}),
    ...(typeof path === 'string' ? { path } : {}),
    watch: typeof watch === 'string' ? watch.split(',').filter((one) => one.trim() !== '') : [],
  };
}

export function describeSource({ repo, path, watch, members }: SourceView, app: string): string[] {
  return [
    `source    ${path ?? 'all'} of the repository of ${repo ?? app}`,
    ...(watch.length === 0 ? [] : [`watches   ${watch.join(', ')}`]),
    ...(members.length === 0 ? [] : [`members   ${members.join(', ')}`]),
  ];
}

const show: Command = {
  name: 'source',
  usage: '',
  help: 'Show which repository an app comes from, and what of it.',
  examples: ['slipway source -a backend'],
  args: { min: 0, max: 0 },
  async run(invocation) {
    const app = await invocation.app();
    const found = await (await invocation.client()).get<SourceView>(`/v1/apps/${app}/source`);
    invocation.output.result(found, describeSource(found, app));
    return EXIT.done;
  },
};

const set: Command = {
  name: 'source:set',
  usage: '--path DIR',
  help: `Say which directory of a repository is the app's. With --repo it is that of another app: each push there
deploys this one as well, if DIR or one of PATHS has changed. In effect from the next push on; what is not named is as
for a new app.`,
  examples: [
    'slipway source:set --path services/web -a shop',
    'slipway source:set --repo shop --path services/api --watch libs/ui -a backend',
  ],
  args: { min: 0, max: 0 },
  options: SOURCE_OPTIONS,
  async run(invocation) {
    const app = await invocation.app();
    const source = sourceOf(invocation);
    if (source === undefined)
      throw new UsageError('nothing is named', 'slipway source:set --path services/api; or source:clear');
    const found = await (await invocation.client()).put<SourceView>(`/v1/apps/${app}/source`, source);
    invocation.output.result(found, describeSource(found, app));
    return EXIT.done;
  },
};

const clear: Command = {
  name: 'source:clear',
  usage: '',
  help: 'Have an app be all of its own repository.',
  examples: ['slipway source:clear -a backend'],
  args: { min: 0, max: 0 },
  async run(invocation) {
    const app = await invocation.app();
    const found = await (await invocation.client()).delete<SourceView>(`/v1/apps/${app}/source`);
    invocation.output.result(found, describeSource(found, app));
    return EXIT.done;
  },
};

export const sourceCommands: readonly Command[] = [show, set, clear];
