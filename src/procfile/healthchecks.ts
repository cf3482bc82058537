/**
 * `healthchecks` of app.json, as Dokku has them: by process type a list of checks, each of one kind, which the one of `path`, `listening`,
 * `command`, `log` and `uptime` says that it has. A field that would mean nothing is refused, where Dokku passes it over: a check that is
 * misspelt would pass. Pure.
 */
import { z } from 'zod';
import { allowedSeconds, type Check, statusRange } from '../model/check.js';
import { typeFault } from '../model/process.js';
import { JsonFault, type Located, lineAt, listOf, objectOf, plainOf } from './json-lines.js';

export interface DeclaredChecks {
  readonly line: number;
  readonly checks: readonly Check[];
}

const CHECKS_LIMIT = 20;
const TEXT_CHARS = 1000;
/** A rollout that waits for longer is taken for stuck. */
const LONGEST_SECONDS = 30 * 60;
const SECONDS_LIMIT = 600;

const seconds = (least: number, most = SECONDS_LIMIT): z.ZodNumber => {
  const rule = `must be a number of seconds from ${least} to ${most}`;
  return z.number(rule).min(least, rule).max(most, rule);
};
const count = (most: number): z.ZodInt => {
  const rule = `must be a whole number from 1 to ${most}`;
  return z.int(rule).min(1, rule).max(most, rule);
};
/** One line that a person can read, and a header can hold. */
const text = (rule = `must be a line of 1 to ${TEXT_CHARS} characters`): z.ZodString =>
  z
    .string(rule)
    .min(1, rule)
    .max(TEXT_CHARS, rule)
    .regex(/^\P{Cc}*$/u, rule);
const list = <T extends z.ZodType>(of: T, what: string): z.ZodArray<T> => {
  const rule = `must be a list of 1 to ${CHECKS_LIMIT} ${what}`;
  return z.array(of, rule).min(1, rule).max(CHECKS_LIMIT, rule);
};
const object = <T extends z.ZodRawShape>(shape: T): z.ZodObject<T, z.core.$strict> =>
  z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? `has no field ${JSON.stringify(String(issue.keys[0]).slice(0, 40))}; there are ${Object.keys(shape).join(', ')}`
        : 'must be an object: {…}',
  });

/** RFC 9110, 5.6.2. */
const headerName = text().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, 'must be the name of a header');
const headerValue = text('must be a header value: 1 to 1000 printable ASCII characters').regex(
  /^[\x20-\x7e]*$/,
  'must be a header value: 1 to 1000 printable ASCII characters',
);
/** These say how the request itself is sent, which is not the app's to choose. */
const sentName = headerName.refine(
  (name) => !/^(connection|content-length|expect|te|trailer|transfer-encoding|upgrade)$/i.test(name),
  'cannot be sent: it is about the connection itself',
);
const status = z
  .union([z.number(), z.string()], 'must be a status such as 200 or "200-299"')
  .refine((one) => statusRange(one) !== undefined, 'must be a status such as 200 or "200-299"');

