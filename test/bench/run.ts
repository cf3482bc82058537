/** `npm run bench`: Slipway beside its peers, in one run. See options.ts for what it can be asked for. */

import { BUILD_CASES } from './cases/build-case.js';
import { playBuildCase, type Stage } from './cases/play-build.js';
import { machineFacts } from './measure/machine.js';
import { HELP, isValid, readOptions } from './options.js';
import type { CaseResult, Results } from './report/results.js';
import { asText, costTable, timeTable } from './report/table.js';
import { startSetting } from './setting.js';

const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => interrupted.abort(new Error(`interrupted by ${signal}`)));

try {
  await main();
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 2;
}

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2));
  if (options.help) return console.log(HELP);
  const say = (text: string): void => console.error(text);
  await using setting = await startSetting(options, say);
  const cases: CaseResult[] = [];
  const stage: Stage = {
    directory: setting.home,
    registry: setting.registry,
    rounds: options.rounds,
    contenders: setting.contenders,
    say,
    signal: interrupted.signal,
  };
  for (const one of BUILD_CASES)
    if (options.cases.includes(one.id)) cases.push(await playBuildCase(one, stage));
  const results: Results = {
    machine: machineFacts(),
    contenders: setting.contenders.map(({ name, version }) => ({ name, version })),
    rounds: options.rounds,
    cases,
  };
  console.log(`\n${asText(timeTable(results))}\n\n${asText(costTable(results))}`);
  for (const { id, differences, notes } of cases)
    for (const line of [...differences, ...notes]) console.log(`${id}: ${line}`);
  if (!isValid(options)) console.log('\nToo few rounds for a valid result.');
}
