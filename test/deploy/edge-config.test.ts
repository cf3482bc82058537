import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type EdgeSettings, frameHash, parseDescription, renderEdge } from '../../deploy/edge/config.js';
import { parseProcesses, parseStat } from '../../deploy/edge/haproxy.js';
import {
  type EdgeApp,
  type EdgeState,
  EMPTY_EDGE,
  serversOf,
  withApp,
  withoutApp,
} from '../../deploy/edge/state.js';
import { EdgeStateFile } from '../../deploy/edge/state-file.js';
import { MAP_NAMES, renderMap, tablesOf } from '../../deploy/edge/tables.js';
import { temporaryDirectory } from '../support/directories.js';
import { HAPROXY_MISSING } from './support/edge.js';

const run = promisify(execFile);
const settings: EdgeSettings = { bind: '127.0.0.1:8080', statsSocket: "/run/it's here/stats.sock" };
const app = (name: string, ...ports: number[]): EdgeApp => ({
  app: name,
  host: `${name}.localhost`,
  servers: ports.map((port) => ({ name: `v1-10.0.0.1:${port}`, host: '10.0.0.1', port })),
});

describe("the edge's state", () => {
  it('counts a generation for each change and none for what is so already', () => {
    const one = withApp(EMPTY_EDGE, app('hello', 1, 2));
    expect(one.generation).toBe(1);
    expect(withApp(one, app('hello', 2, 1))).toBe(one);
    expect(withApp(one, app('hello', 2)).generation).toBe(2);
    expect(withoutApp(one, 'other')).toBe(one);
    expect(withoutApp(one, 'hello')).toEqual({ generation: 2, apps: [] });
    expect(serversOf(one, 'hello').map((server) => server.port)).toEqual([1, 2]);
    expect(serversOf(one, 'other')).toEqual([]);
  });

  it('has a share only while somebody gets it, by numbers that the servers take in turn', () => {
    const [first, second] = app('hello', 1, 2).servers;
    const shared = { ...app('hello', 3), share: { percent: 3, servers: [second!, first!] } };
    const state = withApp(EMPTY_EDGE, shared);
    expect(withApp(state, shared)).toBe(state);
    expect([...tablesOf(state).maps['canaries.map']]).toEqual([
      ['hello.localhost/0', 'v1-10.0.0.1:1'],
      ['hello.localhost/1', 'v1-10.0.0.1:2'],
      ['hello.localhost/2', 'v1-10.0.0.1:1'],
    ]);
    expect(serversOf(state, 'hello').map(({ port }) => port)).toEqual([3]);
    expect(withApp(state, app('hello', 3)).apps[0]).not.toHaveProperty('share');
    expect(frameHash(state, settings)).toBe(frameHash(withApp(state, app('hello', 3)), settings));
    const none = withApp(EMPTY_EDGE, { ...app('hello', 3), share: { percent: 3, servers: [] } });
    expect(none).toEqual(withApp(EMPTY_EDGE, app('hello', 3)));
  });

  it('does not depend on the order in which apps came', () => {
    const apps = ['c', 'a', 'b'].map((name) => app(name, 1));
    fc.assert(
      fc.property(fc.shuffledSubarray(apps, { minLength: 3 }), (order) => {
        expect(order.reduce(withApp, EMPTY_EDGE).apps).toEqual(apps.reduce(withApp, EMPTY_EDGE).apps);
      }),
    );
  });
});

describe('the configuration of HAProxy', () => {
  const state: EdgeState = [app('hello', 9001, 9002), app('bare')].reduce(withApp, EMPTY_EDGE);

  it.skipIf(HAPROXY_MISSING !== undefined)('is accepted without a warning', async () => {
    const path = join(await temporaryDirectory(), 'haproxy.cfg');
    for (const candidate of [EMPTY_EDGE, state]) {
      const { maps } = tablesOf(candidate);
      await new EdgeStateFile(path).write(
        renderEdge(candidate, { ...settings, runAs: { uid: 65534, gid: 65534 } }),
        new Map(MAP_NAMES.map((name) => [name, renderMap(maps[name])])),
      );
      const { stdout, stderr } = await run('/usr/sbin/haproxy', ['-c', '-f', path]);
      expect(stdout + stderr).toBe('Configuration file is valid\n');
    }
  });

  it('has one backend for each app, with its servers', () => {
    const text = renderEdge(state, settings);
    expect(text.match(/^backend .*$/gm)).toEqual([
      'backend UNKNOWN_HOST',
      'backend SUCCESSOR',
      'backend bare.localhost',
      'backend hello.localhost',
    ]);
    expect(text.match(/^ {2}server v.*$/gm)).toEqual([
      '  server v1-10.0.0.1:9001 10.0.0.1:9001 pool-max-conn 64 pool-purge-delay 2s',
      '  server v1-10.0.0.1:9002 10.0.0.1:9002 pool-max-conn 64 pool-purge-delay 2s',
    ]);
  });

  it('watches servers on other machines, and no others', () => {
    const [near] = app('hello', 9001).servers;
    const far = { ...near!, machine: 'b' };
    const text = renderEdge(withApp(EMPTY_EDGE, { ...app('hello'), servers: [near!, far] }), settings);
    expect(text.match(/^ {2}server v.*$/gm)?.map((line) => / check /.test(line))).toEqual([false, true]);
  });

  it('names what can only change with a reload, and nothing else', () => {
    const hash = frameHash(state, settings);
    expect(frameHash(withApp(state, app('hello', 1234)), settings)).toBe(hash);
    expect(frameHash(withApp(state, app('new', 1)), settings)).not.toBe(hash);
    expect(frameHash(withoutApp(state, 'bare'), settings)).not.toBe(hash);
    expect(frameHash(state, { ...settings, bind: '127.0.0.1:81' })).not.toBe(hash);
    const description = /description (.*)/.exec(renderEdge(state, settings))?.[1] ?? '';
    expect(parseDescription(description)).toEqual({ generation: 2, frame: hash });
    expect(parseDescription('my own proxy')).toBeUndefined();
  });
});

describe("what HAProxy's command line answers", () => {
  it('is read for workers old and new', () => {
    const text = `#<PID>          <type>          <reloads>       <uptime>        <version>
13126           master          2 [failed: 0]   0d00h00m05s     2.6.12-1+deb12u4
# workers
13330           worker          0               0d00h00m01s     2.6.12-1+deb12u4
# old workers
13129           worker          1               0d00h01m01s     2.6.12-1+deb12u4
# programs
`;
    expect(parseProcesses(text)).toEqual({ old: ['@!13129'], reloads: 2, failed: false });
    expect(parseProcesses(text.replace('failed: 0', 'failed: 1')).failed).toBe(true);
    expect(parseProcesses('')).toEqual({ old: [], reloads: 0, failed: false });
  });

  it('is read by column names, not by their places', () => {
    const csv =
      '# svname,type,pxname,status,addr,scur,qcur,lastchg,eresp,hrsp_2xx,hrsp_5xx\nBACKEND,1,bare.localhost,UP,,0,0,9,0,0,0\ns1,2,a.localhost,DRAIN,10.0.0.1:80,3,1,7,1,9,2\n';
    expect([...parseStat(csv)]).toEqual([
      ['bare.localhost', []],
      [
        'a.localhost',
        [
          {
            name: 's1',
            host: '10.0.0.1',
            port: 80,
            status: 'DRAIN',
            steadySeconds: 7,
            sessions: 4,
            answers: 12,
            errors: 3,
          },
        ],
      ],
    ]);
  });
});
