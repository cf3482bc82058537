/** All new containers beside all old ones, and one switch: requests go to the old release everywhere or to the new one. */
import type { Course, Steps } from './steps.js';

export async function blueGreen({ change }: Course, steps: Steps): Promise<void> {
  const started = await steps.start(change.fresh);
  await steps.check(started);
  await steps.switchTo([...change.adopted, ...started]);
}
