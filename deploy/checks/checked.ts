/** What a check looks at: a container on its target, how it was found, and where a port of it is reached from here. */
import type { Address } from '../names.js';
import type { Container, Inspection } from '../targets/container.js';
import type { Target } from '../targets/target.js';

export interface Checked {
  readonly target: Target;
  readonly container: Container;
  readonly found: Inspection;
  /** The Host header of a request. */
  readonly host: string;
  /** For the whole, unless a check says otherwise. */
  readonly timeoutMs: number;
  /** What the app says itself passes through this. */
  readonly redact: (text: string) => string;
  readonly signal: AbortSignal;
}

/** Undefined while it has none. One on another machine is reached on its published port alone (decision 42). */
export async function addressOf(
  { target, container, found, signal }: Checked,
  port: number = found.port,
): Promise<Address | undefined> {
  if (target.publishes && port !== found.port) return undefined;
  const address = container.address ?? (await target.get(container.id, { signal })).address;
  return address === undefined || target.publishes ? address : { ...address, port };
}
