import { describe, expect, it } from 'vitest';
import { startChores } from '../../src/housekeeping/chores.js';
import { createLogger } from '../../src/log.js';
import { until } from '../support/until.js';

const log = createLogger('test', 'silent');

describe('chores', () => {
  it('are done at start and again, one at a time', async () => {
    const done: string[] = [];
    let busy = 0;
    const chore = (name: string) => ({
      name,
      everyMs: 10,
      run: async (): Promise<void> => {
        expect(++busy).toBe(1);
        await new Promise((resolve) => setTimeout(resolve, 1));
        done.push(name);
        busy--;
      },
    });
    const chores = startChores([chore('a'), chore('b')], log);
    await until(
      () =>
        done.filter((name) => name === 'a').length >= 3 && done.filter((name) => name === 'b').length >= 3,
    );
    await chores.close();
    const count = done.length;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(done).toHaveLength(count);
  });

  it('that fail are tried again and do not keep the others waiting', async () => {
    let tries = 0;
    let others = 0;
    const chores = startChores(
      [
        {
          name: 'bad',
          everyMs: 5,
          run: async () => {
            tries++;
            throw new Error('no');
          },
        },
        {
          name: 'good',
          everyMs: 5,
          run: async () => {
            others++;
          },
        },
      ],
      log,
    );
    await until(() => tries >= 3 && others >= 3);
    await chores.close();
  });

  it('under way are told to stop', async () => {
    let told = false;
    let began = false;
    const chores = startChores(
      [
        {
          name: 'long',
          everyMs: 5,
          run: (signal) =>
            new Promise((resolve) => {
              began = true;
              signal.addEventListener('abort', () => {
                told = true;
                resolve();
              });
            }),
        },
      ],
      log,
    );
    await until(() => began);
    await chores.close();
    expect(told).toBe(true);
  });
});
