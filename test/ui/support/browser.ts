/// <reference lib="dom" />
/** The page in Debian's Chromium. Whatever the content security policy refuses, and whatever the page's script throws, fails the test. */
import axe from 'axe-core';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';

export type Theme = 'light' | 'dark';

const SIZES = { wide: { width: 1280, height: 900 }, telephone: { width: 390, height: 844 } } as const;

export class TestBrowser {
  readonly #browser: Browser;
  readonly #contexts: BrowserContext[] = [];
  /** What the page did that it must not. */
  readonly faults: string[] = [];

  private constructor(browser: Browser) {
    this.#browser = browser;
  }

  static async start(): Promise<TestBrowser> {
    const browser = await chromium.launch({
      executablePath: '/usr/bin/chromium',
      // As root, as in CI, Chromium has no sandbox of its own.
      args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
    });
    return new TestBrowser(browser);
  }

  /** A person's window, with cookies of its own. */
  async open(
    url: string,
    { size = 'wide', theme = 'light' }: { readonly size?: keyof typeof SIZES; readonly theme?: Theme } = {},
  ): Promise<Page> {
    const context = await this.#browser.newContext({
      baseURL: url,
      viewport: SIZES[size],
      colorScheme: theme,
      reducedMotion: 'reduce',
    });
    this.#contexts.push(context);
    const page = await context.newPage();
    page.setDefaultTimeout(15_000);
    page.on('pageerror', (error) => this.faults.push(`the script threw: ${error.message}`));
    page.on('console', (message) => {
      if (/Content.Security.Policy|Trusted/i.test(message.text())) this.faults.push(message.text());
    });
    page.on('request', (request) => {
      const { origin } = new URL(request.url());
      if (origin !== new URL(url).origin) this.faults.push(`it asked another place: ${request.url()}`);
    });
    return page;
  }

  async closeWindows(): Promise<void> {
    for (const context of this.#contexts.splice(0)) await context.close();
  }

  async stop(): Promise<void> {
    await this.#browser.close();
  }
}

/** As a person does it; ends where the page was opened. */
export async function signIn(page: Page, token: string, path = '/'): Promise<void> {
  await page.goto(path);
  await page.getByLabel('Token').fill(token);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('button', { name: 'Sign out' }).waitFor();
}

/** What axe finds wrong, for people; empty when nothing is. */
export async function inaccessible(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() =>
    (globalThis as unknown as { axe: { run: () => Promise<axe.AxeResults> } }).axe.run(),
  );
  return violations.flatMap(({ id, help, nodes }) =>
    nodes.map(
      (node) => `${id}: ${help}: ${node.html.slice(0, 160)} ${node.failureSummary?.replaceAll('\n', ' ')}`,
    ),
  );
}
