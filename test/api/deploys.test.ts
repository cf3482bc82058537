/** Deploys without a push, over the API: which commit becomes a build, and what is refused before there is one. */
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { basicAuthorization } from '../../src/git/outside/outside.js';
import { pushBusybox } from '../support/builder.js';
import { temporaryDirectory } from '../support/directories.js';
import { GitServer } from '../support/git-server.js';
import { startRegistry, type TestRegistry } from '../support/registry.js';
import { newRepository, plainGit } from '../support/remote-repository.js';
import { type Answer, Platform } from './support/platform.js';

let platform: Platform;
let registry: TestRegistry;

beforeAll(async () => {
  registry = await startRegistry();
  platform = await Platform.start({
    registry: registry.host,
    env: { SLIPWAY_OUTBOUND_ALLOW: '127.0.0.0/8' },
  });
  await pushBusybox(platform.registry, registry.host, await temporaryDirectory());
});
afterAll(async () => {
  await platform.stop();
  await registry.stop();
});

const post = (app: string, what: string, body: unknown = {}): Promise<Answer> =>
  platform.call('POST', `/v1/apps/${app}/${what}`, { body });

const refOf = (app: string, ref: string): Promise<string> =>
  platform.git.text(['rev-parse', ref], { gitDir: platform.repositories.path(app) });

describe('deploy', () => {
  test('takes a branch, a commit or the beginning of its id, and without one what is live', async () => {
    await platform.createApp('again');
    const first = await platform.live('again', 'FROM a');
    const second = await platform.live('again', 'FROM b');
    const { repositories } = platform;
    await repositories.moveBranch('again', 'main', undefined, second.release.source);
    for (const [body, commit] of [
      [{}, second.release.source],
      [{ commit: 'main' }, second.release.source],
      [{ commit: first.release.source }, first.release.source],
      [{ commit: first.release.source.slice(0, 8).toUpperCase(), noCache: true }, first.release.source],
    ] as const) {
      const answer = await post('again', 'deploy', body);
      expect([answer.status, answer.body]).toEqual([
        202,
        expect.objectContaining({
          kind: 'push',
          state: 'accepted',
          commit,
          ref: 'refs/heads/main',
          who: 'admin',
        }),
      ]);
      const { push } = (await platform.store.get('again', answer.body.id))!;
      expect(push).toMatchObject({ oldOid: second.release.source, options: { noCache: 'noCache' in body } });
      // Accepted means kept.
      expect((await repositories.pins('again')).get(answer.body.id)).toBe(commit);
    }
    // Of those that wait the newest wins.
    expect(await platform.store.open('again')).toHaveLength(1);
  });

  test('in a freeze is refused with the reason, as a push is', async () => {
    await platform.createApp('frozen');
    await platform.live('frozen');
    // All of the week.
    for (const week of ['Mon 00:00-Sun 12:00', 'Sun 06:00-Mon 06:00'])
      await post('frozen', 'freezes', { week, reason: 'a sale' });
    const { status, body } = await post('frozen', 'deploy');
    expect([status, body.code, body.message]).toEqual([
      423,
      'locked',
      expect.stringMatching(/^frozen is frozen until .* by admin: a sale$/),
    ]);
    expect(await platform.store.open('frozen')).toEqual([]);
  });

  test('of an app that has nothing, of what is not there, and of a locked app is refused', async () => {
    await platform.createApp('empty');
    expect((await post('empty', 'deploy')).body).toMatchObject({ code: 'no_release' });
    for (const commit of ['main', 'abcdef1', 'HEAD', 'a'.repeat(40), 'refs/slipway/ledger'])
      expect((await post('empty', 'deploy', { commit })).body).toMatchObject({ code: 'not_found' });
    for (const commit of ['--all', 'main^{tree}', '@{-1}', ''])
      expect((await post('empty', 'deploy', { commit })).body).toMatchObject({ code: 'invalid_name' });
    await platform.live('empty');
    await platform.ledger.setLock('empty', 'a sale', 'ops');
    for (const [what, body] of [
      ['deploy', {}],
      ['sync', { url: 'https://192.0.2.1/x.git' }],
      ['from-image', { image: 'busybox' }],
    ] as const)
      expect((await post('empty', what, body)).body).toMatchObject({ code: 'locked' });
    expect(await platform.store.open('empty')).toEqual([]);
  });

  test('never takes the ledger for a source, which lies in the same repository', async () => {
    await platform.createApp('hidden');
    await platform.call('PATCH', '/v1/apps/hidden/config', { body: { SECRET: 'hunter2' } });
    await platform.live('hidden');
    const ledger = await refOf('hidden', 'refs/slipway/ledger');
    for (const commit of [ledger, ledger.slice(0, 12), await refOf('hidden', 'refs/slipway/ledger^')])
      expect((await post('hidden', 'deploy', { commit })).body).toMatchObject({ code: 'not_found' });
  });
});

