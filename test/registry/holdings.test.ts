import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { RegistryClient } from '../../src/registry/client.js';
import { asDigest } from '../../src/registry/image.js';
import { startRegistry, type TestRegistry } from '../support/registry.js';
import { type MadeImage, makeImage, startScripted } from './scripted.js';

let registry: TestRegistry;
let client: RegistryClient;
const open: { stop(): unknown }[] = [];

beforeAll(async () => {
  registry = await startRegistry();
  client = new RegistryClient({ pushAllowed: [registry.host] });
});
afterAll(async () => {
  client.close();
  await registry.stop();
});
afterEach(async () => {
  for (const part of open.splice(0)) await part.stop();
});

const place = (repository: string): { registry: string; repository: string } => ({
  registry: registry.host,
  repository,
});

async function push(repository: string, image: MadeImage, tags: readonly string[]): Promise<void> {
  await client.pushImage({
    ...place(repository),
    layers: [],
    config: image.config,
    manifest: image.manifest,
    tags,
  });
}

const image = (): MadeImage => makeImage([]);
const digest = asDigest(image().digest);

test('tags are listed, and a repository that is not there has none', async () => {
  expect(await client.listTags(place('apps/none'))).toEqual([]);
  await push('apps/tags', image(), ['v2', 'b1', 'git-0123456789ab']);
  expect((await client.listTags(place('apps/tags'))).sort()).toEqual(['b1', 'git-0123456789ab', 'v2']);
});

test('a list in several parts is read to its end', async () => {
  const pages: Record<string, string[]> = { '': ['a', 'b'], b: ['c'], c: [] };
  const server = await startScripted((request, response) => {
    const { searchParams } = new URL(request.url ?? '', 'http://x');
    const tags = pages[searchParams.get('last') ?? ''] ?? [];
    response.writeHead(200, {
      'content-type': 'application/json',
      ...(tags.length > 0 ? { link: '<x>; rel="next"' } : {}),
    });
    response.end(JSON.stringify({ name: 'apps/x', tags }));
  });
  open.push(server);
  expect(await client.listTags({ registry: server.host, repository: 'apps/x' })).toEqual(['a', 'b', 'c']);
});

test('a manifest is removed with its tags and can be pushed again', async () => {
  const made = image();
  await push('apps/removed', made, ['v1', 'latest']);
  expect([...(await client.blobsOf(place('apps/removed'), digest))!.values()]).toEqual([made.config.length]);
  expect(await client.deleteManifest(place('apps/removed'), digest)).toBe('removed');
  expect(await client.headManifest(place('apps/removed'), digest)).toBeUndefined();
  expect(await client.blobsOf(place('apps/removed'), digest)).toBeUndefined();
  expect(await client.listTags(place('apps/removed'))).toEqual([]);
  expect(await client.deleteManifest(place('apps/removed'), digest)).toBe('absent');
  await push('apps/removed', made, ['v1']);
  expect(await client.headManifest(place('apps/removed'), digest)).toBe(digest);
});

test('a registry that removes nothing says so', async () => {
  for (const answer of [405, 400]) {
    const server = await startScripted((_request, response) => {
      response.writeHead(answer, { 'content-type': 'application/json' });
      response.end(
        JSON.stringify({ errors: [{ code: 'UNSUPPORTED', message: 'The operation is unsupported.' }] }),
      );
    });
    open.push(server);
    const asking = new RegistryClient({ pushAllowed: [server.host] });
    open.push({ stop: () => asking.close() });
    expect(await asking.deleteManifest({ registry: server.host, repository: 'apps/x' }, digest)).toBe(
      'refused',
    );
  }
});

test('nothing is removed from a registry that may not be written to', async () => {
  await push('apps/guarded', image(), ['v1']);
  const guarded = new RegistryClient({ pushAllowed: [] });
  open.push({ stop: () => guarded.close() });
  await expect(guarded.deleteManifest(place('apps/guarded'), digest)).rejects.toMatchObject({
    code: 'registry_push_not_allowed',
  });
  expect(await client.headManifest(place('apps/guarded'), digest)).toBe(digest);
});
