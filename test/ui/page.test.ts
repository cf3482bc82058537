/** The page in a browser, against the real web process. What is shown comes from real journals, logs and ledgers. */
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { loadPage } from '../../src/page.js';
import { projectRoot } from '../../src/root.js';
import { json } from '../api/support/deployer.js';
import { Platform } from '../api/support/platform.js';
import { inaccessible, signIn, TestBrowser, type Theme } from './support/browser.js';
import { furnish, HOSTILE, process, runningApp, writeLog } from './support/scenes.js';

let platform: Platform;
let browser: TestBrowser;
let url: string;
let builds: Awaited<ReturnType<typeof furnish>>;

beforeAll(async () => {
  const page = await loadPage(join(projectRoot(), 'dist', 'ui'));
  if (page === undefined) throw new Error('the page is not built: npm run build');
  platform = await Platform.start({ page });
  url = await platform.url();
  builds = await furnish(platform);
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

/** Signed in, with a token of one's own. */
async function open(
  path: string,
  options: { size?: 'wide' | 'telephone'; theme?: Theme; as?: 'admin' | 'reader' } = {},
): Promise<Page> {
  const page = await browser.open(url, options);
  await signIn(page, platform.token(options.as ?? 'admin'), path);
  return page;
}

const rows = (page: Page) => page.getByRole('list', { name: 'Apps' }).getByRole('listitem');

describe('signing in', () => {
  test('refuses a wrong token, takes a right one, and leads to where one wanted to go', async () => {
    const page = await browser.open(url);
    await page.goto('/apps/hello/releases');
    await page.getByLabel('Token').fill(platform.token('wrong'));
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('alert').getByText('wrong or revoked').waitFor();
    await page.getByLabel('Token').fill(platform.token('reader'));
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('heading', { name: 'hello' }).waitFor();
    expect(new URL(page.url()).pathname).toBe('/apps/hello/releases');
    // No script of the page can read what it signed in with.
    expect(
      await page.evaluate(() => document.cookie + JSON.stringify({ ...localStorage, ...sessionStorage })),
    ).toBe('{}');
  });

  test('is asked for again when the token is revoked, and then one is back where one was', async () => {
    const { tokens } = platform.platform;
    const scopes = {
      name: 'leaver',
      apps: '*',
      admin: false,
      mayCreateApps: false,
      who: 'the operator',
    } as const;
    const { token, id } = await tokens.create(scopes);
    const page = await browser.open(url);
    await signIn(page, token, '/apps/hello/builds');
    await page
      .getByRole('link', { name: /push of/ })
      .first()
      .waitFor();
    await tokens.revoke(id, 'the operator');
    await page.getByText('Your session has ended').waitFor();
    await page.getByLabel('Token').fill(platform.token('admin'));
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page
      .getByRole('link', { name: /push of/ })
      .first()
      .waitFor();
    expect(new URL(page.url()).pathname).toBe('/apps/hello/builds');
  });

  test('ends with signing out, also for the next window', async () => {
    const page = await open('/');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('Token').waitFor();
    await page.reload();
    await page.getByLabel('Token').waitFor();
  });
});

describe('the apps', () => {
  test('show first what needs somebody, and say how each is', async () => {
    const page = await open('/');
    await expect.poll(() => rows(page).allInnerTexts()).toHaveLength(4);
    const [first, second] = await rows(page).allInnerTexts();
    expect(first).toMatch(/hello[\s\S]*deploy failed[\s\S]*v2[\s\S]*exit code 1/);
    expect(second).toMatch(/wiki[\s\S]*not all running/);
  });

  test('are filtered by text and by state, and opened with the keyboard alone', async () => {
    const page = await open('/');
    await rows(page).first().waitFor();
    await page.keyboard.press('/');
    await page.keyboard.type('shop');
    await expect.poll(() => rows(page).count()).toBe(1);
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'shop' }).waitFor();
    await page.keyboard.press('g');
    await page.keyboard.press('a');
    await page.getByRole('button', { name: /deploying/ }).click();
    await expect.poll(() => rows(page).allInnerTexts()).toEqual([expect.stringContaining('shop')]);
  });

  test('may be hundreds, of which the document holds those that can be seen', async () => {
    const page = await browser.open(url);
    const apps = Array.from({ length: 500 }, (_, index) => ({
      name: `app-${String(index).padStart(3, '0')}`,
      url: 'http://x.localhost',
      wanted: 1,
      running: 1,
      release: { version: 'v7', description: 'deploy 1234567', at: new Date().toISOString(), by: 'alice' },
    }));
    await page.route('**/v1/overview', (route) => route.fulfill({ json: { apps } }));
    await signIn(page, platform.token('admin'));
    await rows(page).first().waitFor();
    expect(await rows(page).count()).toBeLessThan(80);
    await rows(page).first().getByRole('link').focus();
    for (let index = 0; index < 40; index++) await page.keyboard.press('ArrowDown');
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('app-040');
    await page.keyboard.press('End');
    await page.getByRole('link', { name: 'app-499' }).waitFor();
    await page.getByRole('searchbox').fill('app-123');
    await expect.poll(() => rows(page).count()).toBe(1);
  });
});

