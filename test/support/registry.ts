/** A real registry (CNCF Distribution) on loopback, with its data in a temporary directory. Deletes are allowed. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface TestRegistry {
  /** `127.0.0.1:port` */
  readonly host: string;
  readonly pid: number;
  /** Below it: `docker/registry/v2/…` */
  readonly data: string;
  /** Ends the process, keeps port and data. */
  halt(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  /** Starts it again after `halt`. */
  resume(): Promise<void>;
  /** Ends it and removes its data. */
  stop(): Promise<void>;
}

/** With `password`, only the user `slipway` with that password gets in; it must be `s3cret`. */
export async function startRegistry(options: { readonly password?: 's3cret' } = {}): Promise<TestRegistry> {
  const directory = await mkdtemp(join(tmpdir(), 'slipway-registry-'));
  const port = await freePort();
  const host = `127.0.0.1:${port}`;
  const data = join(directory, 'data');
  const users = join(directory, 'htpasswd');
  // bcrypt of `s3cret` with the least cost.
  await writeFile(users, 'slipway:$2b$04$q0TIIs6FFDOpqhTb.isoHulqnWep0jnnsbntGVx7kl5HuxzoKEe32\n');
  const config = {
    version: '0.1',
    log: { level: 'error', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: data }, delete: { enabled: true } },
    http: { addr: host, secret: 'test' },
    ...(options.password === undefined ? {} : { auth: { htpasswd: { realm: 'test', path: users } } }),
  };
  const file = join(directory, 'config.yml');
  await writeFile(file, JSON.stringify(config)); // JSON is YAML.
  let child: ChildProcess | undefined;
  const halt = async (signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> => {
    const ending = child;
    child = undefined;
    if (ending === undefined || ending.exitCode !== null || ending.signalCode !== null) return;
    const ended = new Promise((resolve) => ending.once('exit', resolve));
    ending.kill(signal);
    await ended;
  };
  const resume = async (): Promise<void> => {
    child = await startProcess(file, host);
  };
  const remove = (): Promise<void> => rm(directory, { recursive: true, force: true });
  try {
    await resume();
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    host,
    data,
    get pid() {
      return child?.pid ?? 0;
    },
    halt,
    resume,
    async stop() {
      await halt('SIGKILL');
      await remove();
    },
  };
}

async function startProcess(configFile: string, host: string): Promise<ChildProcess> {
  const child = spawn('docker-registry', ['serve', configFile], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-4000);
  });
  let failure: unknown;
  child.once('error', (error) => {
    failure = error;
  });
  const end = Date.now() + 20_000;
  for (;;) {
    if (failure !== undefined) throw failure;
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`docker-registry ended: ${said}`);
    if (await answers(host)) return child;
    if (Date.now() > end) {
      child.kill('SIGKILL');
      throw new Error(`docker-registry does not answer: ${said}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function answers(host: string): Promise<boolean> {
  try {
    const { status } = await fetch(`http://${host}/v2/`);
    return status === 200 || status === 401;
  } catch {
    return false;
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
