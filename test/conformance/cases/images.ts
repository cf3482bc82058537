/** Base images of other kinds, and named contexts. */
import { type Case, directory, file, NO_PEER, type Topic } from '../case.js';

const NAMED = 'docker buildx build, "--build-context"';
const named = (
  name: string,
  dockerfile: string,
  files: Record<string, string | null>,
  contexts: NonNullable<Case['options']>['contexts'],
): Case => ({
  name,
  dockerfile,
  files: { f: 'main' },
  options: { contexts: contexts ?? {} },
  peers: NO_PEER,
  expect: { source: NAMED, files },
});

export const IMAGES: Topic = {
  topic: 'images',
  cases: [
    {
      name: 'a base with the media types of docker',
      dockerfile: 'FROM REGISTRY/schema2\nRUN echo x > /f\nCMD run it\n',
    },
    { name: 'a base without a change', dockerfile: 'FROM REGISTRY/schema2\n' },
    { name: 'a base by tag', dockerfile: 'FROM REGISTRY/busybox:latest\nRUN echo x > /f\n' },
    {
      name: 'a base whose triggers, user and directory all count',
      dockerfile: 'FROM REGISTRY/rich\nRUN id -u > /tmp/u; pwd >> /tmp/u; echo "$FROM_BASE" >> /tmp/u\n',
    },
    {
      name: 'a copy of all special files of a base',
      truth: 'buildah',
      dockerfile: 'FROM scratch\nCOPY --from=REGISTRY/rich /data /\n',
      expect: { source: 'BuildKit', config: { WorkingDir: '/' } },
    },
    named(
      'a directory is copied from',
      'FROM REGISTRY/busybox\nCOPY --from=other g /g\nCOPY f /f\n',
      { '/f': file('main'), '/g': file('other') },
      { other: { g: 'other' } },
    ),
    named(
      'a directory has its own rules',
      'FROM REGISTRY/busybox\nCOPY --from=other . /to/\n',
      { '/to': directory(), '/to/.dockerignore': file('no\n'), '/to/g': file('g') },
      {
        other: { g: 'g', no: 'n', '.dockerignore': 'no\n' },
      },
    ),
    named(
      'a directory is mounted',
      'FROM REGISTRY/busybox\nRUN --mount=from=other,target=/mnt cat /mnt/g > /out\n',
      { '/out': file('other') },
      { other: { g: 'other' } },
    ),
    named(
      'an image takes the place of a base',
      'FROM base\nRUN echo x > /f\n',
      { '/f': file('x\n') },
      { base: { image: 'REGISTRY/busybox' } },
    ),
    named(
      'an image takes the place of a stage',
      'FROM REGISTRY/nosuch AS dep\nRUN false\nFROM REGISTRY/busybox\nCOPY --from=dep /data/file /f\n',
      { '/f': file('first\n') },
      {
        dep: { image: 'REGISTRY/rich' },
      },
    ),
  ],
};
