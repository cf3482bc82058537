/** How a build is shown while it runs. Progress goes to stderr: stdout is the results'. */
import { type BuildEvent, stageTitle } from '../../build/progress.js';
import { oneLine } from '../../one-line.js';

export interface Printer {
  /** `platform` is there when several are built, one after the other; step numbers begin anew with each. */
  event(event: BuildEvent, platform?: string): void;
  /** A phase outside of the stages: exporting, pushing. */
  phase(text: string): PhaseEnd;
  /** Ends the display: nothing moves any more, and the terminal is as it was. May be called again. */
  close(): void;
  /** Whether a failed step's output can still be read above. */
  readonly showsOutput: boolean;
}

export type PhaseEnd = (error?: unknown) => void;

export type Terminal = NodeJS.WritableStream & {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
};

type StepEvent = Extract<BuildEvent, { type: 'step' }>;

/** The title of a step's line: `[build 2/6] RUN make`. */
export function stepTitle(event: StepEvent, platform: string | undefined): string {
  return `${stepPlace(event, platform)} ${oneLine(event.text)}`;
}

/** `[build 2/6]` */
export function stepPlace({ stage, step, total }: StepEvent, platform: string | undefined): string {
  const place = [platform, stageTitle(stage), `${step}/${total}`].filter((each) => each !== undefined);
  return `[${place.join(' ')}]`;
}

/** The action, shown as a phase. */
export async function inPhase<T>(printer: Printer, text: string, action: () => Promise<T>): Promise<T> {
  const end = printer.phase(text);
  try {
    const result = await action();
    end();
    return result;
  } catch (error) {
    end(error);
    throw error;
  }
}
