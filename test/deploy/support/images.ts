/** Images for the tests, made from busybox: their programs are shell scripts in the command. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { ReleaseImage } from '../../../src/model/release.js';
import type { TestDocker } from '../../support/docker.js';

const run = promisify(execFile);
const BASE = 'slipway-test-base:1';
const APPLETS = [
  'sh',
  'httpd',
  'sleep',
  'wget',
  'nc',
  'nslookup',
  'cat',
  'echo',
  'mkdir',
  'dd',
  'tail',
  'touch',
  'test',
  'head',
  'tr',
];

export interface ImageWish {
  /** Run by /bin/sh -c as process 1. */
  readonly script?: string;
  /** Instead of the script. */
  readonly command?: readonly string[];
  readonly expose?: readonly string[];
  /** What follows HEALTHCHECK. */
  readonly healthcheck?: string;
  readonly stopSignal?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** So much of it that cannot be compressed. */
  readonly ballastMib?: number;
}

/** Serves `text` at / until SIGTERM. As process 1 httpd itself would not end by it. */
export function server(text: string): string {
  return `trap 'exit 0' TERM; mkdir -p /www; echo ${text} > /www/index.html; httpd -f -p $PORT -h /www & wait`;
}

/** An image in the registry, and on the engine only what the push leaves there. */
export async function pushImage(
  docker: TestDocker,
  registryHost: string,
  repository: string,
  wish: ImageWish,
): Promise<ReleaseImage> {
  await ensureBase(docker);
  const command = wish.command ?? ['/bin/sh', '-c', wish.script ?? 'exit 0'];
  const dockerfile = [
    `FROM ${BASE}`,
    ...(wish.ballastMib === undefined
      ? []
      : [`RUN dd if=/dev/urandom of=/ballast bs=1048576 count=${wish.ballastMib}`]),
    `CMD ${JSON.stringify(command)}`,
    ...(wish.expose ?? ['8080']).map((port) => `EXPOSE ${port}`),
    ...(wish.healthcheck === undefined ? [] : [`HEALTHCHECK ${wish.healthcheck}`]),
    ...(wish.stopSignal === undefined ? [] : [`STOPSIGNAL ${wish.stopSignal}`]),
    ...Object.entries(wish.env ?? {}).map(([name, value]) => `ENV ${name}=${value}`),
  ].join('\n');
  const tag = `${registryHost}/${repository}:t${randomBytes(4).toString('hex')}`;
  await docker.docker(['build', '-q', '-t', tag, '-'], { input: Buffer.from(dockerfile) });
  const pushed = await docker.docker(['push', tag]);
  const digest = /digest: (sha256:[0-9a-f]{64})/.exec(pushed)?.[1];
  if (digest === undefined) throw new Error(`no digest in: ${pushed}`);
  await docker.docker(['rmi', tag]);
  return { repository, digest };
}

async function ensureBase(docker: TestDocker): Promise<void> {
  if ((await docker.docker(['images', '-q', BASE])) !== '') return;
  const root = await mkdtemp(join(tmpdir(), 'slipway-image-'));
  try {
    await mkdir(join(root, 'bin'));
    await mkdir(join(root, 'tmp'));
    await copyFile('/bin/busybox', join(root, 'bin', 'busybox'));
    for (const applet of APPLETS) await symlink('busybox', join(root, 'bin', applet));
    const options = { encoding: 'buffer' as const, maxBuffer: 64 * 1024 * 1024 };
    const { stdout } = await run('tar', ['-C', root, '-c', '.'], options);
    await docker.docker(['import', '-c', 'ENV PATH=/bin', '-', BASE], { input: stdout });
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}
