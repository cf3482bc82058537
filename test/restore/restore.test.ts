/** A platform made by the ledger's own code, mirrored with git, and restored by the command. */
import { chmod, copyFile, cp, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { homePaths } from '../../src/config.js';
import { AppRepositories } from '../../src/git/app-repository.js';
import { Ledger } from '../../src/ledger/ledger.js';
import { PlatformLedger } from '../../src/ledger/platform.js';
import { Vault } from '../../src/ledger/vault.js';
import { RegistryClient } from '../../src/registry/client.js';
import { asDigest, digestOf } from '../../src/registry/image.js';
import { type Result, Terminal } from '../cli/support/terminal.js';
import { makeImage } from '../registry/scripted.js';
import { temporaryDirectory } from '../support/directories.js';
import { startRegistry, type TestRegistry } from '../support/registry.js';
import { releaseDraft } from '../support/release-draft.js';
import { commitFile, git } from '../support/repository.js';

const at = '2026-01-01T00:00:00.000Z';

let registry: TestRegistry;
let client: RegistryClient;
let old: string;
let mirror: string;
let home: string;
let token: string;
let terminal: Terminal;

beforeAll(async () => {
  registry = await startRegistry();
  client = new RegistryClient({ pushAllowed: [registry.host] });
});
afterAll(async () => {
  client.close();
  await registry.stop();
});

const open = async (
  at: string,
): Promise<{ ledger: Ledger; repositories: AppRepositories; platform: PlatformLedger }> => {
  const paths = homePaths(at);
  const repositories = new AppRepositories(paths, git);
  const ledger = new Ledger(paths, git, await Vault.open(paths.secretKey), {
    createRepository: (app, branch) => repositories.ensure(app, branch),
  });
  return { ledger, repositories, platform: new PlatformLedger(paths, git) };
};

async function image(app: string, content: string): Promise<string> {
  const made = makeImage([]);
  const config = Buffer.from(JSON.stringify({ ...JSON.parse(made.config.toString()), content }));
  const manifest = JSON.parse(made.manifest.toString()) as { config: { digest: string; size: number } };
  manifest.config.digest = digestOf(config);
  manifest.config.size = config.length;
  const { digest } = await client.pushImage({
    registry: registry.host,
    repository: `apps/${app}`,
    layers: [],
    config,
    manifest: Buffer.from(JSON.stringify(manifest)),
    tags: [],
  });
  return digest;
}

beforeEach(async () => {
  old = await temporaryDirectory();
  const { ledger, repositories, platform } = await open(old);
  token = (
    await platform.tokens.create({ name: 'admin', apps: '*', admin: true, mayCreateApps: true, who: 'x' })
  ).token;
  for (const app of ['hello', 'shop']) {
    await ledger.createApp(app, { deployBranch: 'main' }, 'alice');
    await ledger.setConfig(app, { GREETING: `hi from ${app}` }, 'alice');
    const source = await commitFile(repositories.path(app), 'Dockerfile', `FROM ${app}\n`);
    const { config } = await ledger.read(app);
    for (const [index, end] of (['live', 'live', undefined] as const).entries()) {
      const digest = await image(app, `${app} ${index}`);
      const draft = releaseDraft(
        app,
        { source, deploymentId: `d${index}` },
        { config, image: { repository: `apps/${app}`, digest } },
      );
      const { number } = await ledger.appendRelease(app, draft, 'alice');
      if (end !== undefined) await ledger.recordOutcome(app, number, { state: end, at });
    }
    await repositories.moveBranch(app, 'main', undefined, source);
    await repositories.pin(app, 'b000', source);
    // What the mirror must not bring along.
    await writeFile(join(repositories.path(app), 'hooks-of-somebody'), 'x');
    await git.run(['config', 'core.hooksPath', '/tmp/nowhere'], { gitDir: repositories.path(app) });
  }
  mirror = await temporaryDirectory();
  const { appRepositories, platformRepository } = homePaths(old);
  await mkdir(join(mirror, 'apps'));
  for (const app of ['hello', 'shop'])
    await cp(join(appRepositories, `${app}.git`), join(mirror, 'apps', `${app}.git`), { recursive: true });
  await cp(platformRepository, join(mirror, 'platform.git'), { recursive: true });
  home = join(await temporaryDirectory(), 'home');
  terminal = await Terminal.open();
});

const restore = (...argv: string[]): Promise<Result> =>
  terminal.run(['restore', mirror, ...argv], {
    env: { ...terminal.env, SLIPWAY_HOME: home, SLIPWAY_REGISTRY: registry.host },
  });
const key = (): string[] => ['--secret-key', homePaths(old).secretKey];

describe('restore', () => {
  it('brings back apps, releases, config, branches and tokens, and ends what was cut off', async () => {
    const { code, out, err } = await restore(...key());
    expect([code, err]).toEqual([0, '']);
    expect(out.split('\n')).toEqual([
      'hello: v2 is live, 3 releases; v3 had not ended',
      'shop: v2 is live, 3 releases; v3 had not ended',
      '1 tokens',
      `restored to ${home}; next: npm start`,
      '',
    ]);
    const [before, after] = [await open(old), await open(home)];
    expect(await after.ledger.listApps()).toEqual(['hello', 'shop']);
    for (const app of ['hello', 'shop']) {
      const [was, is] = [await before.ledger.read(app), await after.ledger.read(app)];
      const [first, second, third] = is.releases;
      expect([first, second]).toEqual(was.releases.slice(0, 2));
      expect(third?.outcome).toMatchObject({ state: 'failed', reason: expect.stringContaining('restored') });
      expect([is.settings, is.config, is.live]).toEqual([was.settings, was.config, 2]);
      expect(after.ledger.revealConfig(app, is.config)).toEqual({ GREETING: `hi from ${app}` });
      expect(await after.repositories.branch(app, 'main')).toBe(second?.source);
      const gitDir = after.repositories.path(app);
      await git.run(['fsck', '--strict', '--connectivity-only'], { gitDir });
      expect(await readdir(gitDir)).not.toContain('hooks-of-somebody');
      expect(await readFile(join(gitDir, 'config'), 'utf8')).not.toContain('nowhere');
      expect([...(await after.repositories.pins(app)).keys()]).toEqual([]);
      // It goes on from there.
      const made = await after.ledger.appendRelease(
        app,
        releaseDraft(app, { source: second!.source, deploymentId: 'next' }),
        'a',
      );
      expect(made.number).toBe(4);
    }
    expect(await after.platform.tokens.verify(token)).toMatchObject({ name: 'admin', admin: true });
    expect((await stat(homePaths(home).secretKey)).mode & 0o777).toBe(0o600);
    expect((await readdir(home)).sort()).toEqual(['git', 'secret.key']);
  });

  it('writes nothing in a dry run', async () => {
    const { code, out } = await restore(...key(), '--dry-run', '--json');
    expect([code, JSON.parse(out)]).toEqual([0, expect.objectContaining({ isDone: false, tokens: 1 })]);
    await expect(stat(home)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('takes a copy of a home as it is, key included', async () => {
    mirror = await temporaryDirectory();
    await cp(join(old, 'git'), join(mirror, 'git'), { recursive: true });
    await copyFile(homePaths(old).secretKey, join(mirror, 'secret.key'));
    await chmod(join(mirror, 'secret.key'), 0o600);
    await writeFile(join(mirror, 'platform.id'), 'abcdefgh\n');
    await mkdir(join(mirror, 'hosts', 'alpha'), { recursive: true });
    await writeFile(join(mirror, 'hosts', 'alpha', 'known_hosts'), 'alpha key\n', { mode: 0o644 });
    expect((await restore()).code).toBe(0);
    expect(await readFile(join(home, 'platform.id'), 'utf8')).toBe('abcdefgh\n');
    const hostKey = join(home, 'hosts', 'alpha', 'known_hosts');
    expect(await readFile(hostKey, 'utf8')).toBe('alpha key\n');
    expect((await stat(hostKey)).mode & 0o777).toBe(0o600);
    const { ledger } = await open(home);
    expect(ledger.revealConfig('shop', (await ledger.read('shop')).config)).toEqual({
      GREETING: 'hi from shop',
    });
  });

  it('refuses a home that is in use, and leaves it alone', async () => {
    await mkdir(home);
    await writeFile(join(home, 'platform.json'), '{}');
    const { code, err } = await restore(...key(), '--force');
    expect(code).toBe(1);
    expect(err).toContain(`${home}: it is not empty: it has platform.json`);
    expect(await readdir(home)).toEqual(['platform.json']);
  });

  it('says which config vars cannot be read without the key or with another, and does it only by force', async () => {
    const without = await restore();
    expect(without.code).toBe(1);
    expect(without.err).toContain(
      'hello: its config vars cannot be read without the key (--secret-key FILE): GREETING',
    );
    expect(without.err).toContain('restore all the same with --force');
    await expect(stat(home)).rejects.toMatchObject({ code: 'ENOENT' });
    const another = join(await temporaryDirectory(), 'key');
    await Vault.open(another);
    const wrong = await restore('--secret-key', another);
    expect([wrong.code, wrong.err]).toEqual([
      1,
      expect.stringContaining('not encrypted with this key: GREETING'),
    ]);
    const none = await restore('--secret-key', `${another}-that-is-not-there`);
    expect([none.code, none.err]).toEqual([1, expect.stringContaining('the key file cannot be read')]);
    expect((await restore('--force')).code).toBe(0);
    expect((await open(home).then(({ ledger }) => ledger.read('hello'))).live).toBe(2);
  });

  it('says which image is missing from the registry, and of what no rollback is possible', async () => {
    const { ledger } = await open(old);
    const { releases } = await ledger.read('hello');
    const place = { registry: registry.host, repository: 'apps/hello' };
    await client.deleteManifest(place, asDigest(releases[0]!.image.digest));
    const one = await restore(...key(), '--dry-run');
    expect([one.code, one.out]).toEqual([
      0,
      expect.stringContaining('hello: v2 is live, 3 releases; no image of v1; v3'),
    ]);
    await client.deleteManifest(place, asDigest(releases[1]!.image.digest));
    const live = await restore(...key());
    expect([live.code, live.err]).toEqual([
      1,
      expect.stringContaining('hello: the image of v2, which is live, is not in'),
    ]);
  });

  it("brings a registry's own data along, and sees what is damaged in it", async () => {
    const data = join(await temporaryDirectory(), 'registry');
    await cp(registry.data, data, { recursive: true });
    const { code } = await restore(...key(), '--registry-data', data);
    expect(code).toBe(0);
    expect(await readdir(join(home, 'registry', 'docker', 'registry', 'v2'))).toEqual(
      expect.arrayContaining(['blobs', 'repositories']),
    );
    await rm(home, { recursive: true });
    const { ledger } = await open(old);
    const hex = (await ledger.read('shop')).releases[1]!.image.digest.slice(7);
    await writeFile(join(data, 'docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data'), 'damaged');
    const damaged = await restore(...key(), '--registry-data', data);
    expect([damaged.code, damaged.err]).toEqual([
      1,
      expect.stringContaining('shop: the image of v2, which is live'),
    ]);
  });

  it('names an app without a ledger, and a directory without a platform', async () => {
    await git.run(['update-ref', '-d', 'refs/slipway/ledger'], { gitDir: join(mirror, 'apps', 'shop.git') });
    const { code, err } = await restore(...key());
    expect([code, err]).toEqual([
      1,
      expect.stringContaining('shop: it has no ledger: was the mirror made with'),
    ]);
    mirror = await temporaryDirectory();
    expect((await restore(...key())).err).toContain('there are no repositories of a platform');
  });

  it('leaves an empty home behind when it fails half-way', async () => {
    const packs = join(mirror, 'apps', 'shop.git', 'objects');
    const { ledger } = await open(old);
    const { source } = (await ledger.read('shop')).releases[0]!;
    const tree = await git.text(['rev-parse', `${source}^{tree}`], {
      gitDir: join(mirror, 'apps', 'shop.git'),
    });
    await rm(join(packs, tree.slice(0, 2), tree.slice(2)));
    const { code } = await restore(...key());
    expect(code).toBe(1);
    expect(await readdir(home)).toEqual([]);
  });
});
