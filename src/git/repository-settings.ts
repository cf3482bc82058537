/**
 * How git behaves in an app's repository. What depends on the running process (the hook's path, the size limit) is given to
 * each receive-pack instead (`receiveSettings`), so that a repository stays right when the home moves or a limit changes.
 */
import type { Limits } from '../config.js';

/** The text of the repository's `config`. git-config(1) names and explains each. */
export function repositorySettings(): string {
  return `[core]
	repositoryformatversion = 0
	filemode = true
	bare = true
	# An accepted push survives a loss of power (git 2.36 and newer; older ones sync packs anyway).
	fsync = committed,reference
	logAllRefUpdates = false
	# What is larger is streamed instead of being held in memory, so that one blob cannot take all of it.
	bigFileThreshold = 64m
[transfer]
	fsckObjects = true
	hideRefs = refs/slipway
	advertiseSID = false
[receive]
	fsckObjects = true
	# Every ref goes to the hook: without it nothing can be pushed, so a repository never takes a push behind our back.
	procReceiveRefs = refs
	advertisePushOptions = true
	advertiseAtomic = true
	# Always keep the pack as it comes: two files to sync, not one for each object.
	unpackLimit = 1
	autogc = false
	# A shallow push would leave commits without parents behind, which no later check of the repository forgives.
	shallowUpdate = false
[receive "fsck"]
	# Harmless marks of old tools in the history of many public repositories.
	missingSpaceBeforeDate = ignore
	badTimezone = ignore
	zeroPaddedFilemode = ignore
[gc]
	auto = 0
[uploadpack]
	allowTipSHA1InWant = false
	allowReachableSHA1InWant = false
	allowAnySHA1InWant = false
	allowFilter = true
[pack]
	# Two threads at most: a clone is not more important than a build.
	threads = 2
	windowMemory = 256m
`;
}

/** The settings that one receive-pack is started with, as arguments of git. */
export function receiveSettings(hooksDirectory: string, limits: Pick<Limits, 'packBytes'>): string[] {
  return ['-c', `core.hooksPath=${hooksDirectory}`, '-c', `receive.maxInputSize=${limits.packBytes}`];
}

/** What comes from elsewhere is checked as what is pushed, and kept as the pack that it comes in. */
export const FETCH_SETTINGS: readonly string[] = [
  'fetch.fsckObjects=true',
  ...['missingSpaceBeforeDate', 'badTimezone', 'zeroPaddedFilemode'].map(
    (mark) => `fetch.fsck.${mark}=ignore`,
  ),
  'fetch.unpackLimit=1',
];
