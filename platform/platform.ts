/**
 * A whole platform on one machine: the backing services that nobody has configured, then the processes of the Procfile.
 * `npm start`, the demo and the tests start the same one.
 */
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type Config, loadConfig } from '../src/config.js';
import { isErrno, SlipwayError } from '../src/errors.js';
import { projectRoot } from '../src/root.js';
import { type AdminToken, adminToken } from './admin.js';
import { loadRecord, makeHome, platformPaths, stopLeftovers, takeHome } from './home.js';
import type { Output } from './output.js';
import { type Process, startProcesses } from './processes.js';
import { type ProcessEntry, parseProcfile } from './procfile.js';
import type { Service } from './services/service.js';
import { SERVICE_ORDER, startServices } from './services.js';
import { settle } from './settings.js';

export interface PlatformOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly output: Output;
  /** Overrides SLIPWAY_HOME. */
  readonly home?: string;
  /** A file; the project's Procfile by default. */
  readonly procfile?: string;
  /** Make another administrator's token, for who has lost the first. */
  readonly newAdminToken?: boolean;
  /** Gives up the start. */
  readonly signal?: AbortSignal;
}

export interface Platform {
  readonly config: Config;
  /** What the processes were started with. */
  readonly env: NodeJS.ProcessEnv;
  readonly url: string;
  /** Where an app answers, for example `http://hello.localhost:8080`. */
  appUrl(app: string): string;
  /** Of the first administrator; undefined when its file was removed. */
  readonly adminToken: AdminToken | undefined;
  /** The pid of a service or process of now. */
  pid(name: string): number | undefined;
  /** Processes first, services after them; each with a grace and an end. */
  stop(): Promise<void>;
  kill(): Promise<void>;
}

/** Resolves when everything is ready. When something does not start, what did is stopped again and the error thrown. */
export async function startPlatform(options: PlatformOptions): Promise<Platform> {
  const { output, signal } = options;
  const env = options.home === undefined ? options.env : { ...options.env, SLIPWAY_HOME: options.home };
  const { home } = loadConfig(env);
  checkPrivileges();
  const root = projectRoot();
  const entries = readProcfile(options.procfile ?? join(root, 'Procfile'));
  const paths = platformPaths(home);
  makeHome(paths);
  const giveHomeFree = takeHome(paths);

  let services: readonly Service[] = [];
  let processes: readonly Process[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(processes.map((each) => each.stop()));
    for (const service of [...services].reverse()) await service.stop();
    giveHomeFree();
  };
  try {
    await stopLeftovers(paths, SERVICE_ORDER.toReversed(), output);
    const settings = await settle(env, paths, loadRecord(home));
    const started = await startServices(
      { paths, output, ...(signal === undefined ? {} : { signal }) },
      settings,
    );
    services = started.services;
    const { config } = started;
    const token = await adminToken(paths, options.newAdminToken ?? false);
    processes = await startProcesses({
      entries,
      root,
      config,
      env: started.env,
      paths,
      output,
      ...(signal === undefined ? {} : { signal }),
    });
    return {
      config,
      env: started.env,
      url: config.publicUrl,
      appUrl: (app) => `http://${app}.${config.appDomain}:${config.edge.bind.split(':')[1]}`,
      adminToken: token,
      pid: (name) => [...processes, ...services].find((part) => part.name === name)?.pid,
      stop,
      kill: async () => {
        await Promise.all([...processes, ...services].map((part) => part.kill()));
        giveHomeFree();
      },
    };
  } catch (thrown) {
    await stop();
    throw thrown;
  }
}

function readProcfile(path: string): ProcessEntry[] {
  try {
    return parseProcfile(readFileSync(path, 'utf8'), basename(path));
  } catch (thrown) {
    if (!isErrno(thrown, 'ENOENT')) throw thrown;
    throw new SlipwayError('invalid_config', 'there is no such Procfile', { where: path, cause: thrown });
  }
}

function checkPrivileges(): void {
  if (process.getuid?.() === 0) return;
  throw new SlipwayError('forbidden', 'Slipway must be started by root', {
    hint: 'building images needs mounts and namespaces: use sudo, for example `sudo npm start`',
  });
}
