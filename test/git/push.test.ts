import { describe, expect, test } from 'vitest';
import { endAs, Gate, goLive, Platform } from './support/platform.js';
import { WorkTree } from './support/repositories.js';

describe('a push', () => {
  test('that goes live is accepted, shows the log and moves the branch', async () => {
    const platform = await Platform.start();
    await platform.createApp('hello');
    const tree = await WorkTree.create();
    const head = await tree.git('rev-parse', 'HEAD');
    const push = await platform.push(tree, 'hello');
    console.log(push.text);
    expect(push.exitCode).toBe(0);
  });
});
