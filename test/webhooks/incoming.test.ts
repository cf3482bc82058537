/** Messages of forges: whose are heard, what they deploy, and what comes of one that is repeated. */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FORGES, type Forge } from '../../src/model/webhook.js';
import { type Answer, Platform } from '../api/support/platform.js';
import { pushMessage, type Sending, signed } from './support/forges.js';

const COMMIT = 'c'.repeat(40);
const REPOSITORY = 'https://git.example.com/acme/shop.git';

let platform: Platform;
beforeAll(async () => {
  platform = await Platform.start();
});
afterAll(() => platform.stop());

interface Made {
  readonly app: string;
  readonly path: string;
  readonly id: string;
  readonly secret: string;
}

async function webhook(app: string, forge: Forge, more: object = {}): Promise<Made> {
  if (!(await platform.ledger.appExists(app))) await platform.createApp(app);
  const { status, body } = await platform.call('POST', `/v1/apps/${app}/webhooks`, {
    body: { forge, url: REPOSITORY, ...more },
  });
  expect([status, body.url]).toEqual([201, `http://slipway.test:7070/hooks/${app}/${body.id}`]);
  return { app, path: `/hooks/${app}/${body.id}`, id: body.id, secret: body.secret };
}

const send = (path: string, { headers, body }: Sending): Promise<Answer> =>
  platform.call('POST', path, { as: 'nobody', headers, body });

describe.each(FORGES)('a push at %s', (forge) => {
  it('deploys the commit from the repository that the webhook was made for, whatever the message names', async () => {
    const { app, path, id, secret } = await webhook(`push-${forge}`, forge);
    const { status, body } = await send(path, pushMessage(forge, secret, { commit: COMMIT }));
    expect([status, body]).toEqual([
      202,
      { result: `build ${body.build} of ccccccc`, build: expect.any(String) },
    ]);
    expect(await platform.store.get(app, body.build)).toMatchObject({
      state: 'accepted',
      who: `${{ github: 'octocat', gitlab: 'tanuki', gitea: 'teapot' }[forge]} (${forge})`,
      push: {
        ref: 'refs/heads/main',
        newOid: COMMIT,
        from: { remote: REPOSITORY, ref: 'refs/heads/main', webhook: id },
      },
    });
    // A second message of the same commit finds that build.
    const again = await send(path, pushMessage(forge, secret, { commit: COMMIT }));
    expect([again.status, again.body.build]).toEqual([202, body.build]);
  });

  it('is heard only with the signature of its webhook over these very bytes', async () => {
    const { app, path, secret } = await webhook(`forged-${forge}`, forge);
    const other = await webhook(`forged-${forge}`, forge);
    const good = pushMessage(forge, secret, { commit: COMMIT });
    const signature = { github: 'x-hub-signature-256', gitlab: 'x-gitlab-token', gitea: 'x-gitea-signature' }[
      forge
    ];
    const { [signature]: value = '', ...unsigned } = good.headers;
    const forgeries: Sending[] = [
      { ...good, headers: unsigned },
      { ...good, headers: { ...unsigned, [signature]: '' } },
      { ...good, headers: { ...unsigned, [signature]: value.slice(0, -1) } },
      { ...good, headers: { ...unsigned, [signature]: `${value}0` } },
      pushMessage(forge, other.secret, { commit: COMMIT }),
      ...(forge === 'gitlab' ? [] : [{ ...good, body: good.body.replace(/c{40}/, 'd'.repeat(40)) }]),
    ];
    for (const forgery of forgeries)
      expect((await send(path, forgery)).body).toMatchObject({ code: 'unauthorized' });
    expect(await platform.store.list(app)).toEqual([]);
    expect((await send(path, good)).status).toBe(202);
  });

  it('that came before is refused, and says what became of it', async () => {
    const { app, path, secret } = await webhook(`again-${forge}`, forge);
    const message = pushMessage(forge, secret, { commit: COMMIT });
    const { build } = (await send(path, message)).body;
    await platform.store.end(app, build, { state: 'failed', reason: 'for the test' });
    const repeated = await send(path, message);
    expect([repeated.status, repeated.body.message]).toEqual([
      409,
      expect.stringContaining(`build ${build}`),
    ]);
    // Its id is not signed: another one does not help.
    const renamed = Object.fromEntries(
      Object.entries(message.headers).map(([name, text]) => [name, /delivery/.test(name) ? 'another' : text]),
    );
    if (forge !== 'gitlab') expect((await send(path, { ...message, headers: renamed })).status).toBe(409);
    expect(await platform.store.list(app)).toHaveLength(1);
    const both = [1, 2].map(() =>
      send(path, pushMessage(forge, secret, { commit: 'd'.repeat(40), delivery: 'one' })),
    );
    expect((await Promise.all(both)).map(({ status }) => status).sort()).toEqual([202, 409]);
  });

  it('of another branch, a tag or a deleted branch, and any other event, deploys nothing', async () => {
    const { app, path, secret } = await webhook(`other-${forge}`, forge, { branch: 'production' });
    const messages = [
      pushMessage(forge, secret, { commit: COMMIT, branch: 'main' }),
      pushMessage(forge, secret, { commit: COMMIT, ref: 'refs/tags/production' }),
      pushMessage(forge, secret, { commit: '0'.repeat(40), branch: 'production' }),
      signed(forge, secret, 'issues', '{"action":"opened"}'),
      signed(forge, secret, 'ping', '{"zen":"Keep it simple"}'),
    ];
    for (const message of messages) expect((await send(path, message)).status).toBe(200);
    expect(await platform.store.list(app)).toEqual([]);
    const answer = await send(path, pushMessage(forge, secret, { commit: COMMIT, branch: 'production' }));
    expect((await platform.store.get(app, answer.body.build))?.push).toMatchObject({
      // What is live of the app keeps its own branch.
      ref: 'refs/heads/main',
      from: { ref: 'refs/heads/production' },
    });
  });
});

