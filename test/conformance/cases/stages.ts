// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the variables of a Dockerfile
/** Stages: names, indexes, target, what is inherited, COPY --from. */
import { file, NO_PEER, type Topic } from '../case.js';

export const STAGES: Topic = {
  topic: 'stages',
  cases: [
    {
      name: 'the last stage is the image',
      dockerfile: 'FROM REGISTRY/busybox\nRUN touch /one\nFROM REGISTRY/busybox\nRUN touch /two\n',
    },
    {
      name: 'a target stage',
      dockerfile: 'FROM REGISTRY/busybox AS one\nRUN touch /one\nFROM REGISTRY/busybox AS two\nRUN false\n',
      options: { target: 'one' },
      peers: ['docker'],
    },
    {
      name: 'a target in another case',
      dockerfile: 'FROM REGISTRY/busybox AS Build\nRUN touch /one\nFROM scratch\nCOPY --from=BUILD /one /\n',
      options: { target: 'bUiLd' },
      peers: ['docker'],
    },
    {
      name: 'a target by its index',
      truth: 'buildah',
      dockerfile: 'FROM REGISTRY/busybox\nRUN touch /one\nFROM REGISTRY/busybox\nRUN touch /two\n',
      options: { target: '0' },
    },
    {
      name: 'stages that nothing needs are not built',
      dockerfile:
        'FROM REGISTRY/busybox AS broken\nRUN false\nFROM REGISTRY/missing AS absent\nFROM REGISTRY/busybox\nRUN touch /ok\n',
      peers: ['docker'],
    },
    {
      name: 'COPY --from a name and an index',
      dockerfile:
        'FROM REGISTRY/busybox AS one\nRUN echo 1 > /f\nFROM REGISTRY/busybox\nRUN echo 2 > /g\nFROM scratch\nCOPY --from=one /f /f\nCOPY --from=1 /g /g\n',
    },
    {
      name: 'COPY --from keeps owner, mode and links',
      truth: 'buildah',
      dockerfile: 'FROM REGISTRY/rich AS src\nFROM REGISTRY/busybox\nCOPY --from=src /data /copy\n',
    },
    {
      name: 'COPY --from with --chown changes every owner',
      truth: 'buildah',
      dockerfile:
        'FROM REGISTRY/rich AS src\nFROM REGISTRY/busybox\nCOPY --from=src --chown=7:8 /data /copy\n',
    },
    {
      name: 'COPY --from an image',
      dockerfile: 'FROM REGISTRY/busybox\nCOPY --from=REGISTRY/rich /data/owned /data/dir/inner /to/\n',
    },
    {
      name: 'COPY --from follows a link in the source path',
      dockerfile:
        'FROM REGISTRY/busybox\nCOPY --from=REGISTRY/rich /data/dirlink/inner /a\nCOPY --from=REGISTRY/rich /data/link /b\nCOPY --from=REGISTRY/rich /data/absolute/inner /c\n',
    },
    {
      name: 'COPY --from of a link to a directory copies what is in it',
      dockerfile: 'FROM REGISTRY/busybox\nCOPY --from=REGISTRY/rich /data/dirlink /to\n',
    },
    {
      name: 'FROM an earlier stage inherits files and config',
      dockerfile:
        'FROM REGISTRY/busybox AS one\nRUN echo 1 > /one\nWORKDIR /w\nENV a=1\nUSER app\nLABEL l=1\nFROM one AS two\nRUN echo 2 > two; true\nUSER root\nRUN id -u > /id; pwd >> /id\n',
    },
    {
      name: 'FROM an earlier stage in another case',
      dockerfile: 'FROM REGISTRY/busybox AS Base\nRUN touch /f\nFROM bAsE\nRUN touch /g\n',
      peers: NO_PEER,
      expect: {
        source: 'BuildKit: stage names are compared in lower case',
        files: { '/f': file(''), '/g': file('') },
      },
    },
    {
      name: 'the same name twice: the last one wins',
      dockerfile:
        'FROM REGISTRY/busybox AS x\nRUN touch /one\nFROM REGISTRY/busybox AS x\nRUN touch /two\nFROM scratch\nCOPY --from=x /two /\n',
      peers: ['docker'],
    },
    {
      name: 'a stage named like its own base',
      dockerfile: 'FROM REGISTRY/busybox AS busybox\nRUN touch /f\nFROM busybox\nRUN touch /g\n',
    },
    {
      name: 'a diamond of stages',
      dockerfile:
        'FROM REGISTRY/busybox AS base\nRUN echo base > /base\nFROM base AS left\nRUN echo left > /left\nFROM base AS right\nRUN echo right > /right\nFROM base\nCOPY --from=left /left /\nCOPY --from=right /right /\n',
    },
    {
      name: 'COPY --from of the root',
      dockerfile:
        'FROM scratch AS src\nCOPY a /a\nCOPY d /d\nFROM REGISTRY/busybox\nCOPY --from=src / /all/\n',
      files: { a: 'a', 'd/e': 'e' },
    },
    {
      name: 'scratch with only config',
      dockerfile: 'FROM scratch\nLABEL a=b\nCOPY f /\n',
      files: { f: 'x' },
    },
    {
      name: 'ARG before each FROM',
      dockerfile:
        'ARG one=busybox\nARG two=rich\nFROM REGISTRY/$one AS a\nFROM REGISTRY/${two}\nUSER root\nCOPY --from=a /etc/hosts /h\n',
    },
    {
      name: 'COPY --from keeps a file that a later step changed',
      dockerfile:
        'FROM REGISTRY/busybox AS one\nRUN echo a > /f && chmod 600 /f\nRUN echo b >> /f && chown 5:6 /f\nFROM scratch\nCOPY --from=one /f /\n',
    },
    {
      name: 'COPY --from does not see what a later step removed',
      dockerfile:
        'FROM REGISTRY/busybox AS one\nRUN mkdir /d && touch /d/a /d/b\nRUN rm /d/a\nFROM scratch\nCOPY --from=one /d /d\n',
    },
  ],
};
