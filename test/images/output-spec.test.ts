/** `--output` and `--annotation` as people write them. */
import { expect, test } from 'vitest';
import { annotationsOf, parseAnnotation } from '../../src/images/annotations.js';
import { parseOutput } from '../../src/images/output-spec.js';

test('a directory alone, a dash alone', () => {
  expect(parseOutput('out')).toEqual({ kind: 'local', dest: 'out' });
  expect(parseOutput('out/a=b')).toEqual({ kind: 'local', dest: 'out/a=b' });
  expect(parseOutput('-')).toEqual({ kind: 'tar', dest: '-' });
});

test('the fields of each type', () => {
  expect(parseOutput('type=oci,dest=a.tar')).toEqual({
    kind: 'oci',
    dest: 'a.tar',
    tar: true,
    names: [],
    forceCompression: false,
    ociMediaTypes: true,
    annotations: [],
    rewriteTimestamp: false,
  });
  expect(parseOutput('type=docker,dest=-')).toMatchObject({
    kind: 'docker',
    dest: '-',
    ociMediaTypes: false,
  });
  expect(
    parseOutput('type=oci,"dest=a,b.tar","name=x,y:z",compression=zstd,force-compression=1'),
  ).toMatchObject({
    dest: 'a,b.tar',
    names: ['x', 'y:z'],
    compression: 'zstd',
    forceCompression: true,
  });
  expect(parseOutput('type=image,name=a/b,push=true')).toMatchObject({ kind: 'registry', names: ['a/b'] });
  expect(parseOutput('type=image')).toEqual({ kind: 'none' });
  expect(parseOutput('type=cacheonly')).toEqual({ kind: 'none' });
  expect(parseOutput('type=local,dest=d,platform-split=false')).toEqual({
    kind: 'local',
    dest: 'd',
    platformSplit: false,
  });
});

test.each([
  ['', 'empty'],
  ['type=oci', 'dest'],
  ['type=ocl,dest=x', '"ocl"'],
  ['dest=x,tar=true', 'type'],
  ['type=oci,dest=-,tar=false', 'stdout'],
  ['type=local,dest=-', 'stdout'],
  ['type=oci,dest=x,dset=y', '"dset"'],
  ['type=oci,dest=x,dest=y', 'twice'],
  ['type=oci,dest=x,compression=estargz', '"estargz"'],
  ['type=oci,dest=x,tar=maybe', '"maybe"'],
  ['type=oci,de"st=x', 'quote'],
  ['type=local,dest=x,annotation.a=b', 'annotations'],
  ['type=oci,dest=x,annotation-layer.a=b', '"layer"'],
])('%s is refused', (text, named) => {
  expect(() => parseOutput(text)).toThrow(
    expect.objectContaining({ code: 'bad_request', message: expect.stringContaining(named) }),
  );
});

test('annotations go where they are for', () => {
  const rules = [
    ...parseAnnotation('a=1'),
    ...parseAnnotation('index,manifest[linux/arm64]:b=2'),
    ...parseAnnotation('index:c=x=y'),
  ];
  expect(annotationsOf(rules, 'manifest', 'linux/amd64')).toEqual({ a: '1' });
  expect(annotationsOf(rules, 'manifest', 'linux/arm64')).toEqual({ a: '1', b: '2' });
  expect(annotationsOf(rules, 'index')).toEqual({ b: '2', c: 'x=y' });
  expect(annotationsOf(rules, 'index-descriptor')).toBeUndefined();
  expect(parseOutput('type=registry,annotation-manifest[linux/amd64].k.l=v')).toMatchObject({
    annotations: [{ level: 'manifest', platform: 'linux/amd64', key: 'k.l', value: 'v' }],
  });
  expect(() => parseAnnotation('=x')).toThrow(/KEY=VALUE/);
});
