/** What runs and what it writes while containers and hosts go between one question and the next. */
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Host, Hosts } from '../../deploy/hosts.js';
import { LABELS } from '../../deploy/names.js';
import { serveRuntime } from '../../deploy/serve.js';
import { DockerTarget } from '../../deploy/targets/docker.js';
import { Engine } from '../../deploy/targets/engine.js';
import { DeployerClient } from '../../src/api/deployer-client.js';
import { createLogger } from '../../src/log.js';
import { temporaryDirectory } from '../support/directories.js';
import { until } from '../support/until.js';

/** Doubles of engines: real ones do not lose a container at just that moment. */
const open: Server[] = [];
let socketPath: string;
let stop: () => Promise<void>;

beforeEach(async () => {
  socketPath = `${await temporaryDirectory()}/deployer.sock`;
});
afterEach(async () => {
  await stop();
  for (const server of open.splice(0)) {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  }
});

type Answer = (path: string, response: ServerResponse) => void;

/** Says that it runs `containers`, as `web.1`, `web.2`, …; `answer` has the rest of the requests. */
async function host(name: string, containers: readonly string[], answer: Answer): Promise<Host> {
  const documents = containers.map((id, index) => ({
    Id: id,
    Names: [`/${id}`],
    State: 'running',
    Ports: [],
    NetworkSettings: { Networks: {} },
    Labels: {
      [LABELS.app]: 'hello',
      [LABELS.release]: 1,
      [LABELS.process]: 'web',
      [LABELS.instance]: index + 1,
    },
  }));
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    if (path.startsWith('/containers/json')) response.end(JSON.stringify(documents));
    else if (path === '/_ping') response.end('OK');
    else answer(path, response);
  }).listen(0, '127.0.0.1');
  open.push(server);
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const engine = new Engine(`tcp://127.0.0.1:${port}`);
  const registry = { host: '127.0.0.1:5000' };
  return { name, target: new DockerTarget({ host: name, engine, platform: 'testtest', registry }) };
}

async function serve(...all: Host[]): Promise<DeployerClient> {
  const hosts: Hosts = {
    list: async () => all,
    get: async (wanted) => all.find(({ name }) => name === wanted)!,
  };
  stop = await serveRuntime({ socketPath, hosts, log: createLogger('test', 'silent') });
  return new DeployerClient(socketPath);
}

const INSPECTION = {
  State: {
    Status: 'running',
    ExitCode: 0,
    OOMKilled: false,
    Error: '',
    StartedAt: '2026-01-01T00:00:00Z',
    FinishedAt: '0001-01-01T00:00:00Z',
  },
  Config: { Labels: {} },
  RestartCount: 0,
};

function gone(response: ServerResponse): void {
  response.writeHead(404).end('{"message":"No such container"}');
}

/** One line, as the engine frames it. */
function frame(text: string): Buffer {
  const head = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);
  head.writeUInt32BE(Buffer.byteLength(text), 4);
  return Buffer.concat([head, Buffer.from(text)]);
}

describe('a list of what runs', () => {
  it('has the others when one goes meanwhile', async () => {
    const client = await serve(
      await host('a', ['one', 'two'], (path, response) => {
        if (path.includes('one')) gone(response);
        else response.end(JSON.stringify(INSPECTION));
      }),
    );
    const { processes, silent } = await client.processes('hello');
    expect([processes.map(({ process }) => process), silent]).toEqual([['web.2'], []]);
  });

  it('names the host that falls silent meanwhile', async () => {
    const client = await serve(
      await host('a', ['one'], (_path, response) => response.end(JSON.stringify(INSPECTION))),
      await host('b', ['two'], (_path, response) => void response.destroy()),
    );
    const { processes, silent } = await client.processes('hello');
    expect(processes.map(({ host: where }) => where)).toEqual(['a']);
    expect(silent).toEqual([{ host: 'b', reason: expect.stringMatching(/^on b: .*cannot be reached/) }]);
  });
});

describe('how much runs of all apps', () => {
  it('is counted over all hosts, with one question to each', async () => {
    const asked: string[] = [];
    const none: Answer = (path) => void asked.push(path);
    const client = await serve(await host('a', ['one', 'two'], none), await host('b', ['three'], none));
    expect([await client.running(), asked]).toEqual([{ hello: 3 }, []]);
  });

  it('is not known while a host is silent', async () => {
    const client = await serve(
      await host('a', ['one'], () => undefined),
      await host('b', ['two'], () => undefined),
    );
    const gone = open.at(-1);
    gone?.closeAllConnections();
    await new Promise((resolve) => gone?.close(resolve));
    open.pop();
    await expect(client.running()).rejects.toMatchObject({ code: 'unavailable' });
  });
});

describe('a log', () => {
  it('has the lines of the others when one goes meanwhile, and names the host that falls silent', async () => {
    const client = await serve(
      await host('a', ['one', 'two'], (path, response) => {
        if (path.includes('one')) gone(response);
        else response.end(frame('a line\n'));
      }),
      await host('b', ['three'], (_path, response) => void response.destroy()),
    );
    let text = '';
    for await (const part of await client.logs('hello', { lines: 10, follow: false })) text += String(part);
    expect(text).toMatch(/^slipway: b cannot be asked for its part: on b: .*\nweb\.2 v1: a line\n$/);
  });

  it('lets go of each container when its reader has gone, however slow that was', async () => {
    const warnings: string[] = [];
    const note = ({ name }: Error): void => void warnings.push(name);
    process.on('warning', note);
    let following: ServerResponse | undefined;
    const client = await serve(
      await host('a', ['one', 'two'], (path, response) => {
        if (path.includes('one')) return gone(response);
        following = response;
        response.write(frame(`${'x'.repeat(15_000)}\n`.repeat(500)));
      }),
    );
    const log = await client.logs('hello', { lines: 10, follow: true });
    let bytes = 0;
    for await (const part of log) {
      bytes += (part as Buffer).length;
      if (bytes > 7_000_000) break;
    }
    log.destroy();
    await until(() => following?.closed === true);
    process.off('warning', note);
    expect(warnings).toEqual([]);
  });
});
