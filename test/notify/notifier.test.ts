/** What is told of deployments to whom, how it is signed, and that it is told whatever fails or is killed meanwhile. */
import { createHmac } from 'node:crypto';
import { appendFile, mkdir, readdir, readFile } from 'node:fs/promises';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { parseNetworks } from '../../src/build/sandbox/cidr.js';
import { homePaths } from '../../src/config.js';
import { AppRepositories } from '../../src/git/app-repository.js';
import { Ledger } from '../../src/ledger/ledger.js';
import {
  addNotification,
  addWebhook,
  removeNotification,
  setGitToken,
} from '../../src/ledger/outside-settings.js';
import { Vault } from '../../src/ledger/vault.js';
import { createLogger } from '../../src/log.js';
import type { Deployment, FinalState } from '../../src/model/deployment.js';
import { checkEvents, type NotificationFormat } from '../../src/model/notification.js';
import type { Forge } from '../../src/model/webhook.js';
import { type Delivery, readDeliveries } from '../../src/notify/deliveries.js';
import { type Notifier, type NotifierParts, startNotifier } from '../../src/notify/notifier.js';
import { DeploymentStore } from '../../src/records/deployments.js';
import { temporaryDirectory } from '../support/directories.js';
import { git } from '../support/repository.js';
import { until } from '../support/until.js';
import { Receiver } from './support/receiver.js';

const APP = 'shop';
const COMMIT = 'c'.repeat(40);

let home: string;
let store: DeploymentStore;
let ledger: Ledger;
let receiver: Receiver;

beforeEach(async () => {
  home = await temporaryDirectory();
  const paths = homePaths(home);
  await mkdir(paths.appRepositories, { recursive: true });
  const repositories = new AppRepositories(paths, git);
  ledger = new Ledger(paths, git, await Vault.open(paths.secretKey), {
    createRepository: (app, branch) => repositories.ensure(app, branch),
  });
  await ledger.createApp(APP, { deployBranch: 'main' }, 'alice');
  store = new DeploymentStore(home);
  receiver = await Receiver.start();
});

function notifier(more: Partial<NotifierParts> = {}): Notifier {
  const started = startNotifier({
    store,
    ledger,
    config: { publicUrl: 'https://slipway.example.com' },
    allowed: parseNetworks(['127.0.0.0/8'], 'a setting'),
    log: createLogger('test', 'silent'),
    everyMs: 20,
    retriesMs: [20, 20],
    ...more,
  });
  onTestFinished(() => started.close());
  return started;
}

async function tell(
  events = ['deploy.live', 'deploy.failed'],
  format: NotificationFormat = 'json',
  url = receiver.url,
): Promise<{ id: string; secret: string }> {
  const wanted = { url, shown: 'shown', events: checkEvents(events), format };
  const { notification, secret } = await addNotification(ledger, APP, wanted, 'alice');
  return { id: notification.id, secret };
}

async function accepted(webhook?: string): Promise<Deployment> {
  const options = { detach: true, noCache: false, buildOnly: false };
  const from = { remote: 'https://git.example.com/acme/shop.git', ref: 'refs/heads/main' };
  const more = webhook === undefined ? {} : { from: { ...from, webhook } };
  const push = { ref: 'refs/heads/main', oldOid: '0'.repeat(40), newOid: COMMIT, options, ...more };
  return store.create(APP, { kind: 'push', who: 'alice <a&b>', push });
}

async function end({ id }: Deployment, state: FinalState, reason?: string): Promise<void> {
  const claim = await store.claim(APP, id, 'build', 'a builder');
  let token = claim?.token ?? '';
  if (state === 'live') {
    await store.append(APP, id, { type: 'release', at: Date.now(), claim: token, number: 7 });
    token = (await store.claim(APP, id, 'rollout', 'a deployer'))?.token ?? '';
  }
  await store.end(APP, id, { state, claim: token, ...(reason === undefined ? {} : { reason }) });
}

const deliveries = (): Promise<Delivery[]> => readDeliveries(store.recordPath(APP, 'deliveries'));
const settled = (count = 1): Promise<unknown> =>
  until(async () => (await deliveries()).filter(({ state }) => state !== 'waiting').length === count);

