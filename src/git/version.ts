/** The oldest git that Slipway works with, checked once at start. */
import { simpleGit } from 'simple-git';
import { SlipwayError } from '../errors.js';

/** 2.29 has proc-receive, 2.31 settings from GIT_CONFIG_COUNT. */
const OLDEST = { major: 2, minor: 31 };

/** Returns git's version, for example `2.39.5`. Throws `unavailable` when git is missing or too old. */
export async function checkGitVersion(executable = 'git'): Promise<string> {
  const version = await simpleGit({ binary: executable }).version();
  const hint = `install git ${OLDEST.major}.${OLDEST.minor} or newer`;
  if (!version.installed) throw new SlipwayError('unavailable', 'git is not installed', { hint });
  const text = `${version.major}.${version.minor}.${version.patch}`;
  const isOld =
    version.major < OLDEST.major || (version.major === OLDEST.major && version.minor < OLDEST.minor);
  if (isOld) throw new SlipwayError('unavailable', `git ${text} is too old`, { hint });
  return text;
}
