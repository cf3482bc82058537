/** A build's log in the browser: as it is written, after a cut, of any length. */
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { loadPage } from '../../src/page.js';
import { projectRoot } from '../../src/root.js';
import { Platform } from '../api/support/platform.js';
import { signIn, TestBrowser } from './support/browser.js';
import { writeLog } from './support/scenes.js';

let platform: Platform;
let browser: TestBrowser;
let url: string;

beforeAll(async () => {
  const page = await loadPage(join(projectRoot(), 'dist', 'ui'));
  if (page === undefined) throw new Error('the page is not built: npm run build');
  platform = await Platform.start({ page });
  url = await platform.url();
  await platform.createApp('hello');
  browser = await TestBrowser.start();
});
afterEach(async () => {
  await browser.closeWindows();
  expect(browser.faults.splice(0)).toEqual([]);
});
afterAll(async () => {
  await browser?.stop();
  await platform?.stop();
});

async function openBuild(id: string, hash = ''): Promise<Page> {
  const page = await browser.open(url);
  await signIn(page, platform.token('reader'), `/apps/hello/builds/${id}${hash}`);
  return page;
}

/** The lines that are drawn, each with its number. */
function drawn(page: Page): Promise<string[]> {
  return page
    .locator('.log-row')
    .evaluateAll((rows) =>
      rows.map(
        (row) =>
          `${row.querySelector('.line-number')?.textContent} ${row.querySelector('.log-text')?.textContent}`,
      ),
    );
}

const say = (id: string, text: string): Promise<void> =>
  appendFile(platform.store.logPath('hello', id), text);

describe('the log of a build', () => {
  test('is followed as it is written, goes on at the very byte after a cut, and ends', async () => {
    const { id, claim } = await platform.building('hello', 'FROM followed');
    await say(id, '-----> Building\n');
    const page = await openBuild(id);
    await expect.poll(() => drawn(page)).toEqual(['1 -----> Building']);
    await say(id, '       line 2\n       li');
    await expect.poll(() => drawn(page)).toEqual(['1 -----> Building', '2        line 2']);
    // In the middle of a line, and of a character.
    await say(id, 'ne 3 ');
    await appendFile(platform.store.logPath('hello', id), Buffer.from('ü').subarray(0, 1));
    platform.server.server.closeAllConnections();
    await appendFile(platform.store.logPath('hello', id), Buffer.from('ü').subarray(1));
    await say(id, '\n       line 4\n');
    await expect
      .poll(() => drawn(page))
      .toEqual(['1 -----> Building', '2        line 2', '3        line 3 ü', '4        line 4']);
    await say(id, '=====> over\n');
    await platform.store.end('hello', id, { state: 'failed', reason: 'it was not to be', claim });
    await page.getByText('it was not to be').waitFor();
    await expect.poll(() => drawn(page)).toHaveLength(5);
  });

  test('folds by step, and unfolds for a line that is linked to', async () => {
    const { id } = await platform.live('hello', 'FROM folded');
    await writeLog(platform, 'hello', id, ['added 312 packages']);
    const page = await openBuild(id);
    await page.getByText('added 312 packages').waitFor();
    const before = await drawn(page);
    await page.getByRole('button', { name: 'Fold line 4' }).click();
    await expect.poll(() => drawn(page)).toEqual(before.filter((line) => !/^[567] /.test(line)));
    await page.getByRole('button', { name: 'Fold line 4' }).click();
    await expect.poll(() => drawn(page)).toEqual(before);
    await page.keyboard.press('f');
    await expect.poll(() => page.getByText('added 312 packages').count()).toBe(0);
    await page.evaluate(() => {
      location.hash = '#L6';
    });
    await page.getByText('added 312 packages').waitFor();
    expect(await page.locator('.log-row.linked').allInnerTexts()).toEqual([
      expect.stringContaining('added 312'),
    ]);
  });

  test('links lines, and ranges of them with Shift', async () => {
    const { id } = await platform.live('hello', 'FROM linked');
    await writeLog(platform, 'hello', id);
    const page = await openBuild(id);
    await page.getByRole('link', { name: 'Line 3', exact: true }).click();
    expect(new URL(page.url()).hash).toBe('#L3');
    await page.getByRole('link', { name: 'Line 5', exact: true }).click({ modifiers: ['Shift'] });
    expect(new URL(page.url()).hash).toBe('#L3-L5');
    await expect.poll(() => page.locator('.log-row.linked').count()).toBe(3);
  });

  test('may have 200,000 lines: any is linked to, found and scrolled to, and few are in the document', async () => {
    const { id } = await platform.live('hello', 'FROM long');
    const lines = Array.from({ length: 200_000 }, (_, index) => `       line number ${index + 1}\n`);
    lines[171_717] = '       a \x1b[31mneedle\x1b[0m in the hay\n';
    await say(id, lines.join(''));
    const page = await openBuild(id, '#L150000');
    await page.getByText('line number 150000', { exact: true }).waitFor();
    await page.getByText('200,000 lines').waitFor();
    expect(await page.locator('.log-row').count()).toBeLessThan(150);
    await page.keyboard.press('/');
    await page.keyboard.type('NEEDLE');
    await page.getByText('1 line', { exact: true }).waitFor();
    await page.keyboard.press('Enter');
    await page.getByText('1 of 1').waitFor();
    await expect.poll(() => page.locator('mark').allInnerTexts()).toEqual(['needle']);
    await expect.poll(() => drawn(page)).toContainEqual('171718        a needle in the hay');
    await page.getByRole('button', { name: 'To the end' }).click();
    await page.getByText('line number 200000', { exact: true }).waitFor();
    expect(await page.locator('.log-row').count()).toBeLessThan(150);
  });

  test('stays at its end while it grows, unless somebody reads further up', async () => {
    const { id } = await platform.building('hello', 'FROM growing');
    await say(id, Array.from({ length: 500 }, (_, index) => `       early ${index + 1}\n`).join(''));
    const page = await openBuild(id);
    await page.getByText('early 500', { exact: true }).waitFor();
    await say(id, Array.from({ length: 500 }, (_, index) => `       late ${index + 1}\n`).join(''));
    await page.getByText('late 500', { exact: true }).waitFor();
    await page.locator('.log').evaluate((log) => log.scrollTo(0, 0));
    await page.getByText('early 1', { exact: true }).waitFor();
    await say(id, '       later still\n');
    await page.getByText('1,001 lines').waitFor();
    expect(await page.getByText('later still').count()).toBe(0);
    await page.keyboard.press('b');
    await page.getByText('later still').waitFor();
  });
});
