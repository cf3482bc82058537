/** Cleans the store in argv[2] down to nothing, again and again, until it is killed. */
import { openBuilderStore } from '../../src/build/builder-store.js';
import { cleanStore } from '../../src/build/cache/clean-store.js';
import { DEFAULT_LIMITS } from '../../src/config.js';

const [, , directory = ''] = process.argv;
const store = await openBuilderStore(directory, DEFAULT_LIMITS);
process.stdout.write('open\n');
for (;;) await cleanStore(store, { bytes: 0, keepMs: -60_000 });
