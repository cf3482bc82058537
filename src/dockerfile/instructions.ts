/** One RawInstruction → one typed, valid Instruction. What Docker knows and Slipway does not yet is marked, not dropped. */
import { parseCopy } from './copy-instruction.js';
import { Flags } from './flags.js';
import { parseHealthcheck } from './healthcheck.js';
import { mountFields } from './mount-options.js';
import { invalid, nearest, quoted, suggest } from './problems.js';
import type {
  CommandLine,
  EscapeCharacter,
  FromInstruction,
  Instruction,
  KeyValue,
  NetworkMode,
  RawInstruction,
  RunInstruction,
  SecurityMode,
  Unsupported,
} from './syntax.js';
import { splitWords, trim } from './text.js';
import { jsonStrings, quotedWords } from './words.js';

const KEYWORDS = [
  'ADD',
  'ARG',
  'CMD',
  'COPY',
  'ENTRYPOINT',
  'ENV',
  'EXPOSE',
  'FROM',
  'HEALTHCHECK',
  'LABEL',
  'MAINTAINER',
  'ONBUILD',
  'RUN',
  'SHELL',
  'STOPSIGNAL',
  'USER',
  'VOLUME',
  'WORKDIR',
] as const;
type Keyword = (typeof KEYWORDS)[number];

/** A command may be the empty line of a shell, as in Docker; COPY and ADD tell themselves what they lack. */
const MAY_BE_BARE: readonly Keyword[] = ['ADD', 'COPY', 'CMD', 'ENTRYPOINT', 'RUN'];

export interface InstructionContext {
  readonly escape: EscapeCharacter;
  /** `Dockerfile:7`. */
  readonly where: string;
}

/** Throws `dockerfile_invalid`. */
export function parseInstruction(raw: RawInstruction, context: InstructionContext): Instruction {
  const { where } = context;
  const keyword = KEYWORDS.find((each) => each === raw.keyword);
  if (keyword === undefined) {
    const near = nearest(raw.keyword, KEYWORDS);
    throw invalid(
      where,
      `unknown instruction ${quoted(raw.keyword)}`,
      near === undefined
        ? 'a line that continues the one before needs a \\ at the end of that one'
        : `did you mean ${near}?`,
    );
  }
  if (raw.rest === '' && !MAY_BE_BARE.includes(keyword)) {
    throw invalid(where, `${keyword} needs an argument`, EXAMPLES[keyword]);
  }
  return parsers[keyword](raw, context);
}

const EXAMPLES: Readonly<Record<Keyword, string>> = {
  ADD: 'ADD SOURCE... DESTINATION',
  ARG: 'ARG NAME or ARG NAME=default',
  CMD: 'CMD ["program", "argument"], or CMD [] for none',
  COPY: 'COPY SOURCE... DESTINATION',
  ENTRYPOINT: 'ENTRYPOINT ["program", "argument"], or ENTRYPOINT [] for none',
  ENV: 'ENV NAME=value',
  EXPOSE: 'EXPOSE 8080',
  FROM: 'FROM image:tag AS name',
  HEALTHCHECK: 'HEALTHCHECK CMD curl -f http://localhost/ or HEALTHCHECK NONE',
  LABEL: 'LABEL name=value',
  MAINTAINER: 'LABEL org.opencontainers.image.authors="you@example.com"',
  ONBUILD: 'ONBUILD RUN command',
  RUN: 'RUN command',
  SHELL: 'SHELL ["/bin/bash", "-c"]',
  STOPSIGNAL: 'STOPSIGNAL SIGTERM',
  USER: 'USER name or USER 1000:1000',
  VOLUME: 'VOLUME /data',
  WORKDIR: 'WORKDIR /app',
};

