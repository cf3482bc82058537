/** Structured logs of the processes (pino). Build logs are another thing: see src/logs. */
import { type Logger, pino } from 'pino';

export type { Logger };

/** A logger to stderr as JSON lines; `level` is one of pino's, `silent` in most tests. */
export function createLogger(name: string, level = 'info'): Logger {
  return pino(
    {
      name,
      level,
      redact: {
        paths: ['*.token', '*.password', '*.authorization', 'req.headers.authorization'],
        censor: '***',
      },
    },
    pino.destination({ dest: 2, sync: true }),
  );
}
