// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the variables of a Dockerfile
/** RUN --mount: what is mounted, and that nothing of it gets into the layer. */
import { type Case, DOCKER_ONLY, type FileSpec, file, NO_PEER, type Topic } from '../case.js';

const FILES: Readonly<Record<string, FileSpec>> = {
  f: 'x',
  'd/g': 'y',
  '.dockerignore': 'ignored\n',
  ignored: 'no',
};
/** Mount points that docker 20.10 leaves in the layer. Newer ones (BuildKit executor/stubs.go) and we do not. */
const STUBS: Readonly<Record<string, readonly string[]>> = {
  'bind: the context': ['/mnt'],
  'bind: is the default type': ['/mnt'],
  'bind: without what is ignored': ['/mnt'],
  'bind: from an image': ['/mnt'],
  'bind: is read-only': ['/mnt'],
  'bind: what is written with rw is thrown away': ['/mnt'],
  'bind: target relative to the working directory': ['/w/mnt'],
  'bind: src and dst': ['/mnt'],
  'cache: what one RUN writes the next one sees, the image does not': ['/cache'],
  'cache: ids are apart': ['/c', '/other'],
  'cache: mode and owner of a new one': ['/c'],
  'cache: begins with a stage': ['/c'],
  'tmpfs: nothing stays': ['/t'],
  'secret: a file at the usual place': ['/run/secrets'],
  'secret: the usual mode': ['/run/secrets'],
  'several mounts in one RUN': ['/a', '/b', '/c'],
};

const run = (name: string, lines: string, more: Partial<Case> = {}): Case => {
  const stubs = STUBS[name]?.map((path): [string, null] => [path, null]);
  return {
    name,
    dockerfile: `FROM REGISTRY/busybox\n${lines}\n`,
    files: FILES,
    ...(stubs === undefined
      ? {}
      : { expect: { source: 'BuildKit executor/stubs.go', files: Object.fromEntries(stubs) } }),
    ...more,
  };
};

