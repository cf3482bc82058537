/** The life that every worker process shares: settings, log, start, and one graceful stop. */
import { type Config, loadConfig } from '../src/config.js';
import { describeError, toSlipwayError } from '../src/errors.js';
import { createLogger, type Logger } from '../src/log.js';

export interface Surroundings {
  readonly config: Config;
  readonly log: Logger;
}

/** How long a stop may take; what is not done then is found by whoever takes over. */
const STOP_MS = 20_000;

/**
 * Starts a worker and keeps it until SIGTERM or SIGINT. `start` answers with what stops it. A start that fails says why in
 * words and ends the process with 1; so does an error that nobody caught, since what it left behind is not known.
 */
export async function live(
  name: string,
  start: (surroundings: Surroundings) => Promise<() => Promise<void>>,
): Promise<void> {
  let stop: () => Promise<void>;
  let log: Logger;
  try {
    const config = loadConfig();
    log = createLogger(name, config.logLevel);
    process.on('uncaughtException', (error) => {
      log.fatal({ err: error }, 'an error that nobody caught');
      process.exit(1);
    });
    stop = await start({ config, log });
  } catch (thrown) {
    for (const line of describeError(toSlipwayError(thrown))) process.stderr.write(` !     ${line}\n`);
    process.exit(1);
  }
  log.info(`${name} is ready`);
  const end = (): void => {
    setTimeout(() => process.exit(1), STOP_MS).unref();
    void stop().then(
      () => process.exit(0),
      (error) => {
        log.error({ err: error }, 'stopping failed');
        process.exit(1);
      },
    );
  };
  process.once('SIGTERM', end);
  process.once('SIGINT', end);
}
