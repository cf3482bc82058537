import { expect, test } from 'vitest';
import { CASE_IDS, HELP, isValid, readOptions } from './options.js';

test('without options everything runs, five times', () => {
  expect(readOptions([])).toMatchObject({
    cases: CASE_IDS,
    peers: ['docker', 'buildah'],
    rounds: 5,
    growth: [],
  });
});

test('cases run in the order of the table, whatever the order that was given', () => {
  expect(readOptions(['--cases', 'b1, a2']).cases).toEqual(['a2', 'b1']);
});

test('ours can run alone', () => {
  expect(readOptions(['--peers', 'none']).peers).toEqual([]);
  expect(readOptions(['--peers', 'buildah']).peers).toEqual(['buildah']);
});

test('what is not known is refused with what is', () => {
  expect(() => readOptions(['--cases', 'a1,z9'])).toThrow(/--cases knows a1, .*, not z9/);
  expect(() => readOptions(['--peers', 'podman'])).toThrow('--peers knows docker, buildah, not podman');
  expect(() => readOptions(['--growth', 'age'])).toThrow('--growth knows files');
  expect(() => readOptions(['--rounds', 'many'])).toThrow('--rounds');
  expect(() => readOptions(['--case', 'a1'])).toThrow();
});

test('none of the cases and all of them have names', () => {
  expect(readOptions(['--cases', 'none']).cases).toEqual([]);
  expect(readOptions(['--cases', 'all']).cases).toEqual(CASE_IDS);
});

test('growth and the floor are looked at alone, unless cases are named as well', () => {
  expect(readOptions(['--floor']).cases).toEqual([]);
  expect(readOptions(['--growth', 'files'])).toMatchObject({ cases: [], growth: ['files'] });
  const all = readOptions(['--cases', 'all', '--growth', 'all', '--floor']);
  expect(all).toMatchObject({ cases: CASE_IDS, floor: true });
  expect(all.growth).toContain('history');
});

test('fewer than five rounds are allowed, but prove nothing', () => {
  expect(isValid(readOptions(['--rounds', '4']))).toBe(false);
  expect(isValid(readOptions(['--rounds', '5']))).toBe(true);
});

test('the help names every option', () => {
  for (const name of ['cases', 'peers', 'rounds', 'docker-socket', 'may-empty', 'json', 'svg', 'markdown'])
    expect(HELP).toContain(`--${name}`);
  for (const name of ['growth', 'floor', 'profiles']) expect(HELP).toContain(`--${name}`);
});
