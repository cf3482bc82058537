/** A look by a command in the container: exit code 0 passes. Nothing of it has to be in the image but the command itself. */
import type { Checked } from './checked.js';
import { excerpt } from './failures.js';
import type { Seen } from './in-a-row.js';

/** The engine's own answers around the command. */
const MARGIN_MS = 5000;

export async function lookByCommand(
  { target, container, redact, signal }: Checked,
  argv: readonly string[],
  timeoutMs: number,
): Promise<Seen> {
  const late = AbortSignal.timeout(timeoutMs);
  const options = { signal: AbortSignal.any([signal, late]), timeoutMs: timeoutMs + MARGIN_MS };
  try {
    const { exitCode, output } = await target.execute(container.id, argv, options);
    const said = excerpt(output, redact);
    return { isGood: exitCode === 0, what: `exit code ${exitCode}${said === '' ? '' : `: ${said}`}` };
  } catch (error) {
    if (!late.aborted || signal.aborted) throw error;
    return { isGood: false, what: `it took longer than ${timeoutMs / 1000} s`, isLate: true };
  }
}
