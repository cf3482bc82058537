/** A Dockerfile's cases as other builders build them: what gets from a context into an image, as whose and with which modes. */
import { FILES } from './cases/topics.js';
import { testCases } from './suite.js';

testCases(FILES);
