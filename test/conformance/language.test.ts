/** A Dockerfile's cases as other builders build them: what its text means and what becomes of an image's config. */
import { LANGUAGE } from './cases/topics.js';
import { testCases } from './suite.js';

testCases(LANGUAGE);
