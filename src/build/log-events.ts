/**
 * A build's events as lines of the log that the push shows: what runs, CACHED or why not, and how long it took. Where stages
 * run side by side, a line begins with the number of its step:
 *
 *   [assets 3/7] RUN make          [2/3] RUN make
 *     3 | cc -o app app.c            | cc -o app app.c
 *     3 done in 1.2 s                done in 1.2 s
 */
import type { BuildLog } from '../logs/log-writer.js';
import { seconds } from '../logs/seconds.js';
import { oneLine } from '../one-line.js';
import { type BuildListener, stageTitle } from './progress.js';

const INSTRUCTION_CHARS = 160;

export function logEvents(log: BuildLog): BuildListener {
  const mixed = new Set<number>();
  const indent = (step?: number): string => (step !== undefined && mixed.has(step) ? `  ${step} ` : '  ');
  return async (event) => {
    switch (event.type) {
      case 'stage':
        return log.body(event.title);
      case 'step': {
        const { step, total, text, stage } = event;
        if (event.mixed) mixed.add(step);
        const place = event.mixed ? `${stageTitle(stage)} ${step}/${total}` : `${step}/${total}`;
        return log.body(`[${place}] ${oneLine(text, INSTRUCTION_CHARS)}`);
      }
      case 'cached':
        return log.body(`${indent(event.step)}CACHED${event.from === undefined ? '' : ` (${event.from})`}`);
      case 'missed':
        return log.body(`${indent(event.step)}not cached: ${event.reason}`);
      case 'output':
        return log.raw(event.chunk, `${indent(event.step)}| `);
      case 'done':
        // The step's last line may lack a newline.
        await log.endRaw(`${indent(event.step)}| `);
        return log.body(`${indent(event.step)}done in ${seconds(event.ms)}`);
      case 'failed':
        await log.endRaw(`${indent(event.step)}| `);
        return mixed.has(event.step) ? log.body(`${indent(event.step)}failed`) : undefined;
      case 'stopped':
        await log.endRaw(`${indent(event.step)}| `);
        return mixed.has(event.step) ? log.body(`${indent(event.step)}stopped`) : undefined;
      case 'note':
        return log.body(`${indent(event.step)}${event.text}`);
      case 'warning':
        return log.body(`warning: ${event.rule}: ${event.text} (line ${event.line})`);
    }
  };
}
