/** Asking the platform's public API, as the session's cookie allows. */

/** What the API says went wrong, or that it said nothing. */
export class Fault extends Error {
  /** 0: there was no answer. */
  readonly status: number;
  readonly hint: string | undefined;

  constructor(status: number, message: string, hint?: string) {
    super(message);
    this.status = status;
    this.hint = hint;
  }
}

export interface Ask {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly body?: unknown;
  readonly signal?: AbortSignal | undefined;
}

/** Without it the web process takes no change by cookie: src/api/session-cookie.ts. */
const PAGE_HEADER = { 'x-slipway-page': '1' };

let onSignedOut = (): void => undefined;

/** Told when the session does not count any more. */
export function whenSignedOut(tell: () => void): void {
  onSignedOut = tell;
}

/** The answer's JSON. Throws {@link Fault}. */
export async function ask<T>(path: string, options: Ask = {}): Promise<T> {
  return (await (await send(path, options)).json()) as T;
}

/** Throws {@link Fault} for every answer that is not a success. */
export async function send(path: string, { method = 'GET', body, signal }: Ask = {}): Promise<Response> {
  const headers = { ...PAGE_HEADER, ...(body === undefined ? {} : { 'content-type': 'application/json' }) };
  const answer = await fetch(path, {
    method,
    headers,
    credentials: 'same-origin',
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(signal === undefined ? {} : { signal }),
  }).catch((cause: unknown) => {
    if (signal?.aborted) throw cause;
    throw new Fault(0, 'the platform does not answer', 'see that you are online; this is tried again');
  });
  if (answer.ok) return answer;
  const fault = await faultOf(answer);
  if (fault.status === 401) onSignedOut();
  throw fault;
}

async function faultOf(answer: Response): Promise<Fault> {
  const said = (await answer.json().catch(() => undefined)) as
    | { readonly message?: unknown; readonly detail?: unknown; readonly hint?: unknown }
    | undefined;
  const text = said?.message ?? said?.detail;
  const message = typeof text === 'string' ? text : `the platform answered ${answer.status}`;
  return new Fault(answer.status, message, typeof said?.hint === 'string' ? said.hint : undefined);
}

export function toFault(thrown: unknown): Fault {
  return thrown instanceof Fault
    ? thrown
    : new Fault(0, thrown instanceof Error ? thrown.message : String(thrown));
}
