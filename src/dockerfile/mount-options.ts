/** `--mount=type=cache,target=/x,…` → its options, each checked by itself. What they mean together is mounts.ts's. */
import { csvFields } from './csv.js';
import { invalid, quoted, suggest } from './problems.js';
import type { Mount, MountSharing } from './step.js';

export interface MountOptions {
  type: Mount['kind'];
  from?: string;
  source: string;
  target: string;
  /** Absent: what is usual for the type. */
  readOnly?: boolean;
  id: string;
  sharing?: MountSharing;
  env?: string;
  required: boolean;
  sizeBytes?: number;
  mode?: number;
  uid?: number;
  gid?: number;
  /** `cachekey=hash`. */
  inKey: boolean;
}

const TYPES: readonly Mount['kind'][] = ['bind', 'cache', 'tmpfs', 'secret', 'ssh'];
const SHARINGS: readonly MountSharing[] = ['shared', 'private', 'locked'];
const KEYS = [
  'type',
  'from',
  'source',
  'src',
  'target',
  'dst',
  'destination',
  'readonly',
  'ro',
  'readwrite',
  'rw',
  'required',
  'size',
  'id',
  'sharing',
  'mode',
  'uid',
  'gid',
  'env',
  'cachekey',
];

interface Field {
  readonly key: string;
  /** Absent when there is no equals sign. */
  readonly value?: string;
  readonly text: string;
}

/** What can be known before variables have values: the fields, and where `from` points. Throws `dockerfile_invalid`. */
export function mountFields(written: string, where: string): readonly Field[] {
  const texts = csvFields(written);
  if (typeof texts === 'string') {
    throw invalid(
      where,
      `RUN --mount=${written}: ${texts}`,
      'put a whole field with a comma in double quotes',
    );
  }
  return texts.map((text) => {
    const equals = text.indexOf('=');
    const key = (equals < 0 ? text : text.slice(0, equals)).toLowerCase();
    if (equals < 0) return { key, text };
    const value = text.slice(equals + 1);
    if (key === 'from' && /\$./s.test(value)) {
      throw invalid(
        where,
        `RUN --mount: variables are not expanded in ${quoted(text)}`,
        'define an alias stage: FROM the image with the variable AS name, then from=name',
      );
    }
    return { key, value, text };
  });
}

/** The `from` of a mount, as written; absent when it has none. */
export function mountFrom(written: string, where: string): string | undefined {
  return mountFields(written, where).findLast(({ key }) => key === 'from')?.value || undefined;
}

/** `expand` gives variables their values. Throws `dockerfile_invalid`. */
export function mountOptions(written: string, expand: (text: string) => string, where: string): MountOptions {
  const options: MountOptions = {
    type: 'bind',
    source: '',
    target: '',
    id: '',
    required: false,
    inKey: false,
  };
  for (const field of mountFields(written, where)) apply(options, field, expand, where);
  return options;
}

function apply(options: MountOptions, field: Field, expand: (text: string) => string, where: string): void {
  const { key, text } = field;
  const fail = (message: string, hint?: string): Error => invalid(where, `RUN --mount: ${message}`, hint);
  if (!KEYS.includes(key)) {
    throw fail(`unknown option ${quoted(text)}`, suggest(key, KEYS, 'options of --mount'));
  }
  const isSwitch = ['readonly', 'ro', 'readwrite', 'rw', 'required'].includes(key);
  if (field.value === undefined && !isSwitch) {
    throw fail(`the option ${quoted(text)} needs a value`, `write ${key}=VALUE`);
  }
  const value = field.value === undefined ? 'true' : key === 'from' ? field.value : expand(field.value);
  const only = (...types: Mount['kind'][]): void => {
    // As in BuildKit, the type must have been named before.
    if (!types.includes(options.type)) {
      throw fail(`a mount of type ${options.type} has no option ${key}`, `put type=${types[0]} before it`);
    }
  };
  const flag = (): boolean => {
    const parsed = parseBool(value);
    if (parsed === undefined) throw fail(`${quoted(text)} must be true or false`);
    return parsed;
  };
  const number = (base: 8 | 10): number => {
    const parsed = parseUnsigned(value, base);
    if (parsed === undefined)
      throw fail(`${quoted(text)}: that is not ${base === 8 ? 'an octal mode' : 'a number'}`);
    return parsed;
  };
  const oneOf = <T extends string>(known: readonly T[], what: string): T => {
    const found = known.find((each) => each === value.toLowerCase());
    if (found === undefined)
      throw fail(`there is no ${what} ${quoted(value)}`, suggest(value.toLowerCase(), known, `${what}s`));
    return found;
  };
  switch (key) {
    case 'type':
      options.type = oneOf(TYPES, 'type');
      return;
    case 'from':
      options.from = value;
      return;
    case 'source':
    case 'src':
      options.source = value;
      return;
    case 'target':
    case 'dst':
    case 'destination':
      options.target = value;
      return;
    case 'readonly':
    case 'ro':
      options.readOnly = flag();
      return;
    case 'readwrite':
    case 'rw':
      options.readOnly = !flag();
      return;
    case 'required':
      only('secret', 'ssh');
      options.required = flag();
      return;
    case 'size': {
      only('tmpfs');
      const size = ramInBytes(value);
      if (size === undefined)
        throw fail(`${quoted(text)}: that is not a size`, 'use 64m, 1g or a number of bytes');
      options.sizeBytes = size;
      return;
    }
    case 'id':
      options.id = value;
      return;
    case 'sharing':
      options.sharing = oneOf(SHARINGS, 'sharing');
      return;
    case 'mode':
      options.mode = number(8);
      return;
    case 'uid':
      options.uid = number(10);
      return;
    case 'gid':
      options.gid = number(10);
      return;
    case 'env':
      only('secret');
      options.env = value;
      return;
    case 'cachekey':
      only('secret');
      options.inKey = oneOf(['hash'], 'cachekey') === 'hash';
  }
}

/** Go's strconv.ParseBool. */
export function parseBool(text: string): boolean | undefined {
  if (['1', 't', 'T', 'TRUE', 'true', 'True'].includes(text)) return true;
  if (['0', 'f', 'F', 'FALSE', 'false', 'False'].includes(text)) return false;
  return undefined;
}

/** Go's ParseUint of 32 bits. */
function parseUnsigned(text: string, base: 8 | 10): number | undefined {
  if (!(base === 8 ? /^[0-7]{1,20}$/ : /^\d{1,20}$/).test(text)) return undefined;
  const value = Number.parseInt(text, base);
  return value <= 0xffff_ffff ? value : undefined;
}

/** docker/go-units' RAMInBytes: `64m`, `1.5GiB`, `100`; the units are binary. */
function ramInBytes(text: string): number | undefined {
  const match = /^(\d{1,15}(?:\.\d{1,15})?) ?([kmgtp])?i?b?$/i.exec(text);
  if (match === null) return undefined;
  const exponent = match[2] === undefined ? 0 : 'kmgtp'.indexOf(match[2].toLowerCase()) + 1;
  const bytes = Math.trunc(Number(match[1]) * 1024 ** exponent);
  return bytes <= Number.MAX_SAFE_INTEGER ? bytes : undefined;
}
