/**
 * Tells addresses elsewhere what becomes of deployments. Nothing is told by whoever ends a deployment: its marker says that it ended
 * (src/records/open-markers.ts), and what is due for it is written down before the marker goes. So a message is sent at least
 * once, whatever is killed when, and its id is the same each time. Redis has no part in it.
 *
 *   a deployment is accepted or ends → due      [for each notification that wants it, and the forge that it came from]
 *   due → delivered                             [answered with 2xx]
 *   due → due                                   [anything else; later and later]
 *   due → given up                              [after the last attempt, or where no other can help]
 */
import type { Cidr } from '../build/sandbox/cidr.js';
import { sleep } from '../clock.js';
import type { Ledger } from '../ledger/ledger.js';
import type { Logger } from '../log.js';
import { type Deployment, isFinal } from '../model/deployment.js';
import { NOTIFICATION_EVENTS } from '../model/notification.js';
import type { DeploymentStore } from '../records/deployments.js';
import {
  afterAttempt,
  type Delivery,
  type Due,
  deliveryId,
  readDeliveries,
  recordDeliveries,
  type Tried,
  trimDeliveries,
} from './deliveries.js';
import { type LetterTools, letterFor } from './letters.js';
import { type Answer, send } from './send.js';

export interface NotifierParts extends LetterTools {
  readonly store: DeploymentStore;
  readonly ledger: Ledger;
  readonly allowed: readonly Cidr[];
  readonly log: Logger;
  /** How often it looks, in ms. Default 1,000. */
  readonly everyMs?: number;
  /** Waits between attempts, in ms; as many as there are, then it is given up. */
  readonly retriesMs?: readonly number[];
  /** Of one attempt, in ms. Default 10,000. */
  readonly timeoutMs?: number;
}

export interface Notifier {
  /** Resolves when what is under way has ended. */
  close(): Promise<void>;
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
/** A day in all, as Standard Webhooks advises. */
const RETRIES_MS = [5 * SECOND, 30 * SECOND, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 8 * HOUR, 14 * HOUR];
const AT_ONCE = 8;
/** The receiver says that there will never be one again. */
const GONE = 410;

export function startNotifier(parts: NotifierParts): Notifier {
  const stop = new AbortController();
  const outbox = new Outbox(parts, stop.signal);
  const work = async (): Promise<void> => {
    await outbox.load();
    while (!stop.signal.aborted) {
      await outbox.look().catch((error: unknown) => parts.log.error({ err: error }, 'notifications failed'));
      outbox.send();
      await sleep(parts.everyMs ?? SECOND, stop.signal);
    }
  };
  const working = work().catch((error: unknown) => {
    if (!stop.signal.aborted) parts.log.error({ err: error }, 'no notifications are sent any more');
  });
  return {
    close: async () => {
      stop.abort();
      await working;
      await outbox.idle();
    },
  };
}

class Outbox {
  readonly #parts: NotifierParts;
  readonly #signal: AbortSignal;
  /** By id, with its app. */
  readonly #waiting = new Map<string, { readonly app: string; readonly delivery: Delivery }>();
  /** Open deployments that were looked at. */
  readonly #seen = new Set<string>();
  /** Targets that are being sent to: one message after the other. */
  readonly #busy = new Map<string, Promise<void>>();

  constructor(parts: NotifierParts, signal: AbortSignal) {
    this.#parts = parts;
    this.#signal = signal;
  }

  /** What was due when the last notifier ended. */
  async load(): Promise<void> {
    const { ledger, store } = this.#parts;
    for (const app of await ledger.listApps())
      for (const delivery of await readDeliveries(store.recordPath(app, 'deliveries')))
        if (delivery.state === 'waiting') this.#waiting.set(delivery.id, { app, delivery });
  }

