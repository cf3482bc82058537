/** Case m: the builder's peak memory, of cases that ran anyway. */
import { type CaseResult, judged, OURS, sideOf } from '../report/results.js';

/** Where it is measured. */
export const MEMORY_CASES: readonly string[] = ['b2', 'e'];
const MARK_BYTES = 300_000_000;

/** Undefined when one of them has not run. */
export function memoryCase(cases: readonly CaseResult[]): CaseResult | undefined {
  const samples = MEMORY_CASES.map(
    (id) => cases.find((one) => one.id === id)?.sides.find(({ name }) => name === OURS)?.samples,
  );
  if (samples.some((each) => each === undefined)) return undefined;
  const all = samples
    .flatMap((each) => each ?? [])
    .map(({ peakBytes }) => ({ wallMs: 0, cpuMs: 0, peakBytes }));
  const title = `peak memory of the builder in ${MEMORY_CASES.join(' and ')}`;
  return judged({ id: 'm', title, mark: { kind: 'bytes', most: MARK_BYTES } }, [sideOf(OURS, all)]);
}
