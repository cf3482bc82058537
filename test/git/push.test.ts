import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { until } from '../support/until.js';
import {
  type BuildScript,
  endAs,
  Gate,
  goLive,
  Platform,
  type PlatformOptions,
  processesWith,
} from './support/platform.js';
import { WorkTree } from './support/repositories.js';

async function platformWithHello(
  options: PlatformOptions = {},
): Promise<{ platform: Platform; tree: WorkTree; head: string }> {
  const platform = await Platform.start(options);
  await platform.createApp('hello');
  const tree = await WorkTree.create();
  await platform.addRemote(tree, 'hello');
  return { platform, tree, head: await tree.git('rev-parse', 'HEAD') };
}

/** Goes live when the gate opens. */
function onceOpen(gate: Gate): BuildScript {
  return async (build) => {
    await build.log.headline('Under way');
    await gate.passed;
    await goLive(build);
  };
}

const tracking = (tree: WorkTree): Promise<string> =>
  tree.git('for-each-ref', '--format=%(objectname) %(refname)', 'refs/remotes');

describe('a push to a locked app', () => {
  test('is refused at once with the reason, and goes through when that is over', async () => {
    const { platform, tree } = await platformWithHello();
    platform.locks.set('hello', { reason: 'sale until Monday', by: 'bob', at: '' });
    const refused = await platform.client(tree, 'push', 'slipway', 'main');
    expect(refused.exitCode).not.toBe(0);
    expect(refused.text).toContain('remote:  !     hello is locked by bob: sale until Monday');
    expect(refused.text).toContain('slipway apps:unlock -a hello');
    expect(await platform.store.list('hello')).toEqual([]);
    platform.locks.clear();
    expect((await platform.client(tree, 'push', 'slipway', 'main')).exitCode).toBe(0);
  });
});

describe('a push in a freeze', () => {
  test('is refused with the reason and the end, but for who may force it', async () => {
    const { platform, tree } = await platformWithHello();
    const freeze = { week: 'Fri 16:00-Mon 08:00', timeZone: 'UTC', reason: 'weekend', by: 'bob', at: '' };
    platform.freezes.set('hello', { ...freeze, until: '2026-11-30T08:00:00.000Z' });
    const refused = await platform.client(tree, 'push', 'slipway', 'main');
    expect(refused.exitCode).not.toBe(0);
    expect(refused.text).toContain(
      'remote:  !     hello is frozen until 2026-11-30T08:00:00.000Z by bob: weekend',
    );
    expect(await platform.store.list('hello')).toEqual([]);
    const forced = await platform.client(tree, 'push', '-o', 'force', 'slipway', 'main');
    expect(forced.exitCode, forced.text).toBe(0);
  });
});

