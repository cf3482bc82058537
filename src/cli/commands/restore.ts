/** The platform's state from a backup. What the command does is in src/restore, and is loaded only here. */
import type { Command } from '../usage.js';

const restore: Command = {
  name: 'restore',
  onlyHere: true,
  usage: 'DIR',
  help: 'Rebuild a platform in an empty SLIPWAY_HOME from a mirror and its registry.',
  notes: [
    'DIR has git/apps/*.git and git/platform.git as a home has, or apps/*.git and platform.git of `git clone --mirror`.',
    'Images are looked for in SLIPWAY_REGISTRY, or in the directory of a registry that the platform starts itself.',
  ],
  examples: [
    'slipway restore /backup/slipway --dry-run',
    'slipway restore /backup/slipway --secret-key /safe/secret.key --registry-data /backup/registry',
  ],
  ofApp: false,
  args: { min: 1, max: 1 },
  options: {
    'secret-key': {
      type: 'string',
      value: 'FILE',
      help: 'the key of the config vars; else secret.key in DIR',
    },
    'registry-data': { type: 'string', value: 'DIR', help: 'copied to the new home, for its own registry' },
    'dry-run': { type: 'boolean', help: 'check all of it, write nothing' },
    force: { type: 'boolean', help: 'also what will not run as it did' },
  },
  async run(invocation) {
    const { restoreMain } = await import('../../restore/main.js');
    return restoreMain(invocation);
  },
};

export const restoreCommands: readonly Command[] = [restore];