/** What each check may have. Those that Dokku has and we do not are named, since without them a check would mean something else. */
const common = {
  type: z
    .enum(['startup', 'readiness', 'liveness'], 'must be "startup", "readiness" or "liveness"')
    .optional(),
  name: text().exactOptional(),
  description: z.string('must be a text').optional(),
  warn: z.literal(false, 'is not supported: a check that fails ends the rollout').optional(),
  onFailure: z.null('is not supported: the log and the deployment say what failed').optional(),
};
const tries = {
  attempts: count(100).exactOptional(),
  successes: count(100).exactOptional(),
  timeout: seconds(0.1).exactOptional(),
  wait: seconds(0).exactOptional(),
  initialDelay: seconds(0).exactOptional(),
};
const port = count(65_535).exactOptional();
const path = 'must be a path such as "/health", percent-encoded, of at most 1000 characters';
const KINDS = {
  path: object({
    ...common,
    path: text(path).regex(/^\/[\x21\x22\x24-\x7e]*$/, path),
    scheme: z.literal('http', 'must be "http": containers are asked as the edge asks them').optional(),
    port,
    status: z
      .union([status.transform((one) => [one]), list(status, 'statuses')], {
        error: 'must be a status such as 200 or "200-299", or a list of them',
      })
      .exactOptional(),
    content: text().exactOptional(),
    httpHeaders: list(object({ name: sentName, value: headerValue }), 'headers').exactOptional(),
    expectedHeaders: list(
      object({ name: headerName, value: headerValue.exactOptional() }),
      'headers',
    ).exactOptional(),
    ...tries,
  }),
  listening: object({
    ...common,
    listening: z.literal(true, 'must be true'),
    port,
    ...tries,
  }),
  command: object({
    ...common,
    command: z
      .array(
        z.string('must be a text').max(8192, 'is longer than 8192 characters'),
        'must be a list of words: ["bin/ready", "--quick"]',
      )
      .min(1, 'must be a list of words: ["bin/ready", "--quick"]')
      .max(100, 'has more than 100 words'),
    ...tries,
  }),
  log: object({ ...common, log: text(), timeout: seconds(0.1, LONGEST_SECONDS).exactOptional() }),
  uptime: object({ ...common, uptime: seconds(1) }),
} as const;
type Kind = keyof typeof KINDS;
const KIND_NAMES = Object.keys(KINDS) as Kind[];

/** By process type. Throws {@link JsonFault} that names the field by its path in the document. */
export function parseHealthchecks(declared: Located): ReadonlyMap<string, DeclaredChecks> {
  const all = new Map<string, DeclaredChecks>();
  for (const [type, entry] of objectOf(declared, 'healthchecks')) {
    const fault = typeFault(type);
    if (fault !== undefined) throw new JsonFault(entry.line, `healthchecks: ${fault}`);
    const name = `healthchecks.${type}`;
    const entries = listOf(entry, name);
    if (entries.length > CHECKS_LIMIT)
      throw new JsonFault(entry.line, `${name} has more than ${CHECKS_LIMIT} checks`);
    const checks = entries.flatMap((one, index) => checkOf(one, `${name}[${index}]`) ?? []);
    all.set(type, { line: entry.line, checks });
  }
  return all;
}

/** Undefined for one that is not for the start. */
function checkOf(entry: Located, name: string): Check | undefined {
  const fields = objectOf(entry, name);
  const kinds = KIND_NAMES.filter((kind) => fields.has(kind) && fields.get(kind)?.value !== false);
  const [kind, other] = kinds;
  const one = `one of ${KIND_NAMES.join(', ')}`;
  if (kind === undefined) throw new JsonFault(entry.line, `${name} must have ${one}`);
  if (other !== undefined)
    throw new JsonFault(entry.line, `${name} has both ${kind} and ${other}; a check has ${one}`);
  const plain = plainOf(entry) as Record<string, unknown>;
  if (plain.listening === false) delete plain.listening;
  const parsed = KINDS[kind].safeParse(plain);
  if (!parsed.success) {
    const [{ path = [], message = 'is not valid' } = {}] = parsed.error.issues;
    throw new JsonFault(lineAt(entry, path), `${nameOf(name, path)} ${message}`);
  }
  const { type, description: _description, warn: _warn, onFailure: _onFailure, ...rest } = parsed.data;
  if (type === 'liveness' || type === 'readiness') return undefined;
  const { scheme: _scheme, ...check } = { scheme: undefined, ...rest };
  if (!('log' in check) && !('uptime' in check) && allowedSeconds(check, 0) > LONGEST_SECONDS)
    throw new JsonFault(
      entry.line,
      `${name} may take ${Math.ceil(allowedSeconds(check, 0) / 60)} minutes with its attempts, timeout and wait; the most is ${LONGEST_SECONDS / 60}`,
    );
  return check;
}

/** `healthchecks.web[0].httpHeaders[1].name` */
function nameOf(name: string, path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (whole, key) => (typeof key === 'number' ? `${whole}[${key}]` : `${whole}.${String(key)}`),
    name,
  );
}
