import { describe, expect, it } from 'vitest';
import type { Node, Seen, Service, ServiceWish, Task } from '../../deploy/swarm/documents.js';
import { containersOf, serviceName, serviceSpec } from '../../deploy/swarm/documents.js';
import { serviceHealthcheck } from '../../deploy/swarm/healthcheck.js';
import { secretName, surroundingsOf } from '../../deploy/swarm/secrets.js';
import { planServices, putBack } from '../../deploy/swarm/services.js';
import { differences } from '../../deploy/swarm/watch.js';
import type { ReleaseWithOutcome } from '../../src/model/release.js';

/** What the platform gives any app. */
const USUAL_MS = 30_000;
const WISH: ServiceWish = {
  platform: 'testtest',
  app: 'shop',
  release: 2,
  deployment: 'd2',
  process: 'web',
  first: 1,
  count: 2,
  image: 'registry/apps/shop@sha256:1',
  port: { port: 8080, isExposed: true },
  published: 20_001,
  env: { A: '1' },
  network: 'n',
  graceMs: 1000,
};

function service(wish: Partial<ServiceWish> = {}, id = 's1'): Service {
  const Spec = serviceSpec({ ...WISH, ...wish }) as Service['Spec'];
  return { ID: id, Version: { Index: 1 }, CreatedAt: '2026-01-01T00:00:00Z', Spec };
}

function task(slot: number, state: string, more: Partial<Task> = {}): Task {
  return {
    ID: `t${slot}`,
    CreatedAt: '2026-01-01T00:00:00Z',
    ServiceID: 's1',
    Slot: slot,
    NodeID: 'n1',
    DesiredState: 'running',
    Status: { Timestamp: '2026-01-01T00:00:00Z', State: state },
    ...more,
  };
}

function node(id: string, state = 'ready', availability = 'active'): Node {
  return {
    ID: id,
    Spec: { Availability: availability },
    Status: { State: state, Addr: `10.0.0.${id.slice(1)}` },
  };
}

function release(scale: number, hosts = ['prod']): ReleaseWithOutcome {
  return {
    number: 2,
    kind: 'deploy',
    image: { repository: 'apps/shop', digest: 'sha256:1' },
    source: 'c',
    config: {},
    processes: [{ type: 'web', scale }],
    hosts,
    deploymentId: 'd2',
    createdAt: '',
    createdBy: 'alice',
    description: '',
  };
}

const NODES = [node('n1'), node('n2'), node('n3')];
const seen = (services: Service[], tasks: Task[] = []): Seen => ({ services, tasks, nodes: NODES });

describe('the services of a release', () => {
  it('hold at most one published instance for each node that can take tasks', () => {
    const { missing } = planServices('prod', release(5), seen([]));
    expect(missing).toEqual([
      { process: 'web', first: 1, count: 3 },
      { process: 'web', first: 4, count: 2 },
    ]);
    const drained = { ...seen([]), nodes: [node('n1'), node('n2', 'ready', 'drain'), node('n3', 'down')] };
    expect(planServices('prod', release(2), drained).missing.map(({ count }) => count)).toEqual([1, 1]);
  });

  it('are what is there already, however many nodes there were then', () => {
    const there = [service({ count: 1 }), service({ first: 2, count: 2 }, 's2')];
    const { keep, misfits, missing } = planServices('prod', release(4), seen(there));
    expect(keep.map(({ service: { ID } }) => ID)).toEqual(['s1', 's2']);
    expect(misfits).toEqual([]);
    expect(missing).toEqual([{ process: 'web', first: 4, count: 1 }]);
  });

  it('are not those of other releases, and not those with an instance too many', () => {
    const there = [
      service({ deployment: 'd1' }),
      service({ count: 3 }, 's2'),
      service({ process: 'worker' }, 's3'),
    ];
    const { keep, misfits } = planServices('prod', release(2), seen(there));
    expect(keep).toEqual([]);
    expect(misfits.map(({ ID }) => ID)).toEqual(['s2', 's3']);
  });

  it('have names that the Swarm takes, different ones for different instances', () => {
    const long = { ...WISH, app: 'a'.repeat(40), process: 'p'.repeat(30) };
    const names = [WISH, { ...WISH, first: 4 }, long, { ...long, first: 4 }].map(serviceName);
    expect(new Set(names).size).toBe(4);
    for (const name of names) expect(name).toMatch(/^(?=.{1,63}$)[a-z0-9](?:[-_]*[a-z0-9]+)*$/i);
  });

  it('are put back in scale, image and variables, and otherwise left as they are', () => {
    const right = service();
    const wanted = serviceSpec(WISH);
    expect(putBack(right, wanted)).toBeUndefined();
    const scaled = {
      ...right,
      Spec: { ...right.Spec, Mode: { Replicated: { Replicas: 9 } }, Extra: 'kept' },
    };
    expect(putBack(scaled, wanted)).toMatchObject({ Mode: { Replicated: { Replicas: 2 } }, Extra: 'kept' });
    expect(putBack(service({ image: 'other' }), wanted)).toMatchObject({
      TaskTemplate: { ContainerSpec: { Image: WISH.image } },
    });
  });
});

