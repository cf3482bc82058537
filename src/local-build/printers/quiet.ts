/** No progress. */
import type { Printer } from './printer.js';

export const quietPrinter: Printer = {
  showsOutput: false,
  event: () => {},
  phase: () => () => {},
  close: () => {},
};