const parsers: Readonly<Record<Keyword, (raw: RawInstruction, context: InstructionContext) => Instruction>> =
  {
    ADD: (raw, context) => parseCopy(raw, 'ADD', context.where),
    COPY: (raw, context) => parseCopy(raw, 'COPY', context.where),
    FROM: parseFrom,
    RUN: parseRun,
    HEALTHCHECK: (raw, { where }) => ({
      ...located(raw),
      kind: 'HEALTHCHECK',
      healthcheck: parseHealthcheck(raw, where),
    }),
    CMD: (raw, { where }) => {
      noFlags(raw, where);
      return { ...located(raw), kind: 'CMD', command: commandLine(raw, where) };
    },
    ENTRYPOINT: (raw, { where }) => {
      noFlags(raw, where);
      return { ...located(raw), kind: 'ENTRYPOINT', command: commandLine(raw, where) };
    },
    ENV: (raw, context) => ({ ...located(raw), kind: 'ENV', pairs: keyValues(raw, context) }),
    LABEL: (raw, context) => ({ ...located(raw), kind: 'LABEL', pairs: keyValues(raw, context) }),
    ARG: (raw, context) => {
      const { where } = context;
      noFlags(raw, where);
      const args = quotedWords(raw.rest, context.escape).map((word) => {
        const equals = word.indexOf('=');
        if (equals === 0) throw invalid(where, 'ARG: a name is missing before =', EXAMPLES.ARG);
        return equals < 0 ? { key: word } : { key: word.slice(0, equals), value: word.slice(equals + 1) };
      });
      return { ...located(raw), kind: 'ARG', args };
    },
    WORKDIR: (raw, { where }) => {
      noFlags(raw, where);
      return { ...located(raw), kind: 'WORKDIR', path: raw.rest };
    },
    USER: (raw, { where }) => {
      noFlags(raw, where);
      return { ...located(raw), kind: 'USER', user: raw.rest };
    },
    STOPSIGNAL: (raw, { where }) => {
      noFlags(raw, where);
      return { ...located(raw), kind: 'STOPSIGNAL', signal: raw.rest };
    },
    MAINTAINER: (raw, { where }) => {
      noFlags(raw, where);
      return { ...located(raw), kind: 'MAINTAINER', author: raw.rest };
    },
    EXPOSE: (raw, { where }) => {
      noFlags(raw, where);
      return { ...located(raw), kind: 'EXPOSE', ports: splitWords(raw.rest).sort() };
    },
    VOLUME: (raw, { where }) => {
      noFlags(raw, where);
      const paths = (strings(raw, where) ?? splitWords(raw.rest)).map(trim);
      if (paths.length === 0 || paths.includes(''))
        throw invalid(where, 'VOLUME: a path is empty', EXAMPLES.VOLUME);
      return { ...located(raw), kind: 'VOLUME', paths };
    },
    SHELL: (raw, { where }) => {
      noFlags(raw, where);
      const argv = strings(raw, where);
      if (argv === undefined || argv.length === 0) {
        throw invalid(where, 'SHELL needs a JSON array', `${EXAMPLES.SHELL}, in double quotes`);
      }
      return { ...located(raw), kind: 'SHELL', argv };
    },
    ONBUILD: (raw, { where }) => {
      noFlags(raw, where);
      const [trigger = ''] = splitWords(raw.rest.toUpperCase());
      if (['ONBUILD', 'FROM', 'MAINTAINER'].includes(trigger)) {
        throw invalid(where, `${trigger} is not allowed in ONBUILD`, 'use another instruction');
      }
      if (!KEYWORDS.some((keyword) => keyword === trigger)) {
        throw invalid(
          where,
          `unknown instruction ${quoted(trigger)} in ONBUILD`,
          suggest(trigger, KEYWORDS, 'instructions'),
        );
      }
      return {
        ...located(raw),
        kind: 'ONBUILD',
        // Heredocs come back when a child parses the text.
        expression: raw.heredocs.reduce(
          (text, { content, name }) => `${text}\n${content}${name}`,
          raw.text.replace(/^ONBUILD\s*/i, ''),
        ),
      };
    },
  };

const STAGE_NAME = /^[a-z][a-z0-9-_.]*$/;

function parseFrom(raw: RawInstruction, { where }: InstructionContext): FromInstruction {
  const flags = new Flags(raw.flags, { platform: 'string' }, 'FROM', where);
  const [image = '', as, name, ...more] = splitWords(raw.rest);
  if (more.length > 0 || (as === undefined) !== (name === undefined) || (as ?? 'as').toLowerCase() !== 'as') {
    throw invalid(where, 'FROM takes an image, or an image, AS and a name', EXAMPLES.FROM);
  }
  const stageName = name?.toLowerCase();
  if (stageName !== undefined && !STAGE_NAME.test(stageName)) {
    throw invalid(
      where,
      `${quoted(name ?? '')} cannot name a stage`,
      'start with a letter; use letters, digits, and . _ -',
    );
  }
  const platform = flags.text('platform');
  return {
    ...located(raw),
    kind: 'FROM',
    image,
    ...(stageName === undefined ? {} : { stageName }),
    ...(platform === undefined ? {} : { platform }),
  };
}