describe('a push that goes live', () => {
  test('shows the log, moves the branch, and is remembered as live', async () => {
    const { platform, tree, head } = await platformWithHello();
    const push = await platform.client(tree, 'push', 'slipway', 'main');
    const [deployment] = await platform.store.list('hello');
    expect(push.exitCode).toBe(0);
    expect(push.text).toContain(`remote: -----> Build ${deployment!.id} of ${head.slice(0, 7)} for hello`);
    expect(push.text).toContain(`slipway builds:output -a hello ${deployment!.id} -f`);
    expect(push.text).toContain('remote: =====> v1 of hello is live');
    expect(push.text).toContain('* [new branch]      main -> main');
    expect(deployment).toMatchObject({
      state: 'live',
      who: 'ada',
      push: { ref: 'refs/heads/main', newOid: head, oldOid: '0'.repeat(40) },
    });
    expect(await platform.repositories.branch('hello', 'main')).toBe(head);
    expect(await platform.repositories.pins('hello')).toEqual(new Map([[deployment!.id, head]]));
    expect(await tracking(tree)).toBe(`${head} refs/remotes/slipway/main`);
  });

  test('leaves the next push to start from it', async () => {
    const { platform, tree, head } = await platformWithHello();
    await platform.client(tree, 'push', 'slipway', 'main');
    const next = await tree.commit({ Dockerfile: 'FROM scratch\nCOPY . /\n' });
    const push = await platform.client(tree, 'push', 'slipway', 'main');
    expect(push.text).toContain(`${head.slice(0, 7)}..${next.slice(0, 7)}  main -> main`);
    expect((await platform.store.list('hello'))[0]).toMatchObject({
      state: 'live',
      push: { oldOid: head, newOid: next },
    });
    expect((await platform.client(tree, 'push', 'slipway', 'main')).text).toContain('Everything up-to-date');
  });

  test('can be cloned and fetched, and nothing but its branch is seen', async () => {
    const { platform, tree, head } = await platformWithHello();
    await platform.client(tree, 'push', 'slipway', 'main');
    const [pin] = [...(await platform.repositories.pins('hello')).keys()];
    expect(await tree.git('ls-remote', 'slipway')).toBe(`${head}\tHEAD\n${head}\trefs/heads/main`);
    const clone = await WorkTree.create();
    await clone.git('clone', '--quiet', platform.url('hello', 'hello-token'), 'copy');
    expect(await clone.git('-C', 'copy', 'rev-parse', 'HEAD')).toBe(head);
    const hidden = await platform.client(
      clone,
      '-C',
      'copy',
      'fetch',
      'origin',
      `refs/slipway/pushes/${pin}`,
    );
    expect(hidden).toMatchObject({
      exitCode: 128,
      text: expect.stringContaining("couldn't find remote ref"),
    });
  });

  test('does not open what only hidden refs lead to, even by its id', async () => {
    const { platform, tree, head } = await platformWithHello();
    await platform.client(tree, 'push', 'slipway', 'main');
    platform.script = endAs('failed', 'broken');
    const secret = await tree.commit({ secret: 'x' });
    await platform.client(tree, 'push', 'slipway', 'main');
    expect([...(await platform.repositories.pins('hello')).values()]).toContain(secret);
    const clone = await WorkTree.create();
    for (const version of ['0', '1', '2']) {
      const fetch = await platform.client(
        clone,
        '-c',
        `protocol.version=${version}`,
        'fetch',
        platform.url('hello'),
        secret,
      );
      expect(fetch).toMatchObject({ exitCode: 128 });
      expect(
        (
          await platform.client(
            clone,
            '-c',
            `protocol.version=${version}`,
            'fetch',
            platform.url('hello'),
            head,
          )
        ).exitCode,
      ).toBe(0);
    }
  });
});

describe('a push that does not go live', () => {
  test('is rejected with the reason, moves nothing, and can be pushed again as it is', async () => {
    const { platform, tree, head } = await platformWithHello({
      script: endAs('failed', 'Dockerfile:3: unknown instruction\nFORM'),
    });
    const push = await platform.client(tree, 'push', 'slipway', 'main');
    expect(push.exitCode).toBe(1);
    expect(push.text).toContain('! [remote rejected] main -> main (Dockerfile:3: unknown instruction FORM)');
    expect(await platform.repositories.branch('hello', 'main')).toBeUndefined();
    expect(await tracking(tree)).toBe('');
    platform.script = goLive;
    expect((await platform.client(tree, 'push', 'slipway', 'main')).exitCode).toBe(0);
    expect(await platform.repositories.branch('hello', 'main')).toBe(head);
  });

  test('does not send again what was received before', async () => {
    const { platform, tree } = await platformWithHello({ script: endAs('failed', 'broken') });
    await tree.commit({ large: Buffer.from(Array.from({ length: 400_000 }, (_, i) => (i * i * 31) % 251)) });
    await platform.client(tree, 'push', 'slipway', 'main');
    await tree.commit({ Dockerfile: 'FROM busybox\n' });
    const { text } = await platform.client(tree, 'push', '--progress', 'slipway', 'main');
    expect(text).toMatch(/Writing objects: 100% \(3\/3\)/);
  });

  test('because it was cancelled says so', async () => {
    const { platform, tree } = await platformWithHello({ script: endAs('cancelled', 'cancelled by ben') });
    const push = await platform.client(tree, 'push', 'slipway', 'main');
    expect(push).toMatchObject({ exitCode: 1, text: expect.stringContaining('(cancelled by ben)') });
  });
});