describe('a rollback', () => {
  test('shows what will change before anything is done, and is done by a click', async () => {
    const page = await open('/apps/hello/releases');
    await page.getByRole('button', { name: 'Roll back to v1…' }).click();
    const question = page.getByRole('dialog');
    await question.getByText('GREETING').waitFor();
    expect(await question.textContent()).toMatch(/Commit[\s\S]*Image[\s\S]*Config\s*GREETING/);
    // The value is nobody's business here.
    expect(await question.textContent()).not.toContain('good-morning');
    await page.keyboard.press('Escape');
    await question.waitFor({ state: 'hidden' });
    expect((await platform.ledger.read('hello')).releases).toHaveLength(2);

    await page.getByRole('button', { name: 'Roll back to v1…' }).click();
    await question.getByRole('button', { name: 'Roll back to v1' }).click();
    await page.getByRole('heading', { name: 'Rollback' }).waitFor();
    await page.getByText('Rolling hello back to v1').waitFor();
    const { releases } = await platform.ledger.read('hello');
    expect(releases.at(-1)).toMatchObject({ number: 3, kind: 'rollback', rollbackOf: 1, createdBy: 'admin' });
    const [newest] = await platform.store.list('hello', { limit: 1 });
    await platform.finish('hello', newest!.id, 'failed', 'not today');
    await page.getByText('not today').first().waitFor();
  });
});

describe('config vars', () => {
  test('show a value only on wish, and a change of them becomes a release', async () => {
    const page = await browser.open(url);
    const seen: string[] = [];
    page.on('response', async (response) => {
      if (response.url().includes('/v1/')) seen.push(await response.text().catch(() => ''));
    });
    await signIn(page, platform.token('admin'), '/apps/hello/config');
    await page.getByText('DATABASE_URL').waitFor();
    expect(await page.content()).not.toContain('hunter2');
    expect(seen.join()).not.toContain('hunter2');
    await page.getByRole('button', { name: 'Reveal DATABASE_URL' }).click();
    await page.getByText('hunter2').waitFor();
    await page.getByRole('button', { name: 'Hide DATABASE_URL' }).click();
    expect(await page.content()).not.toContain('hunter2');

    await page.getByRole('button', { name: 'Unset GREETING' }).click();
    await page.getByLabel('Name').fill('COLOUR');
    await page.getByLabel('Value', { exact: true }).fill('teal');
    await page.getByRole('button', { name: 'Add' }).click();
    await page.getByRole('button', { name: 'Apply' }).click();
    await page.getByText('Config of hello: set COLOUR; unset GREETING').waitFor();
    const { config } = await platform.ledger.read('hello');
    expect(Object.keys(config).sort()).toEqual(['COLOUR', 'DATABASE_URL']);
    const [newest] = await platform.store.list('hello', { limit: 1 });
    await platform.finish('hello', newest!.id, 'failed', 'not today');
  });
});

