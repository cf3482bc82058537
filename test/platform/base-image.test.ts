import { execFile } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { applyLayer } from '../../native/index.js';
import { pushBusybox, pushDirectory } from '../../platform/base-image.js';
import { makeHome, platformPaths } from '../../platform/home.js';
import { Output } from '../../platform/output.js';
import { startRegistry } from '../../platform/services/registry.js';
import type { Service } from '../../platform/services/service.js';
import { type Config, loadConfig } from '../../src/config.js';
import { RegistryClient } from '../../src/registry/client.js';
import { parseReference } from '../../src/registry/reference.js';
import { freePort } from '../support/ports.js';

const run = promisify(execFile);
let dir: string;
let registry: Service;
let config: Config;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'slipway-base-test-'));
  const paths = platformPaths(dir);
  makeHome(paths);
  registry = await startRegistry({ paths, output: new Output({ write: () => undefined }) }, await freePort());
  config = loadConfig({
    SLIPWAY_REGISTRY: registry.address,
    SLIPWAY_MIRRORS: `docker.io=${registry.address}`,
  });
});

afterAll(async () => {
  await registry.stop();
  rmSync(dir, { recursive: true, force: true });
});

/** The image's root file system, as a directory. */
async function layOut(
  name: string,
): Promise<{ root: string; cmd: readonly string[] | undefined; digest: string }> {
  const client = RegistryClient.fromConfig(config);
  try {
    const image = await client.resolve(parseReference(name));
    const root = mkdtempSync(join(dir, 'root-'));
    const blob = join(dir, 'blob');
    const [layer] = image.layers;
    await client.fetchBlob(image.source, layer!, blob);
    await applyLayer({ blob, diffId: image.diffIds[0]!, target: root, lowers: [] });
    return { root, cmd: image.config.config.Cmd, digest: image.digest };
  } finally {
    client.close();
  }
}

describe('the base image of busybox', () => {
  it('is what FROM busybox finds, and its programs run', async () => {
    const pushed = await pushBusybox(config);
    const { root, cmd, digest } = await layOut('busybox');
    expect(digest).toBe(pushed);
    expect(cmd).toEqual(['sh']);
    const { stdout } = await run('chroot', [
      root,
      '/usr/bin/env',
      'sh',
      '-c',
      'whoami; touch /tmp/x && ls /bin/httpd; cat /etc/passwd | wc -l',
    ]);
    expect(stdout).toBe('root\n/bin/httpd\n2\n');
  });

  it('is the same to the byte when it is made again', async () => {
    expect(await pushBusybox(config)).toBe(await pushBusybox(config));
  });
});

it('a directory becomes an image with its links and modes', async () => {
  const source = join(dir, 'source');
  mkdirSync(join(source, 'bin'), { recursive: true });
  writeFileSync(join(source, 'bin', 'tool'), 'text');
  chmodSync(join(source, 'bin', 'tool'), 0o750);
  symlinkSync('tool', join(source, 'bin', 'link'));
  const image = { repository: 'library/made', tag: 'here', cmd: ['tool'], env: ['A=1'] };
  await pushDirectory(config, source, image);
  const { root } = await layOut('made:here');
  const { stdout } = await run('stat', ['-c', '%n %a %F', 'bin/tool', 'bin/link'], { cwd: root });
  expect(stdout).toBe('bin/tool 750 regular file\nbin/link 777 symbolic link\n');
});