  /** Finds what has happened since the last look. Trouble with one app does not keep the others waiting. */
  async look(): Promise<void> {
    const { store, log } = this.#parts;
    const { open, ended } = await store.marked();
    const names = new Set(open.map(({ app, id }) => `${app}+${id}`));
    for (const name of this.#seen) if (!names.has(name)) this.#seen.delete(name);
    for (const { app, id } of open) {
      if (this.#seen.has(`${app}+${id}`)) continue;
      this.#seen.add(`${app}+${id}`);
      await this.#note(app, id).catch((error: unknown) => log.error({ err: error, app, id }, 'not noted'));
    }
    for (const marker of ended) {
      try {
        await this.#note(marker.app, marker.id);
        await store.forgetEnd(marker);
      } catch (error) {
        log.error({ err: error, ...marker }, 'the end of a deployment is not noted');
      }
    }
  }

  /** Begins what is due, for as many targets as may be sent to at once. */
  send(): void {
    const now = Date.now();
    for (const { app, delivery } of this.#waiting.values()) {
      if (this.#busy.size >= AT_ONCE) return;
      if (delivery.nextAt > now || this.#busy.has(delivery.target)) continue;
      const sending = this.#attempt(app, delivery)
        .catch((error: unknown) => {
          if (!this.#signal.aborted)
            this.#parts.log.error({ err: error, app }, 'a delivery failed inside Slipway');
        })
        .finally(() => this.#busy.delete(delivery.target));
      this.#busy.set(delivery.target, sending);
    }
  }

  async idle(): Promise<void> {
    await Promise.all(this.#busy.values());
  }

  /** Writes down what is due for the deployment as it is now. On disk when it returns. */
  async #note(app: string, id: string): Promise<void> {
    const { store, ledger } = this.#parts;
    // Destroyed: nobody is left who wants to know.
    if (!(await ledger.appExists(app))) return;
    const { notifications, webhooks } = await ledger.read(app);
    if (notifications.length === 0 && !webhooks.some(({ reports }) => reports)) return;
    const deployment = await store.get(app, id);
    if (deployment === undefined) return;
    const wanted = [
      ...notifications.flatMap(({ id: target, events }) =>
        eventsOf(deployment)
          .filter((event) => events.some((one) => one === event))
          .map((event) => ({ target, event })),
      ),
      ...webhooks
        .filter((webhook) => webhook.reports && webhook.id === deployment.push?.from?.webhook)
        .map((webhook) => ({ target: webhook.id, event: eventsOf(deployment).at(-1) ?? '' })),
    ];
    const path = store.recordPath(app, 'deliveries');
    const known = new Set((await readDeliveries(path)).map((delivery) => delivery.id));
    const due = wanted
      .map(
        ({ target, event }): Due => ({
          type: 'due',
          id: deliveryId(target, event, id),
          target,
          event,
          deployment: id,
          at: Date.now(),
        }),
      )
      .filter((one) => !known.has(one.id));
    if (due.length === 0) return;
    await recordDeliveries(path, ...due);
    await trimDeliveries(path);
    for (const { type: _type, ...what } of due) {
      const delivery: Delivery = { ...what, state: 'waiting', attempts: 0, nextAt: what.at };
      this.#waiting.set(delivery.id, { app, delivery });
    }
  }

  async #attempt(app: string, delivery: Delivery): Promise<void> {
    const { store, ledger, allowed, timeoutMs } = this.#parts;
    const deployment =
      delivery.deployment === undefined ? undefined : await store.get(app, delivery.deployment);
    if (!(await ledger.appExists(app))) {
      this.#waiting.delete(delivery.id);
      return;
    }
    // Neither at once again, nor for ever: whoever made it so may be no operator.
    const letter = await letterFor(this.#parts, app, delivery, deployment).catch((error: unknown) => {
      this.#parts.log.error({ err: error, app, target: delivery.target }, 'a message cannot be written');
      return { error: 'Slipway could not write it; the operator finds why in its log', ms: 0 };
    });
    const overtaken = this.#isOvertaken(delivery, deployment);
    const pointless =
      'pointless' in letter ? letter.pointless : overtaken ? 'it has ended meanwhile' : undefined;
    const answer: Answer =
      'pointless' in letter || pointless !== undefined
        ? { error: pointless ?? '', ms: 0 }
        : 'error' in letter
          ? letter
          : await send(letter, {
              allowed,
              signal: this.#signal,
              ...(timeoutMs === undefined ? {} : { timeoutMs }),
            });
    // Stopped in the middle: it is due as before.
    if (this.#signal.aborted && answer.error !== undefined) return;
    const tried = this.#tried(delivery, answer, pointless !== undefined);
    await recordDeliveries(store.recordPath(app, 'deliveries'), tried);
    const after = afterAttempt(delivery, tried);
    if (after.state === 'waiting') this.#waiting.set(delivery.id, { app, delivery: after });
    else this.#waiting.delete(delivery.id);
    if (after.state === 'given up')
      this.#parts.log.warn(
        { app, target: delivery.target, event: delivery.event, error: after.error },
        'given up',
      );
  }

  /** A forge that was told the end must not be told afterwards that it is under way. */
  #isOvertaken({ event, target }: Delivery, deployment: Deployment | undefined): boolean {
    return (
      target.startsWith('h') &&
      event === 'deploy.accepted' &&
      deployment !== undefined &&
      isFinal(deployment.state)
    );
  }

  #tried({ id, attempts }: Delivery, { ms, status, error }: Answer, isOver: boolean): Tried {
    const { retriesMs = RETRIES_MS } = this.#parts;
    const wait = isOver || status === GONE ? undefined : retriesMs[attempts];
    const at = Date.now();
    return {
      type: 'tried',
      id,
      at,
      ms,
      ...(status === undefined ? {} : { status }),
      ...(error === undefined ? {} : { error }),
      ...(error === undefined || wait === undefined ? {} : { nextAt: at + wait }),
    };
  }
}

/** What has happened to it, in order. */
function eventsOf({ state }: Deployment): readonly string[] {
  const end = NOTIFICATION_EVENTS.find((event) => event === `deploy.${state}`);
  return end === undefined || state === 'accepted' ? ['deploy.accepted'] : ['deploy.accepted', end];
}
