/** What the rules look at. */
import type { Dockerfile } from '../syntax.js';
import type { SourceLines } from './source-lines.js';

export interface LintedFile {
  readonly dockerfile: Dockerfile;
  readonly lines: SourceLines;
  /** Whether the ignore file excludes a path of the context; CopyIgnoredFile is not checked without it. */
  readonly isIgnored?: (path: string) => boolean;
  /** Names in the ENV of the image that the stage with this index starts from; UndefinedVar is not checked without them. */
  readonly baseVariables?: (stage: number) => Iterable<string> | undefined;
}