describe('a notification', () => {
  it('is one signed message when a deployment ends as it is to be told', async () => {
    const { id: target, secret } = await tell();
    notifier();
    const deployment = await accepted();
    await end(deployment, 'live');
    await end(await accepted(), 'cancelled');
    await settled();
    const [call] = receiver.calls;
    expect([receiver.calls.length, call?.path, call?.body]).toEqual([
      1,
      '/in',
      {
        type: 'deploy.live',
        timestamp: expect.any(String),
        data: {
          app: APP,
          deployment: deployment.id,
          kind: 'push',
          state: 'live',
          who: 'alice <a&b>',
          commit: COMMIT,
          release: 'v7',
          acceptedAt: new Date(deployment.acceptedAt).toISOString(),
          endedAt: expect.any(String),
          links: {
            app: `https://slipway.example.com/apps/${APP}`,
            build: `https://slipway.example.com/apps/${APP}/builds/${deployment.id}`,
          },
        },
      },
    ]);
    // As Standard Webhooks checks it.
    const [delivery] = await deliveries();
    const { 'webhook-id': id, 'webhook-timestamp': at } = call?.headers ?? {};
    const key = Buffer.from(secret.replace('whsec_', ''), 'base64');
    const mac = createHmac('sha256', key).update(`${id}.${at}.${call?.text}`).digest('base64');
    expect(call?.headers['webhook-signature']).toBe(`v1,${mac}`);
    expect(delivery).toMatchObject({
      id,
      target,
      event: 'deploy.live',
      state: 'delivered',
      attempts: 1,
      status: 200,
    });
    // Nothing is left to look at.
    await until(async () => (await readdir(homePaths(home).endedDeployments)).length === 0);
  });

  it('may be of the beginning too, and for a chat is one sentence that holds no markup of others', async () => {
    await tell(['accepted', 'failed'], 'slack');
    notifier();
    const deployment = await accepted();
    await until(() => receiver.calls.length === 1);
    await end(deployment, 'failed', 'RUN <!channel> & more');
    await settled(2);
    const app = `<https://slipway.example.com/apps/${APP}|${APP}>`;
    const build = `<https://slipway.example.com/apps/${APP}/builds/${deployment.id}|${deployment.id}>`;
    const by = `(deploy of ccccccc by alice &lt;a&amp;b&gt;, ${build})`;
    expect(receiver.calls.map(({ body }) => body)).toEqual([
      { text: `:hourglass: ${app} accepted ${by}` },
      { text: `:x: ${app} failed: RUN &lt;!channel&gt; &amp; more ${by}` },
    ]);
  });

  it('is tried again under the same id until it is taken', async () => {
    await tell();
    receiver.replies = [500, 429, 200];
    notifier();
    await end(await accepted(), 'live');
    await settled();
    expect(new Set(receiver.calls.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    expect(await deliveries()).toMatchObject([{ state: 'delivered', attempts: 3, status: 200 }]);
  });

  it('is given up after the last attempt, at once for an address that is gone, and never fails the deployment', async () => {
    await tell();
    receiver.replies = [503];
    notifier();
    const deployment = await accepted();
    await end(deployment, 'live');
    await settled();
    expect(await deliveries()).toMatchObject([
      { state: 'given up', attempts: 3, status: 503, error: 'because' },
    ]);
    receiver.replies = [410];
    await end(await accepted(), 'live');
    await settled(2);
    expect((await deliveries()).at(-1)).toMatchObject({ state: 'given up', attempts: 1, status: 410 });
    expect((await store.get(APP, deployment.id))?.state).toBe('live');
  });

  it('follows no redirect, waits no longer than it says, and reaches no address of this machine', async () => {
    const hidden = await Receiver.start();
    receiver.replies = [{ status: 307, location: hidden.url }];
    await tell();
    const first = notifier({ retriesMs: [] });
    await end(await accepted(), 'live');
    await settled();
    expect(await deliveries()).toMatchObject([
      { state: 'given up', error: 'redirects are not followed', status: 307 },
    ]);
    await first.close();
    receiver.replies = [undefined];
    const second = notifier({ retriesMs: [], timeoutMs: 50 });
    await end(await accepted(), 'live');
    await settled(2);
    expect((await deliveries()).at(-1)?.error).toBe('no answer within 0.05 s');
    await second.close();
    receiver.calls.length = 0;
    for (const host of ['127.0.0.1', 'localhost', '0.0.0.0'])
      await tell(undefined, 'json', `https://${host}:${receiver.port}/in`);
    notifier({ retriesMs: [], allowed: [] });
    await end(await accepted(), 'live');
    await settled(6);
    for (const { error } of (await deliveries()).slice(-4)) expect(error).toContain('Slipway must not reach');
    expect([receiver.calls, hidden.calls]).toEqual([[], []]);
  });

  it('is told by the next notifier when one ends before it is due, while it is due, or in the middle', async () => {
    await tell();
    // Nobody runs.
    await end(await accepted(), 'live');
    receiver.replies = [undefined];
    const first = notifier();
    await until(() => receiver.calls.length === 1);
    await first.close();
    expect((await deliveries()).map(({ state, attempts }) => [state, attempts])).toEqual([['waiting', 0]]);
    // A line that was torn by a power cut spoils itself only.
    await appendFile(store.recordPath(APP, 'deliveries'), '\n{"type":"tri');
    receiver.replies = [200];
    notifier();
    await settled();
    expect(receiver.calls.map(({ headers }) => headers['webhook-id'])).toEqual(
      Array(2).fill((await deliveries())[0]?.id),
    );
  });

  it('that is removed is not told what was waiting, and one app’s trouble is no other’s', async () => {
    const { id } = await tell();
    receiver.replies = [500];
    notifier({ retriesMs: [200] });
    await end(await accepted(), 'live');
    await until(() => receiver.calls.length === 1);
    await removeNotification(ledger, APP, id, 'alice');
    await settled();
    expect(await deliveries()).toMatchObject([{ state: 'given up', error: 'it was removed' }]);
    expect(receiver.calls).toHaveLength(1);
  });
});

describe('a commit status', () => {
  const remoteOf = (): string => `http://127.0.0.1:${receiver.port}/acme/shop.git`;
  const report = async (forge: Forge, token: string | undefined = 'sesame'): Promise<string> => {
    const wanted = { forge, remote: remoteOf(), branch: 'main', reports: true };
    const { webhook } = await addWebhook(ledger, APP, wanted, 'alice');
    await setGitToken(ledger, APP, new URL(remoteOf()).host, token, 'alice');
    return webhook.id;
  };

  it.each([
    [
      'github',
      `/api/v3/repos/acme/shop/statuses/${COMMIT}`,
      'authorization',
      'Bearer sesame',
      'context',
      'failure',
    ],
    [
      'gitlab',
      `/api/v4/projects/acme%2Fshop/statuses/${COMMIT}`,
      'private-token',
      'sesame',
      'name',
      'failed',
    ],
    [
      'gitea',
      `/api/v1/repos/acme/shop/statuses/${COMMIT}`,
      'authorization',
      'token sesame',
      'context',
      'failure',
    ],
  ] as const)(
    'tells %s that a commit is under way, and how it ended',
    async (forge, path, header, token, name, word) => {
      const webhook = await report(forge);
      notifier();
      const deployment = await accepted(webhook);
      await settled(1);
      await end(deployment, 'failed', 'RUN false failed');
      await settled(2);
      const target_url = `https://slipway.example.com/apps/${APP}/builds/${deployment.id}`;
      const told = { [name]: `slipway/${APP}`, target_url };
      expect(receiver.calls.map((call) => [call.path, call.headers[header], call.body])).toEqual([
        [path, token, { state: 'pending', description: 'accepted', ...told }],
        [path, token, { state: word, description: 'RUN false failed', ...told }],
      ]);
    },
  );

  it('that cannot be written is tried again as one that does not arrive, and given up', async () => {
    const wanted = {
      forge: 'gitlab',
      remote: 'https://gitlab.example.com/%zz/shop.git',
      branch: 'main',
    } as const;
    const { webhook } = await addWebhook(ledger, APP, { ...wanted, reports: true }, 'alice');
    await setGitToken(ledger, APP, 'gitlab.example.com', 'sesame', 'alice');
    notifier();
    await accepted(webhook.id);
    await settled(1);
    expect(await deliveries()).toMatchObject([{ state: 'given up', attempts: 3 }]);
  });

  it('says nothing of deployments that came otherwise, and never that one is under way that has ended', async () => {
    const webhook = await report('github');
    receiver.replies = [500];
    notifier({ retriesMs: [100, 100, 100] });
    await end(await accepted(), 'live');
    const deployment = await accepted(webhook);
    await until(() => receiver.calls.length === 1);
    receiver.replies = [200];
    await end(deployment, 'live');
    await settled(2);
    expect(receiver.calls.map(({ body }) => body.state)).toEqual(['pending', 'success']);
    expect(await deliveries()).toMatchObject([
      { event: 'deploy.accepted', state: 'given up', error: 'it has ended meanwhile' },
      { event: 'deploy.live', state: 'delivered' },
    ]);
  });

  it('needs a token, and keeps it to itself', async () => {
    const webhook = await report('github');
    const { host } = new URL(remoteOf());
    await setGitToken(ledger, APP, host, undefined, 'alice');
    notifier({ retriesMs: [] });
    await end(await accepted(webhook), 'live');
    await until(async () => (await deliveries()).some(({ event }) => event === 'deploy.live'));
    await until(async () => (await deliveries()).every(({ state }) => state === 'given up'));
    expect((await deliveries()).at(-1)?.error).toBe(
      `there is no token for ${host}: slipway git:auth ${host}`,
    );
    expect(receiver.calls).toEqual([]);
    expect(await readFile(store.recordPath(APP, 'deliveries'), 'utf8')).not.toContain('sesame');
  });
});
