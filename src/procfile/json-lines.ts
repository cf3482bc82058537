/** JSON (RFC 8259) that knows in which line each value begins, for errors that a person can find. Pure. */

export interface Located {
  readonly line: number;
  readonly value: null | boolean | number | string | readonly Located[] | ReadonlyMap<string, Located>;
}

export class JsonFault extends Error {
  readonly line: number;

  constructor(line: number, message: string) {
    super(message);
    this.line = line;
  }
}

const DEPTH_LIMIT = 50;
const LITERALS: Readonly<Record<string, null | boolean>> = { true: true, false: false, null: null };
const TOKEN =
  /[\t\n\r ]*(?:([[\]{}:,])|("(?:[^"\\\n\r]|\\.)*")|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)|(true|false|null))/y;

/** Throws {@link JsonFault}. A name that an object has twice is a fault: one of the two would count for nothing. */
export function parseJsonLines(text: string): Located {
  let at = 0;
  let line = 1;
  let counted = 0;

  const lineAt = (offset: number): number => {
    for (; counted < offset; counted += 1) if (text[counted] === '\n') line += 1;
    return line;
  };
  const fault = (message: string): JsonFault => {
    const found = /[^\t\n\r ]/g;
    found.lastIndex = at;
    return new JsonFault(lineAt(found.exec(text)?.index ?? text.length), message);
  };
  const next = (): { token: string; kind: 'sign' | 'string' | 'number' | 'word'; line: number } => {
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(text);
    if (match === null)
      throw fault(/^\s*$/.test(text.slice(at)) ? 'the file ends too early' : 'this is not JSON');
    const [, sign, string, number, word] = match;
    at = TOKEN.lastIndex;
    const token = sign ?? string ?? number ?? word ?? '';
    const kind =
      sign !== undefined
        ? 'sign'
        : string !== undefined
          ? 'string'
          : number !== undefined
            ? 'number'
            : 'word';
    return { token, kind, line: lineAt(at - token.length) };
  };
  const peek = (): string => {
    TOKEN.lastIndex = at;
    return TOKEN.exec(text)?.[1] ?? '';
  };
  const expect = (sign: string): void => {
    if (peek() !== sign) throw fault(`${JSON.stringify(sign)} is missing here`);
    next();
  };
  const stringOf = (token: string): string => {
    try {
      return JSON.parse(token) as string;
    } catch {
      throw fault('a string has a character or an escape that JSON does not allow');
    }
  };

  const read = (depth: number): Located => {
    if (depth > DEPTH_LIMIT) throw fault(`it is nested deeper than ${DEPTH_LIMIT}`);
    const { token, kind, line: begins } = next();
    if (kind === 'string') return { line: begins, value: stringOf(token) };
    if (kind === 'number') return { line: begins, value: Number(token) };
    if (kind === 'word') return { line: begins, value: LITERALS[token] ?? null };
    if (token === '[') {
      const items: Located[] = [];
      while (peek() !== ']') {
        if (items.length > 0) expect(',');
        items.push(read(depth + 1));
      }
      next();
      return { line: begins, value: items };
    }
    if (token !== '{') throw fault(`a value is missing before ${JSON.stringify(token)}`);
    const members = new Map<string, Located>();
    while (peek() !== '}') {
      if (members.size > 0) expect(',');
      const name = next();
      if (name.kind !== 'string') throw new JsonFault(name.line, 'a name in double quotes is missing here');
      const key = stringOf(name.token);
      if (members.has(key)) throw new JsonFault(name.line, `${JSON.stringify(key)} occurs twice`);
      expect(':');
      members.set(key, read(depth + 1));
    }
    next();
    return { line: begins, value: members };
  };

  const whole = read(0);
  if (/\S/.test(text.slice(at))) throw fault('there is something after the end of the value');
  return whole;
}

/** The members of an object. Throws {@link JsonFault} for anything else, with what it is called in the file. */
export function objectOf({ value, line }: Located, name: string): ReadonlyMap<string, Located> {
  if (value instanceof Map) return value;
  throw new JsonFault(line, `${name} must be an object: {…}`);
}

/** Throws {@link JsonFault} when it is another kind of value. */
export function listOf({ value, line }: Located, name: string): readonly Located[] {
  if (Array.isArray(value)) return value;
  throw new JsonFault(line, `${name} must be a list: […]`);
}

/** Without the lines, as JSON.parse has it. */
export function plainOf({ value }: Located): unknown {
  if (Array.isArray(value)) return value.map(plainOf);
  if (value instanceof Map)
    return Object.fromEntries([...value].map(([name, member]) => [name, plainOf(member)]));
  return value;
}

/** Where the value at this path begins, or what is nearest to it when it is not there. */
export function lineAt(located: Located, path: readonly PropertyKey[]): number {
  const [key, ...rest] = path;
  const { value, line } = located;
  const next =
    value instanceof Map
      ? value.get(String(key))
      : Array.isArray(value) && typeof key === 'number'
        ? (value as readonly Located[])[key]
        : undefined;
  return next === undefined ? line : lineAt(next, rest);
}
