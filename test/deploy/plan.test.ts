import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { plan } from '../../deploy/plan.js';
import { redactor } from '../../deploy/redact.js';
import { reportSuccess } from '../../deploy/report.js';
import { freeAddress, freeSubnet } from '../../deploy/targets/addresses.js';
import type { Container, ContainerState } from '../../deploy/targets/container.js';
import { portOf } from '../../deploy/targets/documents.js';
import { parseEvent } from '../../deploy/targets/events.js';
import { splitOutput } from '../../deploy/targets/output.js';
import type { Deployment } from '../../src/model/deployment.js';
import type { Release } from '../../src/model/release.js';

let ids = 0;
const container = (
  release: number,
  number: number,
  state: ContainerState = 'running',
  process = 'web',
  host = 'local',
): Container => {
  ids += 1;
  return {
    host,
    id: `id${ids}`,
    name: `name${ids}`,
    app: 'hello',
    release,
    deployment: `d${release}`,
    instance: { process, number },
    state,
  };
};

describe('a plan', () => {
  it('starts everything when nothing is there', () => {
    expect(plan([], { deploymentId: 'd1', processes: [{ type: 'web', scale: 2 }] })).toEqual({
      keep: [],
      stopped: [],
      missing: [
        { process: 'web', number: 1, host: 'local' },
        { process: 'web', number: 2, host: 'local' },
      ],
      discard: [],
      retire: [],
    });
  });

  it('keeps what runs and retires other releases only', () => {
    const [old, now] = [container(1, 1), container(2, 1)];
    expect(plan([old, now], { deploymentId: 'd2', processes: [{ type: 'web', scale: 1 }] })).toMatchObject({
      keep: [now],
      retire: [old],
      missing: [],
    });
  });

  it('tells what has stopped from what is broken', () => {
    const [exited, dead] = [container(1, 1, 'exited'), container(1, 2, 'dead')];
    const made = plan([exited, dead], { deploymentId: 'd1', processes: [{ type: 'web', scale: 2 }] });
    expect(made.stopped).toEqual([exited]);
    expect(made.missing).toEqual([{ process: 'web', number: 2, host: 'local' }]);
    expect(made.discard).toEqual([dead]);
  });

  it('leaves a container that restarts or is paused to whoever does that', () => {
    const both = [container(1, 1, 'restarting'), container(1, 2, 'paused')];
    expect(plan(both, { deploymentId: 'd1', processes: [{ type: 'web', scale: 2 }] }).keep).toEqual(both);
  });

  it('discards what a smaller scale has no use for, and the second of a kind', () => {
    const [one, twin, two] = [container(1, 1), container(1, 1), container(1, 2)];
    expect(
      plan([one, twin, two], { deploymentId: 'd1', processes: [{ type: 'web', scale: 1 }] }),
    ).toMatchObject({
      keep: [one],
      discard: [twin, two],
    });
  });

  it('does not take a container of an earlier app with this name for its own', () => {
    const theirs = { ...container(1, 1), deployment: 'of the app that was destroyed' };
    const wanted = { deploymentId: 'd1', processes: [{ type: 'web', scale: 1 }] };
    expect(plan([theirs], wanted)).toMatchObject({
      keep: [],
      missing: [{ process: 'web', number: 1, host: 'local' }],
      retire: [theirs],
    });
  });

  it('retires all when nothing is wanted', () => {
    const all = [container(1, 1), container(2, 1, 'exited')];
    expect(plan(all).retire).toEqual(all);
  });

  it('retires what runs on another host than it should, and starts it where it should be', () => {
    const [first, second] = [container(1, 1, 'running', 'web', 'a'), container(1, 2, 'running', 'web', 'a')];
    const wanted = { deploymentId: 'd1', processes: [{ type: 'web', scale: 2 }], hosts: ['a', 'b'] };
    expect(plan([first, second], wanted)).toEqual({
      keep: [first],
      stopped: [],
      missing: [{ process: 'web', number: 2, host: 'b' }],
      discard: [],
      retire: [second],
    });
  });

  it('says of every container and every instance exactly one thing', () => {
    const states: ContainerState[] = [
      'created',
      'running',
      'paused',
      'restarting',
      'removing',
      'exited',
      'dead',
    ];
    const some = fc.array(
      fc
        .tuple(
          fc.integer({ min: 1, max: 3 }),
          fc.integer({ min: 1, max: 4 }),
          fc.constantFrom(...states),
          fc.constantFrom('web', 'worker'),
        )
        .map((args) => container(...args)),
    );
    fc.assert(
      fc.property(some, fc.integer({ min: 0, max: 3 }), (containers, scale) => {
        const { keep, stopped, missing, discard, retire } = plan(containers, {
          deploymentId: 'd2',
          processes: [{ type: 'web', scale }],
        });
        const said = [...keep, ...stopped, ...discard, ...retire].map((one) => one.id).sort();
        expect(said).toEqual(containers.map((one) => one.id).sort());
        expect([...keep, ...stopped].length + missing.length).toBe(scale);
        expect(retire.every((one) => one.release !== 2)).toBe(true);
      }),
    );
  });
});