describe('a rollout', () => {
  test('is shown host by host while it goes on', async () => {
    await platform.createApp('many');
    await platform.live('many');
    const { id } = await platform.ready('many', 'FROM two');
    await platform.store.claim('many', id, 'rollout', 'a deployer');
    const before = platform.deployer.script;
    platform.deployer.script = runningApp([
      process('web.1', 1),
      process('web.1', 2, { state: 'created', health: undefined }),
      process('web.2', 2, { host: 'beta', health: 'starting' }),
    ]);
    const page = await open(`/apps/many/builds/${id}`);
    const rollout = page.getByRole('region', { name: 'Rollout by host' });
    await expect
      .poll(() => rollout.textContent())
      .toMatch(/beta[\s\S]*web\.2\s*starting[\s\S]*local[\s\S]*web\.1\s*created/);
    platform.deployer.script = runningApp([process('web.1', 2), process('web.2', 2, { host: 'beta' })]);
    await expect.poll(() => rollout.textContent()).toMatch(/web\.2\s*healthy/);
    platform.deployer.script = before;
    await platform.finish('many', id, 'live');
    await rollout.waitFor({ state: 'detached' });
  });
});

describe('what others have written', () => {
  test('is text and nothing else, in messages, reasons, logs and what hosts say', async () => {
    await platform.createApp('hostile');
    await platform.live('hostile');
    const again = await platform.building('hostile', 'FROM two');
    await writeLog(platform, 'hostile', again.id, [
      HOSTILE,
      `\x1b]0;${HOSTILE}\x07title`,
      '\x1b[2J\x1b[31mred\x1b[0m',
    ]);
    await platform.store.end('hostile', again.id, { state: 'failed', reason: HOSTILE, claim: again.claim });
    await platform.ledger.setLock('hostile', HOSTILE, 'alice');
    await platform.ledger.markRelease('hostile', 1, HOSTILE, 'alice');
    const before = platform.deployer.script;
    platform.deployer.script = (_request, response) =>
      json(response, 200, {
        processes: [process(HOSTILE, 1, { state: HOSTILE, host: HOSTILE })],
        silent: [{ host: HOSTILE, reason: HOSTILE }],
        running: { hostile: 1 },
      });
    const page = await open('/');
    for (const path of [
      '/',
      '/apps/hostile',
      '/apps/hostile/releases',
      `/apps/hostile/builds/${again.id}`,
      `/apps/${encodeURIComponent(HOSTILE)}`,
    ]) {
      await page.goto(path);
      await page.getByText('<img src=x').first().waitFor();
      expect(
        await page.evaluate(() => [
          document.querySelectorAll('#page img, #page script').length,
          'pwned' in window,
        ]),
      ).toEqual([0, false]);
    }
    await page.goto(`/apps/hostile/builds/${again.id}`);
    await page.locator('.log').getByText('<img src=x').first().waitFor();
    expect(await page.locator('.log .ansi1').allInnerTexts()).toEqual(['red']);
    platform.deployer.script = before;
  });
});

describe('numbers', () => {
  test('become plots, beginning with what is known at once', async () => {
    const page = await open('/apps/hello/metrics');
    await page.getByRole('img', { name: /Latency: first byte 12 ms, whole answer 15 ms/ }).waitFor();
    await page.getByRole('img', { name: /Memory: web\.1 on local/ }).waitFor();
    await page.getByRole('img', { name: /Requests per second: requests [1-9]/ }).waitFor();
    await page.getByText('the edge has counted').waitFor();
  });
});