function parseRun(raw: RawInstruction, { where }: InstructionContext): RunInstruction {
  const flags = new Flags(
    raw.flags,
    { mount: 'list', network: 'string', security: 'string', device: 'list' },
    'RUN',
    where,
  );
  const network = known(flags, 'network', NETWORKS, where);
  const security = known(flags, 'security', SECURITIES, where) ?? 'sandbox';
  const mounts = flags.list('mount');
  for (const mount of mounts) mountFields(mount, where);
  const command = commandLine(raw, where);
  if (command.form === 'exec' && command.argv.length === 0)
    throw invalid(where, 'RUN needs a command', EXAMPLES.RUN);
  const device = flags.isSet('device')
    ? { message: 'RUN --device is not supported', hint: 'a build reaches no devices; remove the flag' }
    : undefined;
  return {
    ...located(raw, device),
    kind: 'RUN',
    command,
    heredocs: raw.heredocs,
    mounts,
    ...(network === undefined ? {} : { network }),
    security,
  };
}

const NETWORKS: readonly NetworkMode[] = ['default', 'none', 'host'];
const SECURITIES: readonly SecurityMode[] = ['sandbox', 'insecure'];

function known<T extends string>(
  flags: Flags,
  name: string,
  values: readonly T[],
  where: string,
): T | undefined {
  const given = flags.text(name);
  const value = values.find((each) => each === given);
  if (given === undefined || value !== undefined) return value;
  throw invalid(where, `RUN --${name}=${given}: there is no such mode`, suggest(given, values, 'modes'));
}

function located(
  raw: RawInstruction,
  problem?: Unsupported,
): Pick<Instruction, 'lines' | 'text' | 'unsupported'> {
  return { lines: raw.lines, text: raw.text, ...(problem === undefined ? {} : { unsupported: problem }) };
}

function noFlags(raw: RawInstruction, where: string): void {
  new Flags(raw.flags, {}, raw.keyword, where);
}

/** A JSON array's strings; undefined when it is none. */
function strings(raw: RawInstruction, where: string): readonly string[] | undefined {
  const parsed = jsonStrings(raw.rest);
  if (parsed === 'not-strings') {
    throw invalid(
      where,
      `${raw.keyword}: the JSON array may hold only strings`,
      'put every element in double quotes',
    );
  }
  if (parsed?.some((each) => each.includes('\0')))
    throw invalid(where, `${raw.keyword}: an argument holds a NUL byte`);
  return parsed;
}

function commandLine(raw: RawInstruction, where: string): CommandLine {
  const argv = strings(raw, where);
  return argv === undefined ? { form: 'shell', line: raw.rest } : { form: 'exec', argv };
}

/** `K=V K="V w"`, or the old `K rest of the line`, which one the first word decides. */
function keyValues(raw: RawInstruction, context: InstructionContext): readonly KeyValue[] {
  const { where } = context;
  noFlags(raw, where);
  const words = quotedWords(raw.rest, context.escape);
  if (words[0]?.includes('=') !== true) {
    const [, key = '', value] = /^([^\t\v\f\r ]+)[\t\v\f\r ]+(.*)$/s.exec(raw.rest) ?? [];
    if (value === undefined)
      throw invalid(where, `${raw.keyword} needs a name and a value`, `${raw.keyword} NAME=value`);
    return [{ key, value }];
  }
  return words.map((word) => {
    const equals = word.indexOf('=');
    if (equals < 0)
      throw invalid(
        where,
        `${raw.keyword}: there is no = in ${quoted(word)}`,
        'put a value with blanks in quotes',
      );
    if (equals === 0)
      throw invalid(where, `${raw.keyword}: a name is missing before =`, `${raw.keyword} NAME=value`);
    return { key: word.slice(0, equals), value: word.slice(equals + 1) };
  });
}
