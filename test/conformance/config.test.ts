/** A Dockerfile's cases as other builders build them: stages, bases, and what becomes of an image's config. */
import { CONFIG } from './cases/topics.js';
import { testCases } from './suite.js';

testCases(CONFIG);
