/** A Dockerfile's cases as other builders build them: what its text means. */
import { LANGUAGE } from './cases/topics.js';
import { testCases } from './suite.js';

testCases(LANGUAGE);
