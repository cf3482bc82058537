/** What `--output` asks for: `type=oci,dest=image.tar`, or a directory alone, as `docker buildx build` takes it. Pure. */
import { csvFields } from '../dockerfile/csv.js';
import { SlipwayError } from '../errors.js';
import { type AnnotationRule, annotationRule } from './annotations.js';
import type { LayerCompression } from './media-types.js';

/** How the image is written, where an image is written. */
export interface ImageAttributes {
  /** Full or short references, in addition to those of `--tag`. */
  readonly names: readonly string[];
  /** Of layers that this build made, or of all of them with `forceCompression`. Undefined: as they are. */
  readonly compression?: LayerCompression;
  readonly forceCompression: boolean;
  readonly ociMediaTypes: boolean;
  readonly annotations: readonly AnnotationRule[];
  /** No file of a layer that this build made is younger than SOURCE_DATE_EPOCH. */
  readonly rewriteTimestamp: boolean;
}

export type OutputSpec =
  | ({
      readonly kind: 'oci' | 'docker';
      /** `-` is stdout. */
      readonly dest: string;
      /** False: a directory. */
      readonly tar: boolean;
    } & ImageAttributes)
  | ({ readonly kind: 'registry' } & ImageAttributes)
  | { readonly kind: 'local'; readonly dest: string; readonly platformSplit?: boolean }
  | { readonly kind: 'tar'; readonly dest: string; readonly platformSplit?: boolean }
  /** Only built: the steps stay in the cache. */
  | { readonly kind: 'none' };

const IMAGE_FIELDS = [
  'name',
  'compression',
  'compression-level',
  'force-compression',
  'oci-mediatypes',
  'rewrite-timestamp',
  'annotation.KEY',
];
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  oci: ['dest', 'tar', ...IMAGE_FIELDS],
  docker: ['dest', 'tar', ...IMAGE_FIELDS],
  registry: IMAGE_FIELDS,
  image: ['push', 'store', 'unpack', ...IMAGE_FIELDS],
  local: ['dest', 'platform-split'],
  tar: ['dest', 'platform-split'],
  cacheonly: [],
};

/** Throws `bad_request`, saying which field is wrong and what may stand there. */
export function parseOutput(text: string): OutputSpec {
  if (text === '') throw invalid(text, 'it is empty');
  const fields = csvFields(text);
  if (typeof fields === 'string') throw invalid(text, fields);
  const [first = ''] = fields;
  // Without a type it is a directory, or a tar on stdout.
  if (fields.length === 1 && first === text && !first.startsWith('type='))
    return first === '-' ? { kind: 'tar', dest: '-' } : { kind: 'local', dest: first };
  return new Reader(text, fields).spec();
}

class Reader {
  readonly #text: string;
  readonly #values = new Map<string, string>();
  readonly #annotations: AnnotationRule[] = [];

  constructor(text: string, fields: readonly string[]) {
    this.#text = text;
    for (const field of fields) {
      const equals = field.indexOf('=');
      if (equals < 0) throw invalid(text, `${JSON.stringify(field)} has no value`, 'write it as key=value');
      const given = field.slice(0, equals).trim();
      const value = field.slice(equals + 1);
      const annotation = annotationRule(given, value);
      if (annotation !== undefined) this.#annotations.push(annotation);
      else if (this.#values.has(given.toLowerCase())) throw invalid(text, `"${given}" is given twice`);
      else this.#values.set(given.toLowerCase(), value);
    }
  }

  spec(): OutputSpec {
    const type = this.#values.get('type');
    this.#values.delete('type');
    const known = type === undefined ? undefined : FIELDS[type];
    if (type === undefined || known === undefined)
      throw invalid(
        this.#text,
        type === undefined ? 'the type is missing' : `there is no type "${type}"`,
        `the types are: ${Object.keys(FIELDS).join(', ')}`,
      );
    const unknown = [...this.#values.keys()].find((key) => !known.includes(key));
    if (unknown !== undefined)
      throw invalid(this.#text, `there is no "${unknown}" for type=${type}`, `it takes: ${known.join(', ')}`);
    if (this.#annotations.length > 0 && !known.includes('annotation.KEY'))
      throw invalid(this.#text, `type=${type} has no annotations`, 'use type=oci or type=registry');
    switch (type) {
      case 'oci':
      case 'docker':
        return { kind: type, dest: this.#dest(type), tar: this.#flag('tar', true), ...this.#image(type) };
      case 'registry':
        return { kind: 'registry', ...this.#image(type) };
      case 'image':
        return this.#flag('push', false) ? { kind: 'registry', ...this.#image(type) } : { kind: 'none' };
      case 'local':
      case 'tar':
        return { kind: type, dest: this.#dest(type), ...this.#split() };
      default:
        return { kind: 'none' };
    }
  }

  #dest(type: string): string {
    const dest = this.#values.get('dest') ?? '';
    if (dest === '')
      throw invalid(
        this.#text,
        'the dest is missing',
        `name it: type=${type},dest=PATH${type === 'local' ? '' : ' (- is stdout)'}`,
      );
    if (dest === '-' && (type === 'local' || !this.#flag('tar', true)))
      throw invalid(this.#text, 'a directory cannot be written to stdout', `name one: type=${type},dest=DIR`);
    return dest;
  }

  #split(): { platformSplit?: boolean } {
    return this.#values.has('platform-split') ? { platformSplit: this.#flag('platform-split', false) } : {};
  }

  #image(type: string): ImageAttributes {
    const compression = this.#compression();
    const level = this.#values.get('compression-level');
    if (level !== undefined && !/^-?\d{1,2}$/.test(level))
      throw invalid(this.#text, 'compression-level is not a number');
    return {
      names: (this.#values.get('name') ?? '')
        .split(',')
        .map((name) => name.trim())
        .filter(Boolean),
      ...(compression === undefined ? {} : { compression }),
      forceCompression: this.#flag('force-compression', false),
      ociMediaTypes: this.#flag('oci-mediatypes', type !== 'docker'),
      annotations: this.#annotations,
      rewriteTimestamp: this.#flag('rewrite-timestamp', false),
    };
  }

  #compression(): LayerCompression | undefined {
    const given = this.#values.get('compression');
    if (given === undefined || given === 'gzip' || given === 'zstd' || given === 'uncompressed') return given;
    throw invalid(
      this.#text,
      `there is no compression "${given}"`,
      'use gzip, zstd or uncompressed; estargz is not supported',
    );
  }

  #flag(name: string, otherwise: boolean): boolean {
    const value = this.#values.get(name);
    if (value === undefined) return otherwise;
    if (/^(1|t|true)$/i.test(value)) return true;
    if (/^(0|f|false)$/i.test(value)) return false;
    throw invalid(this.#text, `${name} is true or false, not "${value}"`);
  }
}

function invalid(text: string, problem: string, hint = 'for example: type=oci,dest=image.tar'): SlipwayError {
  return new SlipwayError('bad_request', `--output ${JSON.stringify(text)}: ${problem}`, { hint });
}
