/** A build's events as lines of the log that the push shows: what runs, CACHED or why not, and how long it took. */
import type { BuildLog } from '../logs/log-writer.js';
import { seconds } from '../logs/seconds.js';
import { oneLine } from '../one-line.js';
import type { BuildListener } from './progress.js';

const OUTPUT_PREFIX = '  | ';
const INSTRUCTION_CHARS = 160;

export function logEvents(log: BuildLog): BuildListener {
  return async (event) => {
    switch (event.type) {
      case 'stage':
        return log.body(event.title);
      case 'step':
        return log.body(`[${event.step}/${event.total}] ${oneLine(event.text, INSTRUCTION_CHARS)}`);
      case 'cached':
        return log.body(event.from === undefined ? '  CACHED' : `  CACHED (${event.from})`);
      case 'missed':
        return log.body(`  not cached: ${event.reason}`);
      case 'output':
        return log.raw(event.chunk, OUTPUT_PREFIX);
      case 'done':
        // The step's last line may lack a newline.
        await log.endRaw(OUTPUT_PREFIX);
        return log.body(`  done in ${seconds(event.ms)}`);
      case 'failed':
        return log.endRaw(OUTPUT_PREFIX);
      case 'note':
        return log.body(`  ${event.text}`);
      case 'warning':
        return log.body(`warning: ${event.rule}: ${event.text} (line ${event.line})`);
    }
  };
}
