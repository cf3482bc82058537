/**
 * Notices that Redis has lost what was in it (FLUSHALL, a restart without persistence), or was away: jobs added
 * meanwhile did not arrive. Each watch keeps a marker key of its own, so that watches need not agree on anything.
 */
import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { KEY_PREFIX } from './redis.js';

export interface DataLossWatch {
  stop(): void;
}

const POLL_MS = 1000;
/** The marker of a process that is gone does not stay for ever. */
const MARKER_TTL_S = 3600;

export function watchDataLoss(redis: Redis, onLoss: () => void): DataLossWatch {
  const marker = `${KEY_PREFIX}:marker:${randomUUID()}`;
  let placed = false;
  let asking = false;
  const look = async (): Promise<void> => {
    if (asking || redis.status !== 'ready') return;
    asking = true;
    try {
      // Reads and sets in one step: a wipe after this is found by the next look, one before it by this.
      const before = await redis.set(marker, '1', 'EX', MARKER_TTL_S, 'GET');
      if (placed && before === null) onLoss();
      placed = true;
    } catch {
      // Gone again; `ready` follows.
    } finally {
      asking = false;
    }
  };
  const onReady = (): void => {
    onLoss();
    void look();
  };
  redis.on('ready', onReady);
  const timer = setInterval(() => void look(), POLL_MS);
  void look();
  return {
    stop: () => {
      clearInterval(timer);
      redis.off('ready', onReady);
    },
  };
}
