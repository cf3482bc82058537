import { describe, expect, it } from 'vitest';
import { checkDeploymentId, DeploymentIds, isDeploymentId } from '../../src/records/deployment-id.js';
import { HeldClock } from '../support/clock.js';

describe('deployment ids', () => {
  it('sort by time as text', () => {
    const clock = new HeldClock(1_000);
    const ids = new DeploymentIds(clock);
    const given: string[] = [];
    for (const ms of [0, 1, 30, 1_000, 86_400_000, 31_536_000_000, 20 * 31_536_000_000]) {
      clock.advance(ms);
      given.push(ids.next());
    }
    expect([...given].sort()).toEqual(given);
  });

  it('keep their order within one millisecond and when the clock is set back', () => {
    const clock = new HeldClock();
    const ids = new DeploymentIds(clock);
    const given = Array.from({ length: 200 }, () => ids.next());
    clock.advance(-60_000);
    given.push(ids.next(), ids.next());
    expect([...given].sort()).toEqual(given);
  });

  it('differ between processes that ask in the same millisecond', () => {
    const clock = new HeldClock();
    const given = Array.from({ length: 100 }, () => new DeploymentIds(clock).next());
    expect(new Set(given).size).toBe(100);
  });

  it('match the pattern that paths and ref names rely on', () => {
    const id = new DeploymentIds().next();
    expect(id).toMatch(/^b[a-z0-9]{14}$/);
    expect(isDeploymentId(id)).toBe(true);
  });

  it.each(['', '..', '../../etc', 'b1', '-b123456789', 'B1234567890', `b${'1'.repeat(20)}`, 'b12345678/0'])(
    'refuse %j before it becomes a path',
    (id) => {
      expect(() => checkDeploymentId(id)).toThrow(expect.objectContaining({ code: 'invalid_name' }));
    },
  );
});