describe('the port of an app', () => {
  it('is its PORT, else the lowest that the image exposes, else the PORT of the image, else 8080', () => {
    const ExposedPorts = { '9000/tcp': {}, '443': {}, '80/udp': {} };
    expect(portOf({ ExposedPorts }, { PORT: '4000' })).toEqual({ port: 4000, isExposed: true });
    expect(portOf({ ExposedPorts, Env: ['PORT=1'] }, { PORT: 'none' })).toEqual({
      port: 443,
      isExposed: true,
    });
    expect(portOf({ Env: ['A=b', 'PORT=5000'] }, {})).toEqual({ port: 5000, isExposed: false });
    expect(portOf({ Env: ['PORT=70000'] }, { PORT: '0' })).toEqual({ port: 8080, isExposed: false });
  });
});

describe('a free address', () => {
  it('is one of the network that nobody has', () => {
    const network = { subnet: '10.1.2.0/29', gateway: '10.1.2.1' };
    const used = new Set(['10.1.2.2', '10.1.2.3', '10.1.2.5', '10.1.2.6']);
    for (let attempt = 0; attempt < 50; attempt += 1) expect(freeAddress(network, used)).toBe('10.1.2.4');
    expect(freeAddress(network, new Set([...used, '10.1.2.4']))).toBeUndefined();
  });

  it('reaches over the whole of a large network', () => {
    const network = { subnet: '172.16.0.0/16', gateway: '172.16.0.1' };
    const third = new Set(Array.from({ length: 300 }, () => freeAddress(network, new Set())?.split('.')[2]));
    expect(third.size).toBeGreaterThan(50);
  });
});

describe('the networks of apps', () => {
  it('share what the engine has free: hundreds in one of its blocks, and none over another', () => {
    const taken: string[] = [];
    for (let number = 0; number < 512; number += 1) {
      const found = freeSubnet(`app-${number}`, ['172.18.0.0/16'], taken);
      expect(found?.block).toBe('172.18.0.0/16');
      expect(taken).not.toContain(found?.subnet);
      taken.push(found?.subnet ?? '');
    }
    expect(freeSubnet('one-more', ['172.18.0.0/16'], taken)).toBeUndefined();
    expect(freeSubnet('one-more', ['172.18.0.0/16', '192.168.0.0/20'], taken)?.block).toBe('192.168.0.0/20');
  });

  it('keep clear of networks of any size', () => {
    const taken = ['10.0.0.0/26', '10.0.0.128/25', '10.0.1.64/30'];
    expect(freeSubnet('hello', ['10.0.0.0/23'], taken)?.subnet).toBe('10.0.1.128/25');
  });

  it('take all of a block that is smaller', () => {
    expect(freeSubnet('hello', ['10.0.0.16/28'], [])).toEqual({
      subnet: '10.0.0.16/28',
      block: '10.0.0.16/28',
    });
  });

  it('are sought at the same place by all who make one', () => {
    const first = freeSubnet('hello', ['10.0.0.0/16'], ['10.0.0.0/25']);
    expect(freeSubnet('hello', ['10.0.0.0/16'], ['10.0.0.0/25'])).toEqual(first);
  });
});

describe('what config values say', () => {
  it('is hidden, the longer value first, and short words are not', () => {
    const redact = redactor({
      A: 'secret-token',
      B: 'secret-token-2',
      C: 'true',
      KEY: 'first line of it\nsecond line',
    });
    expect(redact('a secret-token-2, a secret-token, true')).toBe('a ***, a ***, true');
    expect(redact('read second line')).toBe('read ***');
  });
});