describe('events', () => {
  test('say who did what, as text, and older ones are fetched when they are asked for', async () => {
    const event = (id: number, more: object = {}): object => ({
      id: `e${id}`,
      at: new Date(0).toISOString(),
      who: 'ada',
      did: `did ${id}`,
      changes: [],
      ...more,
    });
    const page = await browser.open(url);
    await page.route('**/v1/events**', (route) => {
      const isOlder = route.request().url().includes('cursor=e2');
      const changes = [{ name: HOSTILE, is: 'changed', before: 1, after: HOSTILE }];
      const json = isOlder
        ? { events: [event(1)] }
        : { events: [event(3, { who: HOSTILE, app: 'hello', changes }), event(2)], next: 'e2' };
      return route.fulfill({ json });
    });
    await signIn(page, platform.token('admin'), '/events');
    await page.getByText('did 2').waitFor();
    await page.getByRole('button', { name: 'Show older ones' }).click();
    await page.getByText('did 1').waitFor();
    expect(await page.getByText(/^did \d/).count()).toBe(2);
    expect(await page.getByRole('button', { name: 'Show older ones' }).count()).toBe(0);
    expect(await page.evaluate(() => document.querySelectorAll('#page img').length)).toBe(0);
  });
});

describe('for everybody', () => {
  const views = (): [string, string, string][] => [
    ['apps', '/', 'Apps'],
    ['an app', '/apps/hello', 'hello'],
    ['an empty app', '/apps/empty', 'Push to deploy'],
    ['releases', '/apps/hello/releases', 'hello'],
    ['builds', '/apps/hello/builds', 'hello'],
    ['logs', '/apps/hello/logs', 'hello'],
    ['metrics', '/apps/hello/metrics', 'hello'],
    ['config', '/apps/hello/config', 'hello'],
    ['a build', `/apps/hello/builds/${builds.live}`, 'Push of'],
    ['a failed build', `/apps/hello/builds/${builds.failed}`, 'Push of'],
    ['a build that goes on', `/apps/shop/builds/${builds.building}`, 'Push of'],
    ['hosts', '/hosts', 'Hosts'],
    ['queue', '/queue', 'Queue'],
    ['events', '/events', 'Events'],
    ['keys', '/keys', 'Keys'],
    ['nothing', '/apps/hello/nothing', 'nothing here'],
  ];

  test.each(['light', 'dark'] as const)(
    'axe finds nothing wrong on any view, %s',
    async (theme) => {
      const page = await browser.open(url, { theme });
      await page.goto('/');
      await page.getByLabel('Token').waitFor();
      expect(await inaccessible(page)).toEqual([]);
      await signIn(page, platform.token('admin'));
      for (const [name, path, heading] of views()) {
        await page.goto(path);
        await page.getByRole('heading', { name: heading }).first().waitFor();
        await page.evaluate(() => document.fonts.ready);
        expect([name, await inaccessible(page)]).toEqual([name, []]);
      }
      await page.goto('/apps/hello/releases');
      await page.getByRole('button', { name: 'Roll back to v1…' }).click();
      await page.getByRole('dialog').getByText('GREETING').waitFor();
      expect(['a question', await inaccessible(page)]).toEqual(['a question', []]);
    },
    180_000,
  );

  test('a telephone shows every view without scrolling sideways', async () => {
    const page = await open('/', { size: 'telephone' });
    for (const [name, path, heading] of views()) {
      await page.goto(path);
      await page.getByRole('heading', { name: heading }).first().waitFor();
      expect([name, await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)]).toEqual([
        name,
        0,
      ]);
    }
  }, 120_000);

  test('Tab leads first past the frame to the content', async () => {
    const page = await open('/');
    await page.reload();
    await rows(page).first().waitFor();
    await page.keyboard.press('Tab');
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Skip to the content');
    await page.keyboard.press('Enter');
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('content');
  });

  test('who may use one app sees that one, and no hosts', async () => {
    const page = await open('/', { as: 'reader' });
    await rows(page).first().waitFor();
    expect(await rows(page).count()).toBe(1);
    expect(await page.getByRole('link', { name: 'Hosts' }).count()).toBe(0);
  });
});
