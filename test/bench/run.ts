/** `npm run bench`: Slipway beside its peers, in one run. See options.ts for what it can be asked for. */
import { type BenchFile, showFloor, showGrowth, writeKnown } from './also.js';
import { machineFacts } from './measure/machine.js';
import { type BenchOptions, CASE_IDS, HELP, isValid, readOptions } from './options.js';
import { playCases } from './play.js';
import { readResults, resultsMarkdown, writeBars, writeJson, writeSection } from './report/files.js';
import { type CaseResult, merged, type Results } from './report/results.js';
import { asText, costTable, profileTable, timeTable, verdict } from './report/table.js';
import { startSetting } from './setting.js';

const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => interrupted.abort(new Error(`interrupted by ${signal}`)));

try {
  const options = readOptions(process.argv.slice(2));
  if (options.help) console.log(HELP);
  if (!options.help && options.cases.length > 0) await compare(options);
  else if (!options.help && options.json !== undefined) await showAgain(options, options.json);
  if (options.growth.length > 0 || options.floor) await lookAtOurs(options);
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 2;
}

/** Writes what is known in the other forms. */
async function showAgain(options: BenchOptions, json: string): Promise<void> {
  const { svg, markdown } = options;
  const known = await readResults<BenchFile>(json);
  if (known === undefined) return;
  await writeKnown(options, known);
  if (svg !== undefined) await writeBars(svg, known);
  if (markdown !== undefined) await writeSection(markdown, 'results', resultsMarkdown(known));
}

/** Without peers. */
async function lookAtOurs(options: BenchOptions): Promise<void> {
  await using setting = await startSetting({ ...options, peers: [] }, (text) => console.error(text));
  if (options.growth.length > 0) await showGrowth(options, setting, interrupted.signal);
  if (options.floor) await showFloor(options, setting);
}

/** Exit code 1 when a mark is missed, or the images differ. */
async function compare(options: BenchOptions): Promise<void> {
  const say = (text: string): void => console.error(text);
  await using setting = await startSetting(options, say);
  const { home: directory, registry, contenders } = setting;
  const stage = { directory, registry, rounds: options.rounds, contenders, say, signal: interrupted.signal };
  const cases: CaseResult[] = [];
  const resultsNow = (): Results => ({
    machine: machineFacts(),
    contenders: contenders.map(({ name, version }) => ({ name, version })),
    cases,
  });
  await playCases(options, setting, stage, async (result) => {
    cases.push(result);
    say(`${result.id}: ${verdict(result)}`);
    // What is found is kept, even if a later case fails.
    await writeFiles(options, resultsNow());
  });
  print(resultsNow(), options);
  process.exitCode = cases.some(({ met }) => met === false) ? 1 : 0;
}

async function writeFiles({ json, svg, markdown }: BenchOptions, now: Results): Promise<void> {
  const before = json === undefined ? undefined : await readResults<BenchFile>(json);
  const results = merged(before, now, CASE_IDS);
  if (json !== undefined) await writeJson(json, { ...before, ...results });
  if (svg !== undefined) await writeBars(svg, results);
  if (markdown !== undefined) await writeSection(markdown, 'results', resultsMarkdown(results));
}

function print(results: Results, options: BenchOptions): void {
  console.log(`\n${asText(timeTable(results))}\n\n${asText(costTable(results))}\n`);
  for (const { id, differences, notes } of results.cases)
    for (const line of [...differences, ...notes]) console.log(`${id}: ${line}`);
  const profile = profileTable(results);
  if (profile.rows.length > 0)
    console.log(`\nWhere our time goes in the cases that miss their mark:\n\n${asText(profile)}`);
  if (!isValid(options)) console.log('\nToo few rounds for a valid result.');
}
