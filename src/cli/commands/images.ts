/** Images in registries and files, without a platform. What the commands do is in src/local-images, and is loaded only here. */
import type { Command, OptionSpec } from '../usage.js';

const REGISTRY_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  'insecure-registry': {
    type: 'string',
    multiple: true,
    value: 'HOST',
    help: 'speak plain HTTP to this registry',
  },
  mirror: { type: 'string', multiple: true, value: 'FROM=TO', help: 'ask TO before the registry FROM' },
};
const PLATFORM: OptionSpec = {
  type: 'string',
  value: 'OS/ARCH',
  help: 'of an image for several platforms; else the one of this machine',
};
const NAME: OptionSpec = { type: 'string', value: 'NAME', help: 'of an archive with several images' };

const history: Command = {
  name: 'image:history',
  onlyHere: true,
  usage: 'REF|PATH',
  help: 'Show what each layer of an image was made by, the newest first.',
  notes: [
    'A PATH is an archive, an OCI layout, or - for stdin. Sizes are those of the blobs, as they are stored.',
  ],
  examples: ['slipway image:history node:22-slim', 'slipway image:history ./image.tar --json'],
  ofApp: false,
  args: { min: 1, max: 1 },
  options: {
    platform: PLATFORM,
    name: NAME,
    'no-trunc': { type: 'boolean', help: 'whole instructions' },
    ...REGISTRY_OPTIONS,
  },
  async run(invocation) {
    const { imageHistory } = await import('../../local-images/commands.js');
    return imageHistory(invocation);
  },
};

const load: Command = {
  name: 'image:load',
  onlyHere: true,
  usage: 'FILE|- REF',
  help: 'Push the image of an archive to a registry.',
  notes: [
    'The archive is what docker save, image:save or build --output type=oci writes; an OCI layout is taken too.',
  ],
  examples: [
    'slipway image:load image.tar registry.example.com/shop:v1',
    'docker save shop | slipway image:load - registry.example.com/shop:v1',
  ],
  ofApp: false,
  args: { min: 2, max: 2 },
  options: { name: NAME, ...REGISTRY_OPTIONS },
  async run(invocation) {
    const { imageLoad } = await import('../../local-images/commands.js');
    return imageLoad(invocation);
  },
};

const save: Command = {
  name: 'image:save',
  onlyHere: true,
  usage: 'REF FILE|-',
  help: 'Write an image of a registry to an archive for docker load and OCI tools.',
  examples: [
    'slipway image:save registry.example.com/shop:v1 shop.tar',
    'slipway image:save shop:v1 - | docker load',
  ],
  ofApp: false,
  args: { min: 2, max: 2 },
  options: { platform: PLATFORM, ...REGISTRY_OPTIONS },
  async run(invocation) {
    const { imageSave } = await import('../../local-images/commands.js');
    return imageSave(invocation);
  },
};

export const imageCommands: readonly Command[] = [history, load, save];
