import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { withBerths, withSpareBerths } from '../../deploy/edge/berths.js';
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

/** As the edge itself does it. */
const withNew = (now: EdgeState, wanted: EdgeApp): EdgeState => withBerths(now, withApp(now, wanted));
const berthNames = ({ berths = [] }: EdgeState): string[] =>
  berths.flatMap(({ number, host }) => (host === undefined ? [] : [`${number} ${host}`]));
const free = ({ berths = [] }: EdgeState): number => berths.filter(({ host }) => host === undefined).length;

describe('the backends that wait for apps', () => {
  const start = withSpareBerths(EMPTY_EDGE);

  it('are given one after the other, and kept', () => {
    const two = withNew(withNew(start, app('b', 1)), app('a', 2));
    expect([two.generation, berthNames(two), free(two)]).toEqual([3, ['1 b.localhost', '2 a.localhost'], 30]);
    expect(withBerths(two, two)).toBe(two);
    const changed = withNew(two, app('b', 3));
    expect([changed.generation, changed.berths]).toEqual([4, two.berths]);
  });

  it('are given to no second app, not even to one that comes again under its name', () => {
    const one = withNew(start, app('a', 1));
    const without = withoutApp(one, 'a');
    const gone = withBerths(one, without);
    expect(gone).toBe(without);
    const again = withNew(withNew(gone, app('b', 1)), app('a', 2));
    expect(berthNames(again)).toEqual(['1 a.localhost', '2 b.localhost', '3 a.localhost']);
    expect([...tablesOf(again).maps['apps.map']]).toEqual([
      ['a.localhost', 'APP_3'],
      ['b.localhost', 'APP_2'],
    ]);
    const servers = renderEdge(again, settings).split('backend APP_').slice(1);
    expect(servers.slice(0, 3).map((text) => /server v1-10.0.0.1:(\d)/.exec(text)?.[1])).toEqual([
      undefined,
      '1',
      '2',
    ]);
  });

  it('are made anew before there are none, and what was used up is gone then', () => {
    const names = Array.from({ length: 26 }, (_, index) => `app${index}`);
    const many = names.reduce((now, name) => withNew(now, app(name, 1)), start);
    const fewer = withBerths(many, withoutApp(many, 'app0'));
    expect([free(fewer), frameHash(fewer, settings)]).toEqual([6, frameHash(start, settings)]);
    const stocked = withSpareBerths(fewer);
    expect([free(stocked), stocked.berths?.[0]?.number, stocked.generation]).toEqual([
      32,
      2,
      fewer.generation + 1,
    ]);
    expect(withSpareBerths(stocked)).toBe(stocked);
    // With none of them about, an app has one all the same.
    expect(berthNames(withNew(EMPTY_EDGE, app('first', 1)))).toEqual(['1 first.localhost']);
    const old: EdgeState = { generation: 7, apps: [app('old', 1)] };
    expect(berthNames(withBerths(old, old))).toEqual(['1 old.localhost']);
  });
});

describe('the configuration of HAProxy', () => {
  const state: EdgeState = [app('hello', 9001, 9002), app('bare')].reduce(
    withNew,
    withSpareBerths(EMPTY_EDGE),
  );

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

  it('has a backend for each app, with its servers, and others that wait', () => {
    const text = renderEdge(state, settings);
    expect(text.match(/^backend .*$/gm)).toEqual([
      'backend UNKNOWN_HOST',
      'backend SUCCESSOR',
      ...Array.from({ length: 32 }, (_, index) => `backend APP_${index + 1}`),
    ]);
    expect(text.indexOf('server v1')).toBeGreaterThan(text.indexOf('backend APP_1\n'));
    expect(text.lastIndexOf('server v1')).toBeLessThan(text.indexOf('backend APP_2\n'));
    expect(text.match(/^ {2}server v.*$/gm)).toEqual([
      '  server v1-10.0.0.1:9001 10.0.0.1:9001 pool-max-conn 64 pool-purge-delay 2s',
      '  server v1-10.0.0.1:9002 10.0.0.1:9002 pool-max-conn 64 pool-purge-delay 2s',
    ]);
  });

  it('watches servers on other machines, and no others', () => {
    const [near] = app('hello', 9001).servers;
    const far = { ...near!, machine: 'b' };
    const text = renderEdge(withNew(EMPTY_EDGE, { ...app('hello'), servers: [near!, far] }), settings);
    expect(text.match(/^ {2}server v.*$/gm)?.map((line) => / check /.test(line))).toEqual([false, true]);
  });

  it('names what can only change with a reload, and nothing else', () => {
    const hash = frameHash(state, settings);
    expect(frameHash(withNew(state, app('hello', 1234)), settings)).toBe(hash);
    expect(frameHash(withNew(state, app('new', 1)), settings)).toBe(hash);
    expect(frameHash(withoutApp(state, 'bare'), settings)).toBe(hash);
    expect(frameHash({ ...state, berths: [...state.berths!, { number: 99 }] }, settings)).not.toBe(hash);
    expect(frameHash(state, { ...settings, bind: '127.0.0.1:81' })).not.toBe(hash);
    const description = /description (.*)/.exec(renderEdge(state, settings))?.[1] ?? '';
    expect(parseDescription(description)).toEqual({ generation: 3, frame: hash });
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