describe('an image', () => {
  test('becomes a commit that builds it by its digest, on top of what is live', async () => {
    await platform.createApp('image');
    const { release } = await platform.live('image');
    await platform.repositories.moveBranch('image', 'main', undefined, release.source);
    const name = `${registry.host}/library/busybox`;
    const { status, body } = await post('image', 'from-image', { image: name });
    expect([status, body.state]).toEqual([202, 'accepted']);
    const digest = await platform.registry.headManifest(
      { registry: registry.host, repository: 'library/busybox' },
      'latest',
    );
    const gitDir = platform.repositories.path('image');
    expect(await platform.git.text(['show', `${body.commit}:Dockerfile`], { gitDir })).toBe(
      `# ${name}:latest\nFROM ${name}@${digest}`,
    );
    expect(await platform.git.text(['log', '--format=%an %s', body.commit], { gitDir })).toBe(
      `admin Deploy the image ${name}:latest\nalice a change`,
    );
    expect(await platform.git.text(['fsck', '--strict'], { gitDir })).toBe('');
  });

  test('that is not there, is no image, or is of another app makes no build', async () => {
    await platform.createApp('noimage');
    for (const [image, code] of [
      [`${registry.host}/library/absent`, 'image_not_found'],
      ['NOT AN IMAGE', 'invalid_name'],
      [`${registry.host}/apps/other`, 'registry_denied'],
      ['127.0.0.1:1/x', 'registry_denied'],
    ])
      expect((await post('noimage', 'from-image', { image })).body).toMatchObject({ code });
    expect(await platform.store.list('noimage')).toEqual([]);
  });
});

describe('a repository elsewhere', () => {
  test('is resolved at once, and fetched by the builder: the journal says from where', async () => {
    const work = await newRepository(await temporaryDirectory(), { Dockerfile: 'FROM a\n' });
    const server = await GitServer.start(work, { authorization: basicAuthorization('sesame') });
    onTestFinished(() => server.stop());
    await platform.createApp('synced');
    const sync = (body: object): Promise<Answer> => post('synced', 'sync', { url: server.url, ...body });
    expect((await sync({})).body).toMatchObject({
      code: 'context_invalid',
      hint: expect.stringContaining('git:auth'),
    });
    const host = encodeURIComponent(server.host);
    const put = await platform.call('PUT', `/v1/apps/synced/git-access/${host}`, {
      body: { token: 'sesame' },
    });
    expect(put.body).toEqual({ host: server.host });
    const commit = plainGit(['rev-parse', 'HEAD'], work);
    const { status, body } = await sync({ ref: 'main' });
    const from = { remote: server.url, ref: 'refs/heads/main' };
    expect([status, body]).toEqual([202, expect.objectContaining({ state: 'accepted', commit, from })]);
    expect((await sync({ ref: 'absent' })).body).toMatchObject({ code: 'context_invalid' });
    expect((await sync({ ref: commit })).body).toMatchObject({ commit, from: { ref: commit } });
    // The token is nowhere to be read.
    const listed = await platform.call('GET', '/v1/apps/synced/git-access');
    expect(listed.body).toEqual({ hosts: [server.host] });
    const gitDir = platform.repositories.path('synced');
    expect(await platform.git.text(['log', '-p', 'refs/slipway/ledger'], { gitDir })).not.toContain('sesame');
    const gone = await platform.call('DELETE', `/v1/apps/synced/git-access/${host}`);
    expect(gone.body).toEqual({ host: server.host, removed: true });
    expect((await platform.call('DELETE', `/v1/apps/synced/git-access/${host}`)).status).toBe(404);
  });

  test('must be public, plainly written, and without a password in its address', async () => {
    await platform.createApp('strict');
    for (const [url, code] of [
      ['https://10.0.0.1/x.git', 'forbidden'],
      ['https://user:sesame@example.com/x.git', 'bad_request'],
      ['https://example.com/x.git#main', 'bad_request'],
      ['file:///etc', 'context_invalid'],
      ['ext::sh -c id', 'context_invalid'],
      ['--upload-pack=id', 'context_invalid'],
    ])
      expect([url, (await post('strict', 'sync', { url })).body]).toEqual([
        url,
        expect.objectContaining({ code }),
      ]);
    expect(await platform.store.list('strict')).toEqual([]);
  });
});
