/** `slipway build`: what it takes. What it does is in src/local-build, and is loaded only here. */
import type { Command, ExitCode, OptionSpec } from '../usage.js';

const many = (value: string, help: string, short?: string): OptionSpec => ({
  type: 'string',
  multiple: true,
  value,
  help,
  ...(short === undefined ? {} : { short }),
});
const one = (value: string, help: string, short?: string): OptionSpec => ({
  type: 'string',
  value,
  help,
  ...(short === undefined ? {} : { short }),
});
const flag = (help: string, short?: string): OptionSpec => ({
  type: 'boolean',
  help,
  ...(short === undefined ? {} : { short }),
});

const options: Readonly<Record<string, OptionSpec>> = {
  file: one('FILE', 'the Dockerfile: a path from here, or in the context; - is stdin', 'f'),
  tag: many('REF', 'name the image', 't'),
  target: one('STAGE', 'build this stage instead of the last one'),
  'build-arg': many('K[=V]', 'set an ARG; without =V, to the environment’s value'),
  secret: many(
    'id=X[,src=F|,env=V]',
    'for RUN --mount=type=secret; id=X alone is the variable X, else the file X',
  ),
  ssh: many('default|ID=SOCKET', 'an SSH agent for RUN --mount=type=ssh'),
  'build-context': many('NAME=PLACE', 'a further context: a directory, docker-image://REF, a git URL'),
  label: many('K=V', 'add a label to the image'),
  annotation: many('K=V', 'add an annotation to the manifest (index:K=V: to the index)'),
  platform: many('P[,P]', 'linux/amd64, linux/arm64, …: several become one index'),
  'no-cache': flag('run every step again'),
  'no-cache-filter': many('STAGE[,STAGE]', 'run the steps of these stages again'),
  network: one('MODE', 'for RUN steps that name none: default, none, host'),
  allow: many('WHAT', 'network.host, security.insecure: what RUN --network and --security may ask for'),
  output: many('SPEC', 'type=oci|docker|tar,dest=FILE, type=local,dest=DIR, type=registry', 'o'),
  push: flag('the same as --output type=registry'),
  pull: flag('for scripts written for docker: a base image’s tag is always looked up anew'),
  squash: flag('everything above the base image as one layer'),
  'metadata-file': one('FILE', 'write digests and names there, as JSON'),
  iidfile: one('FILE', 'write the digest there'),
  progress: one('HOW', 'auto, plain, tty, rawjson, quiet'),
  quiet: flag('print nothing but the digest', 'q'),
  check: flag('only look for mistakes in the Dockerfile'),
  'insecure-registry': many(
    'HOST',
    'speak plain HTTP to this registry; to loopback addresses it always does',
  ),
  mirror: many('FROM=TO', 'ask TO before the registry FROM: docker.io=127.0.0.1:5000'),
  store: one('DIR', 'where layers and steps are kept'),
  'cache-from': many('REF', 'take steps from a cache that another build left in a registry'),
  'cache-to': many('REF', 'leave this build’s steps in a registry for others'),
  'cache-mounts-from': many('REF', 'take cache mounts that another build left in a registry'),
  'cache-mounts-to': many('REF', 'leave the cache mounts in a registry for others'),
};

const build: Command = {
  name: 'build',
  onlyHere: true,
  usage: '[DIR | REPO.git#REF | -]',
  help: 'Build an image from a Dockerfile here, without a platform.',
  options,
  ofApp: false,
  args: { min: 0, max: 1 },
  notes: [
    'The context is a directory (.), a git repository (REPO.git#COMMIT:SUBDIRECTORY), or on stdin a tar or a Dockerfile.',
    'exit codes: 0 built; 1 a step or what it needs failed, or --check found warnings; 2 the command line, the Dockerfile',
    'or the context is not valid; 130 interrupted.',
    'RUN steps need root, runc or crun, slirp4netns and iproute2; a build without them, or from the cache, does not.',
    'Layers and steps are kept in --store, else $SLIPWAY_BUILD_STORE, else $XDG_CACHE_HOME/slipway/build, else',
    '/var/cache/slipway/build (root) or ~/.cache/slipway/build, up to SLIPWAY_STORE_BUDGET_BYTES (20 GiB).',
    'Registries’ credentials are those of `docker login`: $DOCKER_CONFIG/config.json, ~/.docker/config.json.',
  ],
  examples: [
    'slipway build . -t registry.example.com/shop:1.2 --push',
    'slipway build . -o type=oci,dest=image.tar --build-arg VERSION=1.2',
    'slipway build https://git.example.com/shop.git#main:web -o type=docker,dest=- | docker load',
    'slipway build . --target test --secret id=npm,src=.npmrc --ssh default',
    'slipway build . --platform linux/amd64,linux/arm64 -o type=oci,dest=image.tar',
    'slipway build . --check',
    'slipway build - < Dockerfile',
  ],
  async run(invocation): Promise<ExitCode> {
    const { localBuild } = await import('../../local-build/main.js');
    return localBuild(invocation);
  },
};

export const localBuildCommands: readonly Command[] = [build];