describe('the containers of a service', () => {
  it('are the tasks that the Swarm wants, with the address of their node', () => {
    const old = task(1, 'failed', { ID: 'old', DesiredState: 'shutdown' });
    const tasks = [old, task(1, 'running'), task(2, 'preparing', { NodeID: 'n2' })];
    expect(containersOf('prod', service(), seen([], tasks))).toMatchObject([
      {
        id: 't1',
        instance: { process: 'web', number: 1 },
        state: 'running',
        address: { host: '10.0.0.1', port: 20_001 },
      },
      { id: 't2', instance: { process: 'web', number: 2 }, state: 'restarting' },
    ]);
  });

  it('count on without gaps after somebody scaled by hand, and no further than the release', () => {
    const tasks = [7, 3, 5].map((slot) => task(slot, 'running'));
    const found = containersOf('prod', service({ first: 4 }), seen([], tasks));
    expect(found.map(({ id, instance }) => `${id} ${instance.number}`)).toEqual(['t3 4', 't5 5']);
  });

  it('show one that nobody wants for a service without a task, so that it is not forgotten', () => {
    expect(containersOf('prod', service(), seen([]))).toMatchObject([
      { id: 's1', instance: { process: 'web', number: 0 }, state: 'created' },
    ]);
  });

  it('are told of when one comes, dies or goes', () => {
    const both = [task(1, 'running'), task(2, 'running')];
    const before = containersOf('prod', service(), seen([], both));
    const other = [task(1, 'running', { ID: 'new' }), task(2, 'starting')];
    const now = containersOf('prod', service(), seen([], other));
    expect([...differences(before, now)].map(({ id, action }) => `${id} ${action}`)).toEqual([
      't1 destroy',
      't2 die',
      'new moved',
    ]);
  });
});

describe('config vars in a Swarm', () => {
  it('are variables, unless the app wants files', () => {
    expect(surroundingsOf({ A: '1' })).toEqual({ env: { A: '1' }, files: new Map() });
    const off = { A: '1', SLIPWAY_SECRET_FILES: '0' };
    expect(surroundingsOf(off)).toEqual({ env: off, files: new Map() });
    const { env, files } = surroundingsOf({ A: '1', EMPTY: '', PORT: '80', SLIPWAY_SECRET_FILES: '1' });
    expect(env).toEqual({ A_FILE: '/run/secrets/A', EMPTY: '', PORT: '80' });
    expect([...files]).toEqual([['A', '1']]);
  });

  it('are secrets with a name for each release and variable, which the Swarm takes', () => {
    const names = [secretName('p', 'd1', 'A'), secretName('p', 'd1', 'B'), secretName('p', 'd2', 'A')];
    expect(new Set(names).size).toBe(3);
    for (const name of names) expect(name).toMatch(/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}$/);
  });
});

describe('a check by command in a Swarm', () => {
  const healthOf = (wish: Partial<ServiceWish>): unknown =>
    serviceSpec({ ...WISH, ...wish }).TaskTemplate.ContainerSpec?.Healthcheck;

  it('is the health check of the service, instead of that of its image', () => {
    const check = { command: ['bin/ready', '$x'], timeout: 2, wait: 4, attempts: 6, initialDelay: 1 };
    const healthcheck = serviceHealthcheck('web', [{ path: '/' }, check], USUAL_MS)!;
    expect(healthOf({ healthcheck })).toEqual({
      Test: ['CMD', 'bin/ready', '$x'],
      Interval: 4e9,
      Timeout: 2e9,
      StartPeriod: 1e9,
      Retries: 6,
    });
  });

  it('is not given up by the Swarm before the rollout gives it up', () => {
    const { intervalMs, retries } = serviceHealthcheck('web', [{ command: ['a'] }], USUAL_MS)!;
    expect(intervalMs * retries!).toBeGreaterThan(USUAL_MS);
  });

  it('leaves the check of the image alone where there is none, and can be only one', () => {
    expect(serviceHealthcheck('web', [{ path: '/' }], USUAL_MS)).toBeUndefined();
    expect(healthOf({ healthcheck: { intervalMs: 0 } })).toEqual({ Interval: 3e9 });
    const two = [{ command: ['a'] }, { command: ['b'] }];
    expect(() => serviceHealthcheck('web', two, USUAL_MS)).toThrow(
      expect.objectContaining({
        code: 'release_unusable',
        message: expect.stringContaining('web has several'),
      }),
    );
  });
});
