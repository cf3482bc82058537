import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadRecord, makeHome, type PlatformPaths, platformPaths } from '../../platform/home.js';
import { choosePort, chooseRange } from '../../platform/ports.js';
import { settle } from '../../platform/settings.js';

/** Listens on a free port, or on `port`, until `close`. */
async function taken(port = 0): Promise<{ port: number; close: () => Promise<void> }> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

describe('a port', () => {
  it('is the remembered one while that is free', async () => {
    const { port, close } = await taken();
    await close();
    expect(await choosePort('web', port)).toBe(port);
  });

  it('that was remembered and is taken is an error that names the setting, since git remotes name the port', async () => {
    const { port, close } = await taken();
    await expect(choosePort('web', port)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining(String(port)),
      hint: expect.stringContaining('SLIPWAY_LISTEN'),
    });
    await close();
  });

  it('is another one when nothing is remembered and the default is taken', async () => {
    const blocker = await taken(8080).catch(() => undefined);
    const port = await choosePort('edge', undefined);
    expect(port).not.toBe(8080);
    expect(port).toBeGreaterThan(0);
    await blocker?.close();
  });
});

describe('the address range of containers', () => {
  const header = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n';
  const route = (destination: string, mask: string): string =>
    `eth0\t${destination}\t00000000\t0001\t0\t0\t0\t${mask}\t0\t0\t0\n`;

  it('is the first one when no route overlaps', () => {
    expect(chooseRange(header + route('00000000', '00000000') + route('000011AC', '0000FFFF'))).toBe(
      '10.201',
    );
  });

  it.each([
    ['the same /16', route('0000C90A', '0000FFFF')],
    ['a /24 inside', route('0005C90A', '00FFFFFF')],
  ])('passes over one that is routed: %s', (_, line) => {
    expect(chooseRange(header + line)).toBe('10.202');
  });

  it('says what to do when a route covers all of 10.0.0.0/8', () => {
    expect(() => chooseRange(header + route('0000000A', '000000FF'))).toThrowError(
      expect.objectContaining({ hint: expect.stringContaining('DOCKER_HOST') }),
    );
  });
});

describe('the settings of a start', () => {
  let paths: PlatformPaths;
  beforeEach(() => {
    paths = platformPaths(mkdtempSync(join(tmpdir(), 'slipway-settings-')));
    makeHome(paths);
  });
  afterEach(() => rmSync(paths.home, { recursive: true, force: true }));

  it('are the same at the second start', async () => {
    const first = await settle({}, paths, loadRecord(paths.home));
    const second = await settle({}, paths, loadRecord(paths.home));
    expect(second.env).toEqual(first.env);
    expect(second.record).toEqual(first.record);
    expect(JSON.parse(readFileSync(join(paths.home, 'platform.json'), 'utf8'))).toEqual(first.record);
  });

  it('leave out the parts that the environment names', async () => {
    const env = {
      SLIPWAY_REDIS_URL: 'redis://10.0.0.1:6379',
      SLIPWAY_REGISTRY: 'registry.example:443',
      SLIPWAY_EDGE_SOCKET: '/run/haproxy.sock',
      SLIPWAY_LISTEN: '127.0.0.1:1234',
      SLIPWAY_SSH_LISTEN: 'none',
    };
    const settings = await settle(env, paths, loadRecord(paths.home));
    expect(settings.config.ssh).toBeUndefined();
    expect(settings.own).toEqual({ redis: false, registry: false, edge: false });
    expect(settings.config).toMatchObject({
      redisUrl: env.SLIPWAY_REDIS_URL,
      registry: { host: env.SLIPWAY_REGISTRY },
      mirrors: [],
    });
    expect(settings.record.ports).toEqual({});
  });

  it('ask the local registry first for images of docker.io', async () => {
    const { config } = await settle({}, paths, loadRecord(paths.home));
    expect(config.mirrors).toEqual([{ from: 'docker.io', to: config.registry.host }]);
  });
});
