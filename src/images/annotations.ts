/**
 * Annotations as `--annotation` and the outputs write them: `manifest:key=value`, `annotation-index.key`, each with the
 * platforms they are for in brackets (docs.docker.com, "Annotations"). Pure.
 */
import { SlipwayError } from '../errors.js';

const ANNOTATION_LEVELS = ['manifest', 'index', 'manifest-descriptor', 'index-descriptor'] as const;
/** The document that carries it: an image's manifest, the index, or the entry that names one of them. */
export type AnnotationLevel = (typeof ANNOTATION_LEVELS)[number];

export interface AnnotationRule {
  readonly level: AnnotationLevel;
  /** `linux/amd64`; undefined: all of them. */
  readonly platform?: string;
  readonly key: string;
  readonly value: string;
}

/** Of an output's field `annotation[-LEVEL][[PLATFORM]].KEY`. Undefined when the field is not one. */
export function annotationRule(field: string, value: string): AnnotationRule | undefined {
  const match = /^annotation(?:-([a-z-]+?))?(?:\[([^\]]*)\])?\.(.+)$/.exec(field);
  if (match === null) return undefined;
  const [, level = 'manifest', platform, key = ''] = match;
  return rule(field, level, platform, key, value);
}

/** Of `--annotation [LEVEL[,LEVEL][[PLATFORM]]:]KEY=VALUE`. Throws `bad_request`. */
export function parseAnnotation(text: string): readonly AnnotationRule[] {
  const equals = text.indexOf('=');
  if (equals < 1)
    throw new SlipwayError('bad_request', `--annotation ${JSON.stringify(text)} is not KEY=VALUE`, {
      hint: 'for example: --annotation org.opencontainers.image.title=shop',
    });
  const value = text.slice(equals + 1);
  const named = /^((?:(?:manifest|index)(?:-descriptor)?(?:\[[^\]]*\])?,?)+):(.+)$/.exec(
    text.slice(0, equals),
  );
  if (named === null) return [rule(text, 'manifest', undefined, text.slice(0, equals), value)];
  const [, levels = '', key = ''] = named;
  return levels.split(',').map((each) => {
    const [, level = '', platform] = /^([a-z-]+)(?:\[([^\]]*)\])?$/.exec(each) ?? [];
    return rule(text, level, platform, key, value);
  });
}

/** The annotations of one document; undefined when it has none. */
export function annotationsOf(
  rules: readonly AnnotationRule[],
  level: AnnotationLevel,
  platform?: string,
): Readonly<Record<string, string>> | undefined {
  const chosen = rules.filter(
    (each) => each.level === level && (each.platform === undefined || each.platform === platform),
  );
  if (chosen.length === 0) return undefined;
  return Object.fromEntries(
    chosen.map(({ key, value }) => [key, value] as const).sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

function rule(
  where: string,
  level: string,
  platform: string | undefined,
  key: string,
  value: string,
): AnnotationRule {
  const known = ANNOTATION_LEVELS.find((each) => each === level);
  if (known === undefined)
    throw new SlipwayError(
      'bad_request',
      `${JSON.stringify(where)}: there is no annotation level "${level}"`,
      {
        hint: `the levels are: ${ANNOTATION_LEVELS.join(', ')}`,
      },
    );
  return { level: known, ...(platform === undefined || platform === '' ? {} : { platform }), key, value };
}