describe('what the engine sends', () => {
  it('is read as events of our containers', () => {
    const event = (action: string, attributes: object = { 'slipway.app': 'hello' }): string =>
      JSON.stringify({ Action: action, Actor: { ID: 'c1', Attributes: attributes } });
    expect(parseEvent(event('health_status: unhealthy'))).toEqual({
      id: 'c1',
      app: 'hello',
      action: 'unhealthy',
    });
    expect(parseEvent(event('die'))).toEqual({ id: 'c1', app: 'hello', action: 'die' });
    expect(parseEvent(event('exec_start: /bin/sh'))).toBeUndefined();
    expect(parseEvent(event('die', {}))).toBeUndefined();
    expect(parseEvent('{"Action":')).toBeUndefined();
  });

  it('is read as lines of output, in frames or plain', () => {
    const frame = (stream: number, text: string): Buffer => {
      const header = Buffer.alloc(8);
      header[0] = stream;
      header.writeUInt32BE(Buffer.byteLength(text), 4);
      return Buffer.concat([header, Buffer.from(text)]);
    };
    expect(splitOutput(Buffer.concat([frame(1, 'one\ntw'), frame(2, 'o\n')]))).toEqual(['one', 'two']);
    expect(splitOutput('plain text\nof a terminal\n')).toEqual(['plain text', 'of a terminal']);
    expect(splitOutput('')).toEqual([]);
  });
});

describe('the last lines of a rollout', () => {
  const release = {
    number: 3,
    kind: 'deploy',
    image: { repository: 'apps/hello', digest: 'sha256:abc' },
    processes: [{ type: 'web', scale: 1 }],
  } as unknown as Release;
  const deployment: Deployment = {
    id: 'b1',
    app: 'hello',
    kind: 'push',
    who: 'alice',
    state: 'releasing',
    phases: [
      { name: 'build', ms: 1200 },
      { name: 'pull', ms: 9000 },
      { name: 'pull', ms: 300 },
    ],
    steps: { cached: 4, total: 5 },
    acceptedAt: 1000,
  };
  const success = { app: 'hello', release, url: 'http://hello.localhost:8080', deployment, now: 4000 };

  it('say what is live, where, how long each phase took and how to undo it', () => {
    expect(
      reportSuccess({ ...success, previous: { ...release, number: 2 } }).map(({ text }) => text),
    ).toEqual([
      'v3 of hello is live at http://hello.localhost:8080',
      'image  apps/hello@sha256:abc',
      'steps  4/5 cached',
      'time   build 1.20 s, pull 0.30 s, 3.00 s in all',
      'To undo: slipway rollback v2 -a hello',
    ]);
  });

  it('say which process types of a push nobody has scaled yet', () => {
    const pushed = {
      ...release,
      processes: [...release.processes, { type: 'old', scale: 0 }, { type: 'clock', scale: 0 }],
    };
    const previous = { ...release, number: 2, processes: [...release.processes, { type: 'old', scale: 1 }] };
    const idle = (one: Release): string[] =>
      reportSuccess({ ...success, release: one, previous })
        .map(({ text }) => text)
        .filter((text) => text.startsWith('idle'));
    expect(idle(pushed)).toEqual(['idle   no clock runs; to have one: slipway ps:scale clock=1 -a hello']);
    expect(idle({ ...pushed, kind: 'scale' })).toEqual([]);
  });

  it('offer only a way back that leads there: a rollback neither starts, nor stops, nor moves an app', () => {
    const previous = { ...release, number: 2 };
    const lines = (one: Partial<Release>): string =>
      reportSuccess({ ...success, release: { ...release, ...one }, previous })
        .map(({ text }) => text)
        .join('\n');
    const stopped = lines({ kind: 'stop', processes: [{ type: 'web', scale: 0, whenStarted: 1 }] });
    expect(stopped).toMatch(/^v3 of hello is live; hello is stopped\n/);
    expect(stopped).toMatch(/\nTo undo: slipway ps:start -a hello$/);
    expect(lines({ kind: 'start' })).toMatch(/\nTo undo: slipway ps:stop -a hello$/);
    expect(lines({ kind: 'restart' })).not.toContain('undo');
    expect(lines({ kind: 'placement' })).not.toContain('undo');
  });

  it('offer no way back from the first release', () => {
    const { steps: _none, ...unbuilt } = deployment;
    const lines = reportSuccess({ ...success, deployment: unbuilt, previous: undefined }).map(
      ({ text }) => text,
    );
    expect(lines.join('\n')).not.toMatch(/undo|cached/);
  });
});
