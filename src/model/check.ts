/**
 * What an app says of when a container of it is healthy: the fields of `healthchecks` in app.json by their names there, so that what is
 * shown can be written down again; times are in seconds. How each is carried out is deploy/checks.ts. Pure.
 */

/** How often a look is taken, and how many of them must say the same. */
export interface Tries {
  /** So many looks may fail; absent: as many as the platform's time allows. */
  readonly attempts?: number;
  /** So many in a row must pass. */
  readonly successes?: number;
  /** For one look. */
  readonly timeout?: number;
  /** Between two looks; absent: short, and longer from failure to failure. */
  readonly wait?: number;
  /** Before the first look. */
  readonly initialDelay?: number;
}

export interface HeaderField {
  readonly name: string;
  readonly value: string;
}

export interface ExpectedHeader {
  readonly name: string;
  /** Absent: any. */
  readonly value?: string;
}

/** A GET. */
export interface HttpCheck extends Tries {
  readonly path: string;
  readonly port?: number;
  /** `204`, `"200-299"`; one of them must fit. */
  readonly status?: readonly (number | string)[];
  /** The body holds it. */
  readonly content?: string;
  readonly httpHeaders?: readonly HeaderField[];
  readonly expectedHeaders?: readonly ExpectedHeader[];
}

/** A port that takes connections. */
export interface ListeningCheck extends Tries {
  readonly listening: true;
  readonly port?: number;
}

/** It runs in the container and must exit with 0. */
export interface CommandCheck extends Tries {
  readonly command: readonly string[];
}

/** The container has written it. */
export interface LogCheck {
  readonly log: string;
  /** For all of the check. */
  readonly timeout?: number;
}

/** The container lives so long. */
export interface UptimeCheck {
  readonly uptime: number;
}

export type Check = { readonly name?: string } & (
  | HttpCheck
  | ListeningCheck
  | CommandCheck
  | LogCheck
  | UptimeCheck
);

export const DEFAULT_STATUS: readonly (number | string)[] = ['200-399'];
/** An app that answers now and then is not healthy. */
export const DEFAULT_SUCCESSES = 3;
export const DEFAULT_TIMEOUT = 5;
/** Where a number of attempts says how long an app may take to start, they must not be over in a moment. */
const WAIT_BETWEEN_ATTEMPTS = 5;
const STATUS = /^([1-5]\d\d)(?:-([1-5]\d\d))?$/;

/** Undefined when it is no status and no range of them. */
export function statusRange(status: number | string): readonly [number, number] | undefined {
  const [, from, to = from] = STATUS.exec(String(status)) ?? [];
  if (from === undefined || Number(from) > Number(to)) return undefined;
  return [Number(from), Number(to)];
}

export function fitsStatus(status: number, wanted: readonly (number | string)[] = DEFAULT_STATUS): boolean {
  return wanted.some((one) => {
    const [from, to] = statusRange(one) ?? [0, 0];
    return status >= from && status <= to;
  });
}

export function waitOf({ attempts, wait }: Tries): number | undefined {
  return wait ?? (attempts === undefined ? undefined : WAIT_BETWEEN_ATTEMPTS);
}

/** How long it may take until a check has passed; `usual` is what an app has without saying anything. */
export function allowedSeconds(check: Tries, usual: number): number {
  const { attempts, successes = DEFAULT_SUCCESSES, timeout = DEFAULT_TIMEOUT, initialDelay = 0 } = check;
  const wait = waitOf(check) ?? 0;
  const looks =
    attempts === undefined ? usual + (successes - 1) * wait : (attempts + successes) * (timeout + wait);
  return initialDelay + looks;
}

/** `GET /health on port 8081`, `connection to port 5432`, `bin/ready --quick`, `log line "Listening"`, `lives 30 s`. */
export function nameCheck(check: Check): string {
  const port = 'port' in check && check.port !== undefined ? ` on port ${check.port}` : '';
  if ('path' in check) return `GET ${check.path}${port}`;
  if ('listening' in check)
    return `connection to ${check.port === undefined ? 'the port' : `port ${check.port}`}`;
  if ('command' in check) return `command ${check.command.join(' ')}`;
  if ('log' in check) return `log line ${JSON.stringify(check.log)}`;
  return `lives ${check.uptime} s`;
}

/** All of it in one line: `ready: GET /health, status 200, 5 in a row`. */
export function describeCheck(check: Check): string {
  const parts = [check.name === undefined ? nameCheck(check) : `${check.name}: ${nameCheck(check)}`];
  if ('path' in check) {
    const { status, content, httpHeaders = [], expectedHeaders = [] } = check;
    if (httpHeaders.length > 0) parts.push(`sends ${httpHeaders.map(({ name }) => name).join(', ')}`);
    if (status !== undefined) parts.push(`status ${status.join(' or ')}`);
    if (content !== undefined) parts.push(`body with ${JSON.stringify(content)}`);
    for (const { name, value } of expectedHeaders)
      parts.push(value === undefined ? `header ${name}` : `header ${name}: ${value}`);
  }
  if (!('uptime' in check)) {
    const { attempts, successes, timeout, wait, initialDelay }: Tries = check;
    if (successes !== undefined) parts.push(`${successes} in a row`);
    if (attempts !== undefined) parts.push(`${attempts} attempts`);
    if (timeout !== undefined) parts.push(`within ${timeout} s`);
    if (wait !== undefined) parts.push(`every ${wait} s`);
    if (initialDelay !== undefined) parts.push(`after ${initialDelay} s`);
  }
  return parts.join(', ');
}
