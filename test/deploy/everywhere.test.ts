import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { whileItAnswers } from '../../deploy/answering.js';
import { lookAround, onEachHost } from '../../deploy/everywhere.js';
import { HostReport } from '../../deploy/host-report.js';
import type { Host, Hosts } from '../../deploy/hosts.js';
import { DockerTarget } from '../../deploy/targets/docker.js';
import { Engine } from '../../deploy/targets/engine.js';
import { SlipwayError } from '../../src/errors.js';

/** Doubles of engines: the real ones do not fall silent on command without a network of their own. */
const open: Server[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  }
});

/** `answers` says to which paths it answers, with an empty list; to the others it is silent. */
async function host(name: string, answers: (path: string) => boolean): Promise<Host> {
  const server = createServer((request, response) => {
    if (answers(request.url ?? '')) response.end('[]');
  }).listen(0, '127.0.0.1');
  open.push(server);
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const engine = new Engine(`tcp://127.0.0.1:${port}`);
  const target = new DockerTarget({
    host: name,
    engine,
    platform: 'testtest',
    registry: { host: '127.0.0.1:5000' },
  });
  return { name, target };
}

function hostsOf(...all: Host[]): Hosts {
  return {
    list: async () => all,
    get: async (name) => {
      const found = all.find((one) => one.name === name);
      if (found === undefined) throw new SlipwayError('not_found', `there is no host ${name}`);
      return found;
    },
  };
}

const { signal } = new AbortController();

describe('a host that falls silent', () => {
  it('ends what was being done there, and names itself', async () => {
    const hosts = hostsOf(await host('a', () => true), await host('b', () => false));
    const { containers, silent } = await lookAround(hosts);
    expect(containers).toEqual([]);
    expect([...silent]).toEqual([
      ['b', expect.objectContaining({ code: 'engine_unavailable', temporary: true })],
    ]);
    expect(silent.get('b')?.message).toMatch(/^the Docker Engine/);
  });

  it('is not what a host is that takes its time and answers in between', async () => {
    const { target } = await host('slow', (path) => path === '/_ping');
    const slow = new Promise((resolve) => setTimeout(resolve, 7000, 'done'));
    expect(await whileItAnswers(target, signal, () => slow)).toBe('done');
  });

  it('is waited for only where it is needed', async () => {
    const silentOne = await host('b', () => false);
    const hosts = hostsOf(await host('a', () => true), silentOne);
    let answered = false;
    const whole = lookAround(hosts, 'hello').finally(() => {
      answered = true;
    });
    const { silent } = await lookAround(hosts, 'hello', { needed: ['a'] });
    expect([...silent.keys()]).toEqual(['b']);
    expect(answered).toBe(false);
    await whole;
  });

  it('is not asked again where it is known to be', async () => {
    const known = new Map([['b', new SlipwayError('engine_unavailable', 'no answer')]]);
    const hosts = hostsOf({
      ...(await host('b', () => false)),
      target: undefined as unknown as DockerTarget,
    });
    expect((await lookAround(hosts, undefined, { silent: known })).silent).toEqual(known);
  });
});

describe('work on each host', () => {
  it('ends everywhere with the first failure, which is thrown with its host', async () => {
    const hosts = hostsOf(await host('a', () => true), await host('b', () => true));
    const failures: string[] = [];
    let stopped = false;
    const work = onEachHost(
      hosts,
      ['a', 'b'],
      { signal, onFailure: (name, { message }) => failures.push(`${name}: ${message}`) },
      async ({ name }, end) => {
        if (name === 'b') throw new SlipwayError('disk_full', 'no space left');
        await once(end, 'abort');
        stopped = true;
        throw end.reason;
      },
    );
    await expect(work).rejects.toMatchObject({ code: 'disk_full', message: 'on b: no space left' });
    expect(stopped).toBe(true);
    expect(failures).toEqual(['b: no space left']);
  });
});

describe('the report per host', () => {
  it('says what was done, what failed and what became of it', () => {
    const report = new HostReport();
    report.note('b', 'pulled');
    report.note('a', 'pulled');
    report.failed('b', new SlipwayError('engine_unavailable', 'no answer', { temporary: true }));
    report.failed('c', new SlipwayError('disk_full', 'no space left'));
    report.reverted(new Map([['b', new SlipwayError('engine_unavailable', 'no answer')]]));
    expect(report.lines()).toEqual([
      'a: pulled, reverted',
      'b: pulled, unreachable: no answer, cleared when it answers again',
      'c: failed: no space left, reverted',
    ]);
  });

  it('is silent of the local engine alone', () => {
    const report = new HostReport();
    report.note('local', 'pulled');
    expect(report.lines()).toEqual([]);
  });
});
