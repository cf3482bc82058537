/** The oldest git that Slipway works with, checked once at start. */
import { SlipwayError } from '../errors.js';
import { Git } from './git.js';

/** 2.29 has proc-receive, 2.31 settings from GIT_CONFIG_COUNT. */
const OLDEST = { major: 2, minor: 31 };

/** Returns git's version, for example `2.39.5`. Throws `unavailable` when git is missing or too old. */
export async function checkGitVersion(executable = 'git'): Promise<string> {
  const hint = `install git ${OLDEST.major}.${OLDEST.minor} or newer`;
  const said = await new Git(executable).text(['version']).catch((cause: unknown) => {
    throw new SlipwayError('unavailable', 'git is not installed', { hint, cause });
  });
  const [, version = said, major, minor] = /^git version ((\d+)\.(\d+)(?:\.\d+)?)/.exec(said) ?? [];
  const isOld =
    Number(major) < OLDEST.major || (Number(major) === OLDEST.major && Number(minor) < OLDEST.minor);
  if (major === undefined || isOld)
    throw new SlipwayError('unavailable', `git ${version.slice(0, 60)} is too old`, { hint });
  return version;
}
