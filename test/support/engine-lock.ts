/**
 * Two Docker Engines in one network namespace rewrite each other's firewall chains, so the tests that start one take turns,
 * whichever test file or checkout they are of. flock(1) holds the lock until its stdin is closed.
 */
import { spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Resolves when it is this test's turn, with what ends the turn. */
export async function takeEngineLock(): Promise<() => Promise<void>> {
  const file = process.env.SLIPWAY_TEST_ENGINE_LOCK ?? join(tmpdir(), 'slipway-test-engine.lock');
  const holder = spawn('flock', ['--', file, 'sh', '-c', 'echo taken; exec cat'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = new Promise<void>((resolve) => holder.once('exit', () => resolve()));
  await new Promise<void>((resolve, reject) => {
    holder.stdout.once('data', () => resolve());
    holder.once('error', reject);
    holder.once('exit', (code) => reject(new Error(`flock ended with ${code}`)));
  });
  return async () => {
    holder.stdin.end();
    await ended;
  };
}
