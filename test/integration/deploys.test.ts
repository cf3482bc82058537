/** Deploys that nobody pushes, and pushes that make an app: over a whole platform, with its own builder, engine and edge. */
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { Receiver } from '../notify/support/receiver.js';
import { temporaryDirectory } from '../support/directories.js';
import { GitServer } from '../support/git-server.js';
import { newRepository, plainGit } from '../support/remote-repository.js';
import { until } from '../support/until.js';
import { pushMessage } from '../webhooks/support/forges.js';
import { type LiveApp, LivePlatform, page } from './support/live.js';

describe('deploys without a push', () => {
  let live: LivePlatform;
  beforeAll(async () => {
    live = await LivePlatform.start({ env: { SLIPWAY_OUTBOUND_ALLOW: '127.0.0.0/8' } });
  });
  afterAll(async () => {
    await live?.stop();
  }, 60_000);

  const json = async (app: LiveApp, ...args: string[]): Promise<Record<string, string>> =>
    JSON.parse(await app.slipway(...args, '--json', '-a', app.name)) as Record<string, string>;

  it('go live from an older commit, from a repository elsewhere, and from an image', async () => {
    const app = await live.app('ways', page('pushed'));
    await app.push();
    const first = await app.git('rev-parse', 'HEAD');
    await app.commit(page('pushed later'));
    await app.push();
    await app.slipway('deploy', first.slice(0, 9), '-a', 'ways');
    expect((await app.page()).body).toBe('pushed\n');
    const work = await newRepository(await temporaryDirectory(), page('from elsewhere'));
    const server = await GitServer.start(work);
    onTestFinished(() => server.stop());
    await app.slipway('git:sync', server.url, '--ref', 'main', '-a', 'ways');
    expect((await app.page()).body).toBe('from elsewhere\n');
    const [newest] = await app.releases();
    const other = await live.app('finished', page('never built'));
    const { host } = live.platform.config.registry;
    const theirs = `${host}/${newest?.image.repository}@${newest?.image.digest}`;
    const refused = await other.trySlipway('git:from-image', theirs, '-a', 'finished');
    expect(refused.output).toContain('belongs to another app');
    // Busybox itself serves nothing: what was not checked is not live.
    const shell = await other.trySlipway('git:from-image', `${host}/library/busybox`, '-a', 'finished');
    expect(shell.output).toMatch(/FROM \S+\/library\/busybox@sha256:[0-9a-f]{64}/);
    expect(shell.exitCode).not.toBe(0);
  });

  it('follow the pushes at a forge, which is told what became of them, and so is a chat', async () => {
    const app = await live.app('forged', page('first'));
    const work = await newRepository(await temporaryDirectory(), page('pushed at the forge'));
    const server = await GitServer.start(work);
    onTestFinished(() => server.stop());
    const chat = await Receiver.start();
    await app.slipway('notifications:add', chat.url, '--format', 'slack', '-a', 'forged');
    const { url = '', secret = '' } = await json(app, 'webhooks:add', 'gitea', server.url);
    const commit = plainGit(['rev-parse', 'HEAD'], work);
    const { headers, body } = pushMessage('gitea', secret, { commit });
    const answer = await fetch(url, { method: 'POST', headers, body });
    expect(answer.status).toBe(202);
    await until(async () => (await app.page()).body === 'pushed at the forge\n', 60_000);
    await until(() => chat.calls.length === 1, 30_000);
    expect(chat.calls[0]?.body.text).toMatch(/^:white_check_mark: .*forged.* v1 live .*teapot \(gitea\)/);
    expect((await fetch(url, { method: 'POST', headers, body })).status).toBe(409);
  });

  it('and a push to review/… has an address of its own until its branch is deleted', async () => {
    const app = await live.app('seen', page('the app'));
    await app.push();
    await app.slipway('config:set', 'A=b', '-a', 'seen');
    await app.commit(page('a proposal'));
    const pushed = await app.start('git', ['push', 'slipway', 'HEAD:review/proposal']).ended;
    expect(pushed.exitCode, pushed.output).toBe(0);
    expect(await live.pageOf('seen-review-proposal')).toBe('a proposal\n');
    expect((await app.page()).body).toBe('the app\n');
    expect(await app.slipway('config:get', 'A', '-a', 'seen-review-proposal')).toBe('b\n');
    const gone = await app.start('git', ['push', 'slipway', '--delete', 'review/proposal']).ended;
    expect(gone.exitCode, gone.output).toBe(0);
    await until(async () => (await live.pageOf('seen-review-proposal')) !== 'a proposal\n', 30_000);
    expect((await app.page()).body).toBe('the app\n');
  });
});
