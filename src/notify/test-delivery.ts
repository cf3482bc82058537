/** A message that only says that it is one, sent while somebody waits for what comes of it. */
import { randomBytes } from 'node:crypto';
import type { Cidr } from '../build/sandbox/cidr.js';
import type { Notification } from '../model/notification.js';
import type { DeploymentStore } from '../records/deployments.js';
import { recordDeliveries } from './deliveries.js';
import { type LetterTools, letterFor } from './letters.js';
import { type Answer, send } from './send.js';

export interface TestTools extends LetterTools {
  readonly store: Pick<DeploymentStore, 'recordPath'>;
  readonly allowed: readonly Cidr[];
}

/** Tried once. */
export async function sendTest(tools: TestTools, app: string, { id: target }: Notification): Promise<Answer> {
  const id = `msg_${randomBytes(16).toString('hex')}`;
  const what = { id, target, event: 'test' };
  const at = Date.now();
  const letter = await letterFor(tools, app, what, undefined);
  const answer = 'pointless' in letter ? { error: letter.pointless, ms: 0 } : await send(letter, tools);
  await recordDeliveries(
    tools.store.recordPath(app, 'deliveries'),
    { type: 'due', ...what, at },
    { type: 'tried', id, at: Date.now(), ...answer },
  );
  return answer;
}