describe('a message', () => {
  it('of GitHub may be a form, and is too old three days after the push', async () => {
    const { path, secret } = await webhook('form', 'github');
    const json = pushMessage('github', secret, { commit: COMMIT }).body;
    const form = signed('github', secret, 'push', new URLSearchParams({ payload: json }).toString());
    form.headers['content-type'] = 'application/x-www-form-urlencoded';
    expect((await send(path, form)).status).toBe(202);
    const old = { commit: COMMIT, pushedAt: Date.now() - 4 * 24 * 60 * 60_000 };
    expect((await send(path, pushMessage('github', secret, old))).body).toMatchObject({ code: 'conflict' });
  });

  it('of what is live already is answered so; after a rollback the commit is deployed again', async () => {
    const { app, path, secret } = await webhook('islive', 'gitea');
    const { release } = await platform.live(app);
    const live = await send(path, pushMessage('gitea', secret, { commit: release.source }));
    expect([live.status, live.body.result]).toEqual([200, `${release.source.slice(0, 7)} is live`]);
    await platform.live(app, 'FROM other');
    expect((await send(path, pushMessage('gitea', secret, { commit: release.source }))).status).toBe(202);
  });

  it('for a locked app is refused, and may be sent again when it is not', async () => {
    const { app, path, secret } = await webhook('locked', 'github');
    await platform.ledger.setLock(app, 'a sale', 'ops');
    const message = pushMessage('github', secret, { commit: COMMIT });
    expect((await send(path, message)).status).toBe(423);
    await platform.ledger.setLock(app, undefined, 'ops');
    expect((await send(path, message)).status).toBe(202);
  });

  it('that is signed nonsense is the sender’s fault, and one that is too large is not read', async () => {
    const { path, secret } = await webhook('nonsense', 'github');
    for (const body of [
      '',
      '{',
      '[]',
      'null',
      '{"ref":1}',
      '{"ref":"refs/heads/main","after":"--all"}',
      '"x"',
    ])
      expect((await send(path, signed('github', secret, 'push', body))).body).toMatchObject({
        code: 'bad_request',
      });
    const { headers, body } = signed('github', secret, 'push', '{}');
    delete headers['x-github-event'];
    expect((await send(path, { headers, body })).body).toMatchObject({ code: 'bad_request' });
    expect((await send(path, signed('github', secret, 'push', ' '.repeat(6 * 1024 * 1024)))).status).toBe(
      413,
    );
  });

  it('to an app or webhook that is not there is not found, in the same words', async () => {
    const { id, path, secret } = await webhook('there', 'github');
    const message = pushMessage('github', secret, { commit: COMMIT });
    const answers = [];
    for (const at of [
      `/hooks/absent/${id}`,
      '/hooks/there/h0',
      '/hooks/..%2f/x',
      `/hooks/there/${id.toUpperCase()}`,
    ])
      answers.push((await send(at, message)).body);
    expect(new Set(answers.map((one) => JSON.stringify(one))).size).toBe(1);
    expect(answers[0]).toMatchObject({ code: 'not_found' });
    await platform.call('DELETE', `/v1/apps/there/webhooks/${id}`);
    expect((await send(path, message)).status).toBe(404);
  });
});

describe('webhooks', () => {
  it('show their secret once, when they are made; the ledger has it encrypted', async () => {
    const { app, id, secret, path } = await webhook('secret', 'github');
    const listed = await platform.call('GET', `/v1/apps/${app}/webhooks`);
    expect(listed.body.webhooks).toEqual([
      {
        id,
        forge: 'github',
        repository: REPOSITORY,
        branch: 'main',
        reports: false,
        url: `http://slipway.test:7070/hooks/${app}/${id}`,
        createdAt: expect.any(String),
        createdBy: 'admin',
      },
    ]);
    const gitDir = platform.repositories.path(app);
    expect(await platform.git.text(['log', '-p', 'refs/slipway/ledger'], { gitDir })).not.toContain(secret);
    const message = pushMessage('github', secret, { commit: COMMIT, delivery: 'the first' });
    const { build, result } = (await send(path, message)).body;
    const received = await platform.call('GET', `/v1/apps/${app}/webhooks/${id}/received`);
    expect(received.body.received).toEqual([
      { at: expect.any(String), delivery: 'the first', result, build },
    ]);
    expect(await readFile(platform.store.recordPath(app, 'webhooks'), 'utf8')).not.toContain(secret);
  });

  it('are refused for what is no forge, no branch or no address, and beyond twenty', async () => {
    await platform.createApp('refused');
    const add = (body: object): Promise<Answer> =>
      platform.call('POST', '/v1/apps/refused/webhooks', {
        body: { forge: 'github', url: REPOSITORY, ...body },
      });
    for (const [body, code] of [
      [{ forge: 'bitbucket' }, 'bad_request'],
      [{ branch: '-x' }, 'invalid_name'],
      [{ url: 'git@github.com:acme/shop.git' }, 'bad_request'],
      [{ url: 'https://token@github.com/acme/shop.git' }, 'bad_request'],
      [{ url: 'file:///etc/passwd' }, 'bad_request'],
    ] as const)
      expect((await add(body)).body).toMatchObject({ code });
    for (let count = 0; count < 20; count += 1) expect((await add({})).status).toBe(201);
    expect((await add({})).body).toMatchObject({ code: 'too_large' });
  });
});
