/** `npm start`: starts the platform, says where it is, and stops all of it at the first ^C or SIGTERM. */
import { parseArgs } from 'node:util';
import { describeError, SlipwayError, toSlipwayError } from '../src/errors.js';
import { Output } from './output.js';
import { type Platform, startPlatform } from './platform.js';
import { summary } from './summary.js';

/** npm passes a terminal's ^C on to a process that has it already: what comes within this time is the same ^C. */
const SAME_INTERRUPT_MS = 1000;

const output = new Output(process.stdout, { colour: process.stdout.isTTY });
const giveUp = new AbortController();
let platform: Platform | undefined;
let stoppingSince: number | undefined;

async function interrupt(signal: string): Promise<void> {
  const now = Date.now();
  if (stoppingSince !== undefined) {
    if (now - stoppingSince < SAME_INTERRUPT_MS) return;
    if (platform === undefined) {
      output.say('still stopping what had been started');
      return;
    }
    output.say(`${signal} again: killing everything`);
    await platform.kill();
    process.exit(130);
  }
  stoppingSince = now;
  output.say(`${signal}: stopping everything (again: kill it)`);
  giveUp.abort(new SlipwayError('cancelled', 'the start was interrupted'));
  // During the start, startPlatform itself stops what it has started.
  if (platform !== undefined) await stopAndExit(platform);
}

function readOptions(args: string[]): { procfile: string | undefined; newAdminToken: boolean } {
  try {
    const { values } = parseArgs({
      args,
      options: { procfile: { type: 'string' }, 'new-admin-token': { type: 'boolean' } },
    });
    return { procfile: values.procfile, newAdminToken: values['new-admin-token'] ?? false };
  } catch (cause) {
    throw new SlipwayError('bad_request', (cause as Error).message, {
      hint: 'usage: npm start -- [--procfile FILE] [--new-admin-token]',
      cause,
    });
  }
}

async function stopAndExit(running: Platform): Promise<never> {
  await running.stop();
  output.say('stopped');
  process.exit(0);
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => void interrupt(signal));

try {
  const { procfile, newAdminToken } = readOptions(process.argv.slice(2));
  platform = await startPlatform({
    env: process.env,
    output,
    newAdminToken,
    signal: giveUp.signal,
    ...(procfile === undefined ? {} : { procfile }),
  });
  if (stoppingSince !== undefined) await stopAndExit(platform);
  output.block(summary(platform));
} catch (thrown) {
  const error = toSlipwayError(thrown);
  for (const line of describeError(error)) console.error(` !     ${line}`);
  process.exit(error.code === 'cancelled' ? 130 : error.code === 'bad_request' ? 2 : 1);
}