export const MOUNTS: Topic = {
  topic: 'mounts',
  cases: [
    run('bind: the context', 'RUN --mount=type=bind,target=/mnt cat /mnt/f /mnt/d/g > /out', {
      peers: DOCKER_ONLY,
    }),
    run('bind: is the default type', 'RUN --mount=target=/mnt,source=d cat /mnt/g > /out', {
      peers: DOCKER_ONLY,
    }),
    run(
      'bind: without what is ignored',
      'RUN --mount=target=/mnt test ! -e /mnt/ignored && echo gone > /out',
      { peers: DOCKER_ONLY },
    ),
    run('bind: a file', 'RUN --mount=type=bind,source=f,target=/some/where/f cat /some/where/f > /out', {
      peers: NO_PEER,
      expect: { source: 'BuildKit stubs.go', files: { '/out': file('x') } },
    }),
    run(
      'bind: from a stage',
      'RUN echo made > /made\nFROM REGISTRY/busybox AS src\nRUN echo made > /made\nFROM REGISTRY/busybox\nRUN --mount=type=bind,from=src,source=/made,target=/tmp/made cat /tmp/made > /out',
      { peers: DOCKER_ONLY },
    ),
    run(
      'bind: from a stage by its index',
      'RUN echo made > /made\nFROM REGISTRY/busybox\nRUN --mount=from=0,source=/made,target=/tmp/made cat /tmp/made > /out',
      {
        peers: NO_PEER,
        expect: {
          source: 'as COPY --from=0; BuildKit looks for an image of that name',
          files: { '/out': file('made\n') },
        },
      },
    ),
    run(
      'bind: from an image',
      'RUN --mount=from=REGISTRY/rich,source=/data,target=/mnt cat /mnt/file > /out',
      { peers: DOCKER_ONLY },
    ),
    run(
      'bind: is read-only',
      'RUN --mount=target=/mnt touch /mnt/new 2>/dev/null && echo written > /out || echo refused > /out',
      { peers: DOCKER_ONLY },
    ),
    run(
      'bind: what is written with rw is thrown away',
      'RUN --mount=target=/mnt,rw echo new > /mnt/f && cat /mnt/f > /out\nRUN --mount=target=/mnt cat /mnt/f >> /out',
      { peers: DOCKER_ONLY },
    ),
    run(
      'bind: target relative to the working directory',
      'WORKDIR /w\nRUN --mount=target=mnt cat mnt/f > /out',
      { peers: DOCKER_ONLY },
    ),
    run('bind: src and dst', 'RUN --mount=type=bind,src=d,dst=/mnt cat /mnt/g > /out', {
      peers: DOCKER_ONLY,
    }),
    run(
      'bind: over a directory that exists',
      'RUN mkdir /mnt && echo below > /mnt/below\nRUN --mount=target=/mnt ls /mnt > /out',
      { peers: DOCKER_ONLY },
    ),
    run(
      'cache: what one RUN writes the next one sees, the image does not',
      'RUN --mount=type=cache,target=/cache echo one > /cache/f\nRUN --mount=type=cache,target=/cache cat /cache/f > /out',
      { peers: DOCKER_ONLY },
    ),
    run(
      'cache: ids are apart',
      'RUN --mount=type=cache,id=conformance-a,target=/c echo one > /c/f\nRUN --mount=type=cache,id=conformance-b,target=/c ls /c > /out\nRUN --mount=type=cache,id=conformance-a,target=/other cat /other/f >> /out',
      { peers: DOCKER_ONLY },
    ),
    run(
      'cache: mode and owner of a new one',
      'RUN --mount=type=cache,id=conformance-mode,target=/c,mode=0700,uid=5,gid=6 stat -c "%a %u %g" /c > /out',
      { peers: DOCKER_ONLY },
    ),
    run(
      'cache: begins with a stage',
      'RUN true\nFROM REGISTRY/busybox AS src\nRUN mkdir /seed && echo s > /seed/f\nFROM REGISTRY/busybox\nRUN --mount=type=cache,id=conformance-seed,from=src,source=/seed,target=/c cat /c/f > /out',
      { peers: DOCKER_ONLY },
    ),
    run('tmpfs: nothing stays', 'RUN --mount=type=tmpfs,target=/t touch /t/f && ls /t > /out', {
      peers: DOCKER_ONLY,
    }),
    run(
      'tmpfs: a size',
      "RUN --mount=type=tmpfs,target=/t,size=1m df -k /t | tail -1 | awk '{print $2}' > /out",
      {
        peers: NO_PEER,
        expect: {
          source: 'Dockerfile reference, "RUN --mount=type=tmpfs"',
          files: { '/out': file('1024\n') },
        },
      },
    ),
    run('secret: a file at the usual place', 'RUN --mount=type=secret,id=s cat /run/secrets/s > /out', {
      options: { secrets: { s: 'value' } },
      peers: DOCKER_ONLY,
    }),
    run(
      'secret: a file elsewhere, with mode and owner',
      'RUN --mount=type=secret,id=s,target=/etc/s,mode=0444,uid=5,gid=6 stat -c "%a %u %g" /etc/s > /out',
      { options: { secrets: { s: 'value' } }, peers: DOCKER_ONLY },
    ),
    run('secret: the usual mode', 'RUN --mount=type=secret,id=s stat -c "%a %u %g" /run/secrets/s > /out', {
      options: { secrets: { s: 'value' } },
      peers: DOCKER_ONLY,
    }),
    run(
      'secret: a missing one is no file',
      'RUN --mount=type=secret,id=none test ! -e /run/secrets/none && echo none > /out',
      { peers: DOCKER_ONLY },
    ),
    run(
      'secret: in a variable',
      'RUN --mount=type=secret,id=s,env=S test ! -e /run/secrets/s && echo "$S" > /out',
      {
        options: { secrets: { s: 'value' } },
        peers: NO_PEER,
        expect: {
          source: 'Dockerfile reference, "RUN --mount=type=secret", env',
          files: { '/out': file('value\n') },
        },
      },
    ),
    run('secret: a missing one that is required fails', 'RUN --mount=type=secret,id=none,required true', {
      peers: DOCKER_ONLY,
      fails: { code: 'secret_missing', message: /none/ },
    }),
    run(
      'several mounts in one RUN',
      'RUN --mount=target=/a,source=d --mount=type=tmpfs,target=/b --mount=type=cache,id=conformance-many,target=/c ls /a /b /c > /out',
      { peers: DOCKER_ONLY },
    ),
    run(
      'variables in the values',
      'ARG where=/mnt\nARG what=d\nRUN --mount=type=bind,source=${what},target=$where cat /mnt/g > /out',
      {
        peers: NO_PEER,
        expect: {
          source: 'BuildKit commands_runmount.go: values are expanded',
          files: { '/out': file('y') },
        },
      },
    ),
    run('quotes in the value', 'RUN --mount="type=bind,target=/mnt" cat /mnt/f > /out', {
      peers: NO_PEER,
      expect: { source: 'BuildKit commands_runmount.go: CSV', files: { '/out': file('x') } },
    }),
    run(
      'a target that the mount makes is gone afterwards',
      'RUN --mount=type=cache,id=conformance-stub,target=/new/deep/dir touch /new/deep/dir/f && echo ok > /out',
      { peers: NO_PEER, expect: { source: 'BuildKit executor/stubs.go', files: { '/out': file('ok\n') } } },
    ),
    run('a target that RUN filled stays', 'RUN --mount=type=tmpfs,target=/new/dir echo x > /new/beside', {
      peers: NO_PEER,
      expect: {
        source: 'BuildKit executor/stubs.go: only empty stubs are removed',
        files: { '/new': 'directory 0755 0:0', '/new/beside': file('x\n') },
      },
    }),
    run('an unknown key fails', 'RUN --mount=type=bind,tarjet=/mnt true', {
      fails: { code: 'dockerfile_invalid', message: /tarjet/ },
    }),
    run('a bind of the root fails', 'RUN --mount=type=bind,target=/ true', {
      peers: DOCKER_ONLY,
      fails: { code: 'dockerfile_invalid', message: /target|root|\// },
    }),
  ],
};
