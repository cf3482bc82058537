/** All cases, in four groups. */
import type { Topic } from '../case.js';
import { ADD } from './add.js';
import { ARGS_ENV } from './args-env.js';
import { COPY } from './copy.js';
import { COPY_FLAGS } from './copy-flags.js';
import { ERRORS } from './errors.js';
import { HEREDOCS } from './heredocs.js';
import { IGNORE } from './ignore.js';
import { IMAGES } from './images.js';
import { LAYERS } from './layers.js';
import { LEXING } from './lexing.js';
import { METADATA } from './metadata.js';
import { MOUNTS } from './mounts.js';
import { ONBUILD } from './onbuild.js';
import { RUN } from './run.js';
import { STAGES } from './stages.js';
import { VARIABLES } from './variables.js';
import { WORKDIR_USER } from './workdir-user.js';

/** One test file for each group, so that several run at once. Their times are about the same. */
export const LANGUAGE: readonly Topic[] = [LEXING, HEREDOCS, VARIABLES, ARGS_ENV];
export const CONFIG: readonly Topic[] = [METADATA, ONBUILD, WORKDIR_USER, ERRORS, STAGES, IMAGES];
export const FILES: readonly Topic[] = [COPY, COPY_FLAGS, ADD, IGNORE];
export const STEPS: readonly Topic[] = [RUN, MOUNTS, LAYERS];

export const TOPICS: readonly Topic[] = [...LANGUAGE, ...CONFIG, ...FILES, ...STEPS];
