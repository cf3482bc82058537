/** A Dockerfile's cases as other builders build them: commands, mounts, and the layers of them. */
import { STEPS } from './cases/topics.js';
import { testCases } from './suite.js';

testCases(STEPS);
