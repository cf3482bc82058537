/** Reading standard input. */
import type { Input } from './usage.js';

/** All of it; from a terminal the first line. Rejects when the signal is aborted. */
export async function readInput(input: Input, signal: AbortSignal): Promise<string> {
  const stop = (): void => void input.destroy();
  signal.addEventListener('abort', stop, { once: true });
  let text = '';
  try {
    const decoder = new TextDecoder();
    for await (const part of input) {
      text += typeof part === 'string' ? part : decoder.decode(part as Uint8Array, { stream: true });
      if (input.isTTY && text.includes('\n')) break;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    signal.removeEventListener('abort', stop);
  }
  signal.throwIfAborted();
  return text;
}
