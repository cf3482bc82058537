/** What of a repository is an app's, where several apps come from one. Pure. */
import { SlipwayError } from '../errors.js';

export interface AppSource {
  /** The app whose pushes deploy this one as well. Absent: it is pushed to itself. */
  readonly repo?: string;
  /** The directory that is built, with its Dockerfile, Procfile and app.json. Absent: the root. */
  readonly path?: string;
  /** Further directories and files whose changes deploy it. */
  readonly watch: readonly string[];
}

const PATH_CHARS = 300;
const WATCHED = 50;

/** Returns a path below the root, without slashes around it; throws `bad_request`. */
export function checkSourcePath(text: string): string {
  const path = text.replace(/^(?:\.?\/)+|\/+$/g, '');
  const parts = path.split('/');
  const isPlain = parts.every((part) => part !== '' && part !== '.' && part !== '..' && part !== '.git');
  // A colon has a meaning of its own behind a commit, and so has a dash before a path.
  if (path.length <= PATH_CHARS && isPlain && !/[\p{Cc}:\\]/u.test(path) && !path.startsWith('-'))
    return path;
  throw new SlipwayError(
    'bad_request',
    `${JSON.stringify(text.slice(0, 100))} is not a path in a repository`,
    {
      hint: 'write it from the root, for example services/api',
    },
  );
}

/** Throws `bad_request`. */
export function checkSource({ repo, path, watch }: AppSource): AppSource {
  if (watch.length > WATCHED)
    throw new SlipwayError('bad_request', `at most ${WATCHED} paths can be watched`, {
      hint: 'name the directory that they are in',
    });
  return {
    ...(repo === undefined ? {} : { repo }),
    ...(path === undefined ? {} : { path: checkSourcePath(path) }),
    watch: [...new Set(watch.map(checkSourcePath))].sort(),
  };
}

/** Whose changes deploy the app; none: any. */
export function watchedPaths({ path, watch }: AppSource): readonly string[] {
  return path === undefined ? [] : [path, ...watch];
}
