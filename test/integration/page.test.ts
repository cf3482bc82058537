/** The page over a whole platform: from signing in to a push that one watches, and back by a click. */
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { signIn, TestBrowser } from '../ui/support/browser.js';
import { page as files, LivePlatform } from './support/live.js';

let live: LivePlatform;
let browser: TestBrowser;

beforeAll(async () => {
  live = await LivePlatform.start();
  browser = await TestBrowser.start();
});
afterAll(async () => {
  await browser?.stop();
  await live?.stop();
}, 60_000);

const stateOf = (page: Page): Promise<string | null> => page.locator('.head .state').textContent();

it('a person signs in, follows the instructions, watches the log of a push, and rolls back by click', async () => {
  const window = await browser.open(live.platform.url);
  await signIn(window, live.platform.adminToken?.token ?? '');
  const app = await live.app(
    'watched',
    files('one', 'RUN for i in 1 2 3; do echo "count $i"; sleep 1; done'),
  );
  await window.getByRole('link', { name: 'watched' }).click();
  await window.getByText('git push slipway HEAD:main').waitFor();

  const push = app.startPush();
  await window.getByRole('link', { name: /push of/ }).click({ timeout: 60_000 });
  await window.locator('.log').getByText('count 2').waitFor({ timeout: 60_000 });
  await expect.poll(() => stateOf(window), { timeout: 60_000 }).toBe('live');
  expect((await push.ended).exitCode).toBe(0);
  await window.locator('.log').getByText('v1 of watched is live').waitFor();
  await window.getByRole('list', { name: 'Phases' }).getByText('switch').waitFor();

  await app.commit(files('two'));
  expect((await app.push()).exitCode).toBe(0);
  expect((await app.page()).body).toContain('two');
  await window.getByRole('link', { name: 'watched', exact: true }).click();
  await window.getByRole('heading', { name: 'v2 is live' }).waitFor();
  await expect
    // The old one is drained first.
    .poll(() => window.getByRole('row', { name: /web\.1/ }).allInnerTexts(), { timeout: 60_000 })
    .toEqual([expect.stringMatching(/running[\s\S]*v2[\s\S]*local/)]);

  await window.getByRole('button', { name: 'Roll back to v1…' }).click();
  await window.getByRole('dialog').getByText('Commit').waitFor();
  await window.getByRole('button', { name: 'Roll back to v1', exact: true }).click();
  await window.locator('.log').getByText('v3 of watched is live').waitFor({ timeout: 60_000 });
  expect((await app.page()).body).toContain('one');
  await window.goto('/apps/watched/metrics');
  await window.getByRole('img', { name: /Memory: web\.1 on local/ }).waitFor({ timeout: 60_000 });
  expect(browser.faults).toEqual([]);
}, 240_000);
