/** A builder to be killed: starts a step on the root in argv[3], says its owner's name, and never ends. */
import { ownName } from '../../src/build/sandbox/owner.js';
import { Sandbox } from '../../src/build/sandbox/runtime.js';
import { shellStep } from './fixture.js';

const [, , stateDir = '', rootfs = ''] = process.argv;
const sandbox = await Sandbox.probe({ stateDir, networkAllow: [] });
await sandbox.run(
  shellStep(rootfs, 'echo running; trap "" TERM; sleep 1000', {
    network: 'default',
    timeoutMs: 1_000_000,
    onOutput: async () => {
      process.stdout.write(`${await ownName()}\n`);
    },
  }),
);
