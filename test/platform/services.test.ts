import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeHome, type PlatformPaths, platformPaths } from '../../platform/home.js';
import { Output } from '../../platform/output.js';
import { choosePort } from '../../platform/ports.js';
import { checkEdge, startEdge } from '../../platform/services/edge.js';
import { checkEngine } from '../../platform/services/engine.js';
import { checkRedis, startRedis } from '../../platform/services/redis.js';
import { checkRegistry, startRegistry } from '../../platform/services/registry.js';
import type { Service, ServiceContext } from '../../platform/services/service.js';
import { loadConfig } from '../../src/config.js';
import { hasGarbage, markGarbage } from '../../src/housekeeping/retention/garbage.js';
import { RegistryClient } from '../../src/registry/client.js';
import { asDigest } from '../../src/registry/image.js';
import { type MadeImage, makeImage } from '../registry/scripted.js';
import { freePort } from '../support/ports.js';
import { until } from '../support/until.js';

let paths: PlatformPaths;
let context: ServiceContext;
let lines: string[];
const services: Service[] = [];

beforeEach(() => {
  paths = platformPaths(mkdtempSync(join(tmpdir(), 'slipway-srv-')));
  makeHome(paths);
  lines = [];
  context = { paths, output: new Output({ write: (text: string) => lines.push(text) }) };
});

afterEach(async () => {
  for (const service of services.splice(0)) await service.stop();
  rmSync(paths.home, { recursive: true, force: true });
});

async function keep(starting: Promise<Service>): Promise<Service> {
  const service = await starting;
  services.push(service);
  return service;
}

describe('Redis', () => {
  it('is started on a socket that only this user may open, and keeps keys over a restart', async () => {
    const first = await keep(startRedis(context));
    const redis = new Redis(first.address);
    await redis.set('key', 'value');
    redis.disconnect();
    await first.stop();
    const second = await keep(startRedis(context));
    const again = new Redis(second.address);
    expect(await again.get('key')).toBe('value');
    again.disconnect();
    await checkRedis(second.address);
  });

  it('that was killed comes back at the same address', async () => {
    const service = await keep(startRedis(context));
    process.kill(service.pid!, 'SIGKILL');
    await until(() =>
      checkRedis(service.address).then(
        () => true,
        () => false,
      ),
    );
    expect(lines.join('')).toContain('redis was ended by SIGKILL; it starts again');
  });

  it('of the environment that does not answer is named without its password', async () => {
    const port = await freePort();
    await expect(checkRedis(`redis://user:secret@127.0.0.1:${port}`)).rejects.toMatchObject({
      code: 'unavailable',
      where: 'SLIPWAY_REDIS_URL',
      message: expect.stringMatching(/redis:\/\/\*\*\*@127\.0\.0\.1:\d+: .*ECONNREFUSED/),
    });
  });
});

describe('the registry', () => {
  it('frees what was removed from it before it serves again, and nothing that an image needs', async () => {
    const port = await choosePort('registry', undefined);
    const service = await keep(startRegistry(context, port));
    const client = new RegistryClient({ pushAllowed: [service.address] });
    const place = { registry: service.address, repository: 'apps/hello' };
    const shared = Buffer.from('of both images');
    const files = join(paths.home, 'layers');
    mkdirSync(files);
    const push = async (content: string): Promise<MadeImage> => {
      const made = makeImage([shared, Buffer.from(content)]);
      const layers = made.layers.map(({ descriptor, bytes }, index) => {
        const file = join(files, `${content}-${index}`);
        writeFileSync(file, bytes);
        return { descriptor, file };
      });
      await client.pushImage({ ...place, layers, config: made.config, manifest: made.manifest, tags: [] });
      return made;
    };
    const [kept, removed] = [await push('kept'), await push('removed')];
    await client.deleteManifest(place, asDigest(removed.digest));
    const own = removed.layers[1]!.descriptor.digest;
    const again = async (): Promise<void> => {
      await services.pop()?.stop();
      await keep(startRegistry(context, port));
    };
    await again();
    expect(await client.hasBlob(place, own)).toBe(true);
    await markGarbage(paths.run);
    await again();
    expect(await client.hasBlob(place, own)).toBe(false);
    expect(await client.headManifest(place, kept.digest)).toBe(kept.digest);
    for (const { descriptor } of kept.layers)
      expect(await client.hasBlob(place, descriptor.digest)).toBe(true);
    expect(hasGarbage(paths.run)).toBe(false);
    // What was freed can be pushed again.
    await push('removed');
    expect(await client.hasBlob(place, own)).toBe(true);
    client.close();
  });

  it('that cannot be cleaned serves all the same, and is tried again', async () => {
    const repository = join(
      paths.registry,
      'docker/registry/v2/repositories/apps/hello/_manifests/revisions',
    );
    mkdirSync(join(repository, 'sha256', '0'.repeat(64)), { recursive: true });
    writeFileSync(join(repository, 'sha256', '0'.repeat(64), 'link'), 'damaged');
    await markGarbage(paths.run);
    const service = await keep(startRegistry(context, await choosePort('registry', undefined)));
    expect((await fetch(`http://${service.address}/v2/`)).status).toBe(200);
    expect(lines.join('')).toContain('could not free what was removed from it');
    expect(hasGarbage(paths.run)).toBe(true);
  });

  const config = (host: string) => loadConfig({ SLIPWAY_REGISTRY: host });

  it('is started on a loopback port, and deletes manifests when asked', async () => {
    const service = await keep(startRegistry(context, await freePort()));
    await checkRegistry(config(service.address));
    const gone = `http://${service.address}/v2/apps/x/manifests/sha256:${'0'.repeat(64)}`;
    expect((await fetch(gone, { method: 'DELETE' })).status).toBe(404);
  });

  it('of the environment that does not answer is named with the cause', async () => {
    const host = `127.0.0.1:${await freePort()}`;
    await expect(checkRegistry(config(host))).rejects.toMatchObject({
      code: 'registry_unavailable',
      where: 'SLIPWAY_REGISTRY',
      message: expect.stringContaining('ECONNREFUSED'),
    });
  });

  it('is not just any web server', async () => {
    const server = createServer((_, response) => response.writeHead(404).end()).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    await expect(checkRegistry(config(host))).rejects.toMatchObject({
      message: expect.stringContaining('answers 404'),
    });
    server.close();
  });

  it('may ask for credentials', async () => {
    const server = createServer((_, response) => response.writeHead(401).end()).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    await checkRegistry(config(`127.0.0.1:${(server.address() as AddressInfo).port}`));
    server.close();
  });
});