describe('push options', () => {
  test('detach answers at once, leaves the tracking branch, and the build goes on', async () => {
    const gate = new Gate();
    const { platform, tree, head } = await platformWithHello({
      script: onceOpen(gate),
    });
    const push = await platform.client(tree, 'push', '-o', 'detach', 'slipway', 'main');
    const [deployment] = await platform.store.list('hello');
    expect(push.exitCode).toBe(0);
    expect(push.text).toContain(`-----> Build ${deployment!.id}`);
    expect(push.text).toContain(`* [new reference]   main -> refs/slipway/pushes/${deployment!.id}`);
    expect(await tracking(tree)).toBe('');
    expect(deployment!.state).not.toBe('live');
    gate.open();
    await expect.poll(async () => (await platform.store.get('hello', deployment!.id))?.state).toBe('live');
    expect(await platform.repositories.branch('hello', 'main')).toBe(head);
  });

  test('build-only is accepted without pretending that the branch moved', async () => {
    const { platform, tree } = await platformWithHello({ script: endAs('built') });
    const push = await platform.client(tree, 'push', '-o', 'build-only', '-o', 'no-cache', 'slipway', 'main');
    const [deployment] = await platform.store.list('hello');
    expect(push.exitCode).toBe(0);
    expect(push.text).toContain(`main -> refs/slipway/pushes/${deployment!.id}`);
    expect(deployment!.push!.options).toEqual({ detach: false, noCache: true, buildOnly: true });
    expect(await tracking(tree)).toBe('');
  });

  test('one that is not known is refused by name, with those that are', async () => {
    const { platform, tree } = await platformWithHello();
    const push = await platform.client(tree, 'push', '-o', 'detach', '-o', 'dry-run', 'slipway', 'main');
    expect(push.exitCode).toBe(1);
    expect(push.text).toContain('unknown push option "dry-run"');
    expect(push.text).toContain('known are: detach, no-cache, build-only');
    expect(await platform.store.list('hello')).toEqual([]);
  });
});

