import { describe, expect, it } from 'vitest';
import { declaredBy, formed } from '../../src/model/process.js';
import {
  checkVolumeHost,
  MountFault,
  mounted,
  mountsOfAll,
  NO_VOLUMES,
  parseMount,
  type Volumes,
  volumeNameFault,
  volumesOf,
  withContents,
  writesVolume,
} from '../../src/model/volume.js';

const data = { volume: 'data', path: '/data' };
const at = { at: '2026-01-01', by: 'alice' };
const onA: Volumes = { volumes: { data: { host: 'a', content: '0123456789ab', ...at } }, removed: [] };

describe('a mount', () => {
  it('is written as type, path and mode', () => {
    expect(parseMount('web:/data')).toEqual({ type: 'web', path: '/data', readOnly: false });
    expect(parseMount('worker:/var/lib/app/:ro')).toEqual({
      type: 'worker',
      path: '/var/lib/app',
      readOnly: true,
    });
  });

  it.each([
    'web',
    'web:data',
    'web:/',
    'web:/a/../b',
    'web:/a/.',
    'web:/proc/1',
    'web:/dev',
    'web:/a,b',
    '/data',
    'web://',
    'web:/a:rx',
  ])('is not %s', (text) => {
    expect(() => parseMount(text)).toThrow(MountFault);
  });

  it('that somebody set holds over the declared one at its path, and none takes it away', () => {
    const cache = { volume: 'cache', path: '/cache' };
    expect(mounted([data, cache], { '/data': { volume: 'other', readOnly: true }, '/cache': null })).toEqual([
      { volume: 'other', path: '/data', readOnly: true },
    ]);
  });

  it('stays through changes of scale, and through pushes that do not name it', () => {
    const formation = { scale: {}, resources: {}, mounts: { web: { '/data': { volume: 'data' } } } };
    const first = formed([{ type: 'web' }], formation);
    expect(first).toEqual([{ type: 'web', scale: 1, mounts: [data] }]);
    expect(formed(declaredBy(first), { ...formation, scale: { web: 3 } })[0]).toMatchObject({
      mounts: [data],
    });
    const unmounted = { ...formation, mounts: { web: { '/data': null } } };
    expect(formed(declaredBy(first), unmounted)).toEqual([{ type: 'web', scale: 1 }]);
  });

  it('is writable for a command beside the processes when one of them may write', () => {
    const all = mountsOfAll([
      { type: 'web', mounts: [{ ...data, readOnly: true }] },
      { type: 'worker', mounts: [data, { volume: 'cache', path: '/cache' }] },
      { type: 'other', mounts: [{ volume: 'else', path: '/cache' }] },
    ]);
    expect(all).toEqual([data, { volume: 'cache', path: '/cache' }]);
  });

  it('says whether two releases must not have it at once', () => {
    expect(writesVolume({ mounts: [data] })).toBe(true);
    expect(writesVolume({ mounts: [{ ...data, readOnly: true }] })).toBe(false);
    expect(writesVolume({})).toBe(false);
  });

  it('gets what its volume holds now', () => {
    expect(withContents(onA, 'hello', [data])).toEqual([{ ...data, content: '0123456789ab' }]);
    expect(() => withContents(NO_VOLUMES, 'hello', [data])).toThrow('hello has no volume data any more');
    expect(() => withContents(NO_VOLUMES, 'hello', [{ ...data, volume: 'constructor' }])).toThrow(
      'no volume',
    );
  });
});

describe('a volume', () => {
  it('has a name that a registry and an engine take', () => {
    expect(volumeNameFault('user-data2')).toBeUndefined();
    for (const name of ['', 'Data', '2data', 'a--b', 'a.b', 'a/b', 'a'.repeat(41)])
      expect(volumeNameFault(name)).toBeDefined();
  });

  it('is named once, however often it is mounted', () => {
    expect(
      volumesOf([{ type: 'web', mounts: [data] }, { type: 'b', mounts: [data] }, { type: 'c' }]),
    ).toEqual(['data']);
  });

  it('holds its app on its host', () => {
    const hosts = [
      { name: 'a', address: 'ssh://a' },
      { name: 'b', address: 'ssh://b' },
      { name: 's', address: 'swarm+ssh://s' },
    ];
    const check = (where: string[], names = ['data'], volumes = onA): void =>
      checkVolumeHost(names, where, volumes, hosts);
    check(['a']);
    check(['a', 'b'], []);
    expect(() => check(['b'])).toThrow('data is on a, and the app is to run on b');
    expect(() => check(['a', 'b'])).toThrow('data is on one host, and the app on a, b');
    expect(() => check(['s'], ['new'], NO_VOLUMES)).toThrow('s is a Swarm');
    check(['b'], ['new']);
  });
});