describe('the edge', () => {
  const edge = async () => ({
    masterSocket: join(paths.run, 'haproxy-master.sock'),
    configFile: join(paths.home, 'edge', 'haproxy.cfg'),
    bind: `127.0.0.1:${await freePort()}`,
  });

  it('answers 404 on a new home, before a deployer has configured it', async () => {
    const settings = await edge();
    await keep(startEdge(context, settings));
    await checkEdge(settings.masterSocket);
    const response = await fetch(`http://${settings.bind}/`);
    expect([response.status, await response.text()]).toEqual([404, 'no app has this name\n']);
  });

  it('keeps the configuration file that is there', async () => {
    const settings = await edge();
    const first = await keep(startEdge(context, settings));
    await first.stop();
    const written = readFileSync(settings.configFile, 'utf8');
    await keep(startEdge(context, { ...settings, bind: '127.0.0.1:1' }));
    expect(readFileSync(settings.configFile, 'utf8')).toBe(written);
  });

  it('can be asked for the administrator commands that the deployer needs', async () => {
    const settings = await edge();
    await keep(startEdge(context, settings));
    const connection = connect(settings.masterSocket).setEncoding('utf8');
    let answer = '';
    connection.on('data', (data: string) => {
      answer += data;
    });
    connection.end('@1 show stat\n');
    await new Promise((resolve) => connection.once('close', resolve));
    expect(answer).toContain('apps,FRONTEND');
  });

  it('leaves no worker behind when it is stopped', async () => {
    const settings = await edge();
    const service = await keep(startEdge(context, settings));
    await service.stop();
    await expect(fetch(`http://${settings.bind}/`)).rejects.toThrow();
  });

  it('of the environment that does not answer is named with what to do', async () => {
    await expect(checkEdge(join(paths.run, 'none.sock'))).rejects.toMatchObject({
      code: 'edge_unavailable',
      where: 'SLIPWAY_EDGE_SOCKET',
      hint: expect.stringContaining('-S <socket>'),
    });
  });

  it('that cannot bind its port says so, with the lines of its log', async () => {
    const settings = await edge();
    const blocker = createServer().listen(Number(settings.bind.split(':')[1]), '127.0.0.1');
    await new Promise((resolve) => blocker.once('listening', resolve));
    await expect(startEdge(context, settings)).rejects.toThrowError(
      /edge ended with exit code 1\n.*cannot bind socket/s,
    );
    blocker.close();
  });
});

describe('a Docker Engine of the environment', () => {
  it('that does not answer is named with what to do', async () => {
    await expect(checkEngine(`unix://${paths.run}/none.sock`)).rejects.toMatchObject({
      code: 'engine_unavailable',
      where: 'DOCKER_HOST',
      message: expect.stringContaining('ENOENT'),
    });
  });

  it('that is another kind of server is no engine', async () => {
    const server = createServer((_, response) => response.end('hello')).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    await expect(
      checkEngine(`tcp://127.0.0.1:${(server.address() as AddressInfo).port}`),
    ).rejects.toMatchObject({
      message: expect.stringContaining('it is not a Docker Engine'),
    });
    server.close();
  });
});

it('a port that is chosen can be listened on at once', async () => {
  await keep(startRegistry(context, await choosePort('registry', undefined)));
});