describe('what does not deploy', () => {
  test('another branch is refused with the branch that does and the command', async () => {
    const { platform, tree } = await platformWithHello();
    const push = await platform.client(tree, 'push', 'slipway', 'main:feature/x');
    expect(push.exitCode).toBe(1);
    expect(push.text).toContain('(only main deploys; try: git push <remote> feature/x:main)');
    expect(await platform.refs('hello')).toEqual([]);
  });

  test('a tag is refused, as a ref and as what the deploy branch should be', async () => {
    const { platform, tree } = await platformWithHello();
    await tree.git('tag', '-a', 'v1', '-m', 'one');
    const asRef = await platform.client(tree, 'push', 'slipway', 'v1');
    expect(asRef).toMatchObject({
      exitCode: 1,
      text: expect.stringContaining('tags do not deploy, only main does'),
    });
    const asBranch = await platform.client(tree, 'push', 'slipway', 'v1:refs/heads/main');
    expect(asBranch).toMatchObject({
      exitCode: 1,
      text: expect.stringContaining('a tag cannot be deployed, only a commit can'),
    });
    const commit = await platform.client(tree, 'push', 'slipway', 'v1^{commit}:refs/heads/main');
    expect(commit.exitCode).toBe(0);
  });

  test('deleting the deploy branch is refused', async () => {
    const { platform, tree, head } = await platformWithHello();
    await platform.client(tree, 'push', 'slipway', 'main');
    const push = await platform.client(tree, 'push', 'slipway', ':main');
    expect(push).toMatchObject({
      exitCode: 1,
      text: expect.stringContaining('main is what deploys and cannot be deleted'),
    });
    expect(await platform.repositories.branch('hello', 'main')).toBe(head);
  });

  test('a hidden ref cannot be written', async () => {
    const { platform, tree } = await platformWithHello();
    const push = await platform.client(tree, 'push', 'slipway', 'main:refs/slipway/ledger');
    expect(push.exitCode).toBe(1);
    expect(await platform.refs('hello')).toEqual([]);
  });

  test('of several refs the deploy branch is taken and the others are refused one by one', async () => {
    const { platform, tree, head } = await platformWithHello();
    await tree.git('branch', 'feature');
    await tree.git('tag', 'v1');
    const push = await platform.client(tree, 'push', 'slipway', 'main', 'feature', 'v1');
    expect(push.exitCode).toBe(1);
    expect(push.text).toMatch(/\* \[new branch\] +main -> main/);
    expect(push.text).toMatch(/! \[remote rejected\] feature -> feature \(only main deploys/);
    expect(push.text).toMatch(/! \[remote rejected\] v1 -> v1 \(tags do not deploy/);
    expect((await platform.refs('hello')).filter((ref) => !ref.includes('slipway'))).toEqual([
      `${head} refs/heads/main`,
    ]);
  });

  test('of several refs in an atomic push none is taken', async () => {
    const { platform, tree } = await platformWithHello();
    await tree.git('branch', 'feature');
    const push = await platform.client(tree, 'push', '--atomic', 'slipway', 'main', 'feature');
    expect(push.exitCode).toBe(1);
    expect(await platform.store.list('hello')).toEqual([]);
  });

  test('more refs than allowed are all refused with the limit', async () => {
    const { platform, tree } = await platformWithHello({ limits: { refsPerPush: 3 } });
    for (const name of ['a', 'b', 'c']) await tree.git('branch', name);
    const push = await platform.client(tree, 'push', '--all', 'slipway');
    expect(push).toMatchObject({
      exitCode: 1,
      text: expect.stringContaining('4 refs in one push, the limit is 3'),
    });
    expect(await platform.store.list('hello')).toEqual([]);
  });

  test('a push that was overtaken on its way is refused', async () => {
    const { platform, tree, head } = await platformWithHello();
    await platform.client(tree, 'push', 'slipway', 'main');
    const theirs = await tree.commit({ theirs: '' });
    await platform.client(tree, 'push', '-o', 'detach', 'slipway', 'main');
    await expect.poll(() => platform.repositories.branch('hello', 'main')).toBe(theirs);
    await platform.repositories.moveBranch('hello', 'main', theirs, head);
    await tree.git('reset', '--quiet', '--hard', head);
    await tree.commit({ ours: '' });
    // git runs it between seeing the refs and sending the push.
    const hook = join(tree.path, '.git', 'hooks', 'pre-push');
    await writeFile(
      hook,
      `#!/bin/sh\ngit --git-dir=${platform.gitDir('hello')} update-ref refs/heads/main ${theirs}\n`,
    );
    await chmod(hook, 0o755);
    const push = await platform.client(tree, 'push', 'slipway', 'main');
    expect(push).toMatchObject({
      exitCode: 1,
      text: expect.stringContaining(`main moved to ${theirs.slice(0, 7)} while this push was on its way`),
    });
    expect(push.text).toContain('git fetch, then push again');
  });
});

describe('the pusher is a viewer', () => {
  test('^C detaches: the build goes on, and nothing of the push is left behind', async () => {
    const gate = new Gate();
    const { platform, tree, head } = await platformWithHello({
      script: onceOpen(gate),
    });
    const client = platform.start(tree, 'push', 'slipway', 'main');
    await client.shows('Under way');
    expect(await processesWith(platform.home)).not.toEqual([]);
    client.interrupt();
    await client.ended;
    await expect.poll(() => processesWith(platform.home), { timeout: 10_000 }).toEqual([]);
    const [deployment] = await platform.store.list('hello');
    expect(deployment!.state).toBe('building');
    gate.open();
    await expect.poll(() => platform.repositories.branch('hello', 'main')).toBe(head);
    await expect.poll(() => platform.leftovers()).toEqual([]);
  });

  test('is told that the work goes on while nothing is printed', async () => {
    const gate = new Gate();
    const { platform, tree } = await platformWithHello({
      signOfLifeMs: 20,
      script: onceOpen(gate),
    });
    const client = platform.start(tree, 'push', 'slipway', 'main');
    await client.shows('… building, 0 s');
    gate.open();
    expect((await client.ended).exitCode).toBe(0);
    const [deployment] = await platform.store.list('hello');
    expect(await readFile(platform.store.logPath('hello', deployment!.id), 'utf8')).not.toContain('…');
  });

  test('is let go with the way back when the platform restarts', async () => {
    const gate = new Gate();
    const { platform, tree } = await platformWithHello({ script: onceOpen(gate) });
    const client = platform.start(tree, 'push', 'slipway', 'main');
    await client.shows('-----> Build');
    const closing = platform.server.close();
    const push = await client.ended;
    const [deployment] = await platform.store.list('hello');
    expect(push.exitCode).toBe(1);
    expect(push.text).toContain(`Slipway restarts: build ${deployment!.id} goes on`);
    await closing;
    gate.open();
  });

  test('hears the same when only the hook is let go', async () => {
    const gate = new Gate();
    const { platform, tree } = await platformWithHello({ script: onceOpen(gate) });
    const client = platform.start(tree, 'push', 'slipway', 'main');
    await client.shows('-----> Build');
    await platform.hooks.close();
    const push = await client.ended;
    const [deployment] = await platform.store.list('hello');
    expect(push.exitCode).toBe(1);
    expect(push.text).toContain(`(Slipway restarts; build ${deployment!.id} goes on)`);
    expect(push.text).toContain(`slipway builds:output -a hello ${deployment!.id} -f`);
    gate.open();
  });

  test('a killed receive-pack ends the push but not the build', async () => {
    const gate = new Gate();
    const { platform, tree, head } = await platformWithHello({
      script: onceOpen(gate),
    });
    const client = platform.start(tree, 'push', 'slipway', 'main');
    await client.shows('-----> Build');
    for (const pid of await processesWith('receive-pack\0--stateless-rpc')) {
      if ((await processesWith(platform.home)).includes(pid)) process.kill(pid, 'SIGKILL');
    }
    expect((await client.ended).exitCode).not.toBe(0);
    await expect.poll(() => processesWith(platform.home), { timeout: 10_000 }).toEqual([]);
    gate.open();
    await expect.poll(() => platform.repositories.branch('hello', 'main')).toBe(head);
    await expect.poll(() => platform.leftovers()).toEqual([]);
  });
});

describe('several pushes to one app', () => {
  test('while one builds, the newest waits and the ones between are told who superseded them', async () => {
    const gate = new Gate();
    const { platform, tree } = await platformWithHello({
      script: onceOpen(gate),
    });
    const first = platform.start(tree, 'push', 'slipway', 'main');
    await first.shows('Under way');
    // From here on nobody takes what is enqueued, as a busy builder would not.
    const waiting: string[] = [];
    platform.take = async (app) => void waiting.push(app);
    await tree.commit({ two: '' });
    const second = platform.start(tree, 'push', 'slipway', 'main');
    await second.shows('Waits for build');
    const three = await tree.commit({ three: '' });
    const third = platform.start(tree, 'push', 'slipway', 'main');
    await third.shows('Waits for build');
    const [newest] = await platform.store.list('hello');
    expect(await second.ended).toMatchObject({
      exitCode: 1,
      text: expect.stringContaining(`(superseded by build ${newest!.id})`),
    });
    gate.open();
    expect((await first.ended).exitCode).toBe(0);
    await platform.work('hello');
    expect((await third.ended).exitCode).toBe(0);
    expect(await platform.repositories.branch('hello', 'main')).toBe(three);
    expect((await platform.store.list('hello')).map(({ state }) => state)).toEqual([
      'live',
      'superseded',
      'live',
    ]);
    expect(waiting).toEqual(['hello', 'hello']);
  });

  test('two at the same moment both end, and one of them or both are live', async () => {
    const { platform, tree } = await platformWithHello();
    const other = await WorkTree.create({ Dockerfile: 'FROM busybox\n' });
    await platform.addRemote(other, 'hello');
    const pushes = await Promise.all([
      platform.client(tree, 'push', 'slipway', 'main'),
      platform.client(other, 'push', 'slipway', 'main'),
    ]);
    expect(pushes.some(({ exitCode }) => exitCode === 0)).toBe(true);
    const deployments = await platform.store.list('hello');
    expect(await platform.store.open('hello')).toEqual([]);
    const live = deployments.filter(({ state }) => state === 'live').map(({ push }) => push!.newOid);
    expect(live).toContain(await platform.repositories.branch('hello', 'main'));
  });

  test('ten apps at once each get their own', async () => {
    const platform = await Platform.start();
    const names = Array.from({ length: 10 }, (_, i) => `app${i}`);
    const trees = await Promise.all(
      names.map((name) => WorkTree.create({ Dockerfile: `FROM scratch\n# ${name}\n` })),
    );
    const pushes = await Promise.all(names.map((name, i) => platform.push(trees[i]!, name)));
    expect(pushes.map(({ exitCode }) => exitCode)).toEqual(names.map(() => 0));
    for (const [i, name] of names.entries()) {
      expect(await platform.repositories.branch(name, 'main')).toBe(await trees[i]!.git('rev-parse', 'HEAD'));
    }
  });
});

describe('faults at acceptance', () => {
  test.each([
    ['fails', () => Promise.reject(new Error('connect ECONNREFUSED'))],
    ['does not take it', () => Promise.resolve(false)],
  ])('a push is kept and says so when the queue %s', async (_how, take) => {
    const { platform, tree } = await platformWithHello();
    platform.take = take;
    const client = platform.start(tree, 'push', 'slipway', 'main');
    await client.shows('The queue cannot be reached. The push is kept');
    await platform.work('hello');
    expect((await client.ended).exitCode).toBe(0);
  });

  test('a push that waits behind others says how many', async () => {
    const { platform, tree } = await platformWithHello();
    platform.waiting = async () => 3;
    const push = await platform.client(tree, 'push', '-o', 'detach', 'slipway', 'main');
    expect(push.text).toContain('Waits: 3 builds are ahead of it');
    // The scripted builders do not take turns: both would move the branch at once.
    await until(async () => (await platform.store.open('hello')).length === 0);
    platform.waiting = () => Promise.reject(new Error('connect ECONNREFUSED'));
    await tree.commit({ more: '' });
    expect((await platform.client(tree, 'push', 'slipway', 'main')).exitCode).toBe(0);
  });

  test('a commit that cannot be pinned ends its deployment as failed', async () => {
    const { platform, tree } = await platformWithHello();
    // A file where the directory of pins should be.
    await writeFile(join(platform.gitDir('hello'), 'refs', 'slipway'), '');
    const push = await platform.client(tree, 'push', 'slipway', 'main');
    expect(push.exitCode).toBe(1);
    expect(push.text).toContain('Slipway could not handle this push');
    expect(push.text).not.toContain(platform.home);
    expect(await platform.store.list('hello')).toMatchObject([
      { state: 'failed', reason: expect.stringContaining('could not be kept') },
    ]);
    expect(await platform.store.open()).toEqual([]);
  });
});
