/** COPY --chown, --chmod, --link, --parents, --exclude. */
import {
  type Case,
  DOCKER_ONLY,
  directory,
  type FileSpec,
  file,
  NO_PEER,
  onBusybox,
  type Topic,
} from '../case.js';

const TREE: Readonly<Record<string, FileSpec>> = {
  'a.txt': 'a',
  'b.md': 'b',
  'src/x/one.go': '1',
  'src/x/two.txt': '2',
  'src/y/three.go': '3',
  'src/run.sh': { text: '#!', mode: 0o755 },
};
const copy = (name: string, lines: string, more: Partial<Case> = {}): Case =>
  onBusybox(name, lines, { files: TREE, ...more });
const told = (
  name: string,
  lines: string,
  source: string,
  files: Record<string, string | null>,
  more: Partial<Case> = {},
): Case => copy(name, lines, { peers: NO_PEER, expect: { source, files }, ...more });

const CHMOD = 'Dockerfile reference, "COPY --chmod" (symbolic notation since 1.14)';
const PARENTS = 'Dockerfile reference, "COPY --parents"';
const EXCLUDE = 'Dockerfile reference, "COPY --exclude"';
const LINK = 'Dockerfile reference, "COPY --link"';

export const COPY_FLAGS: Topic = {
  topic: 'copy-flags',
  cases: [
    copy('--chown with ids', 'COPY --chown=12:34 a.txt /a\nCOPY --chown=12:34 src /src'),
    copy('--chown with names', 'COPY --chown=app:staff a.txt /a'),
    copy('--chown with one id is also the group', 'COPY --chown=1234 a.txt /a'),
    copy('--chown with a known id alone', 'COPY --chown=1000 a.txt /a'),
    copy('--chown with a name alone takes its group', 'COPY --chown=app a.txt /a'),
    copy('--chown with name and id mixed', 'COPY --chown=app:7 a.txt /a\nCOPY --chown=7:staff b.md /b'),
    copy(
      '--chown reaches directories that are made',
      'COPY --chown=12:34 a.txt /new/dir/a\nCOPY --chown=app a.txt /new2/',
    ),
    copy('--chown leaves directories that exist', 'RUN mkdir /to\nCOPY --chown=12:34 src /to'),
    copy(
      '--chown by names of a file that RUN made',
      'RUN echo "late:x:4242:4343::/:/bin/sh" >> /etc/passwd\nCOPY --chown=late a.txt /a',
    ),
    copy('--chown root without a passwd file', 'RUN rm /etc/passwd /etc/group\nCOPY --chown=root a.txt /a', {
      peers: DOCKER_ONLY,
    }),
    copy('--chown with an unknown name fails', 'COPY --chown=nosuch a.txt /a', {
      peers: ['buildah'],
      fails: { code: 'step_failed', message: /nosuch/ },
    }),
    copy(
      '--chmod with an octal mode',
      'COPY --chmod=0640 a.txt /a\nCOPY --chmod=755 a.txt /b\nCOPY --chmod=4711 a.txt /c',
      { truth: 'buildah' },
    ),
    copy('--chmod of a directory reaches files and directories', 'COPY --chmod=0705 src /src', {
      peers: DOCKER_ONLY,
      expect: { source: 'Dockerfile reference, "COPY --chmod"', files: { '/src': directory('0705') } },
    }),
    copy('--chmod and --chown together', 'COPY --chmod=600 --chown=5:6 a.txt /a'),
    copy('--chmod does not touch links', 'COPY --chmod=600 d /d', {
      files: { 'd/f': 'x', 'd/l': { link: 'f' } },
      peers: DOCKER_ONLY,
      expect: { source: 'Dockerfile reference, "COPY --chmod"', files: { '/d': directory('0600') } },
    }),
    told(
      '--chmod of made parents',
      'COPY --chmod=700 a.txt /new/dir/a',
      'BuildKit file ops: created parents take an octal mode',
      {
        '/new': directory('0700'),
        '/new/dir': directory('0700'),
        '/new/dir/a': file('a', '0700'),
      },
    ),
    told(
      '--chmod in symbols',
      'COPY --chmod=u=rwX,go=rX src /src\nCOPY --chmod=a-w,+x a.txt /a\nCOPY --chmod=g=u b.md /b',
      CHMOD,
      {
        '/src': directory(),
        '/src/run.sh': file('#!', '0755'),
        '/src/x': directory(),
        '/src/x/one.go': file('1'),
        '/src/x/two.txt': file('2'),
        '/src/y': directory(),
        '/src/y/three.go': file('3'),
        '/a': file('a', '0555'),
        '/b': file('b', '0664'),
      },
    ),
    told('--link of a file', 'COPY --link a.txt /to/a', LINK, { '/to': directory(), '/to/a': file('a') }),
    told('--link of a directory', 'RUN mkdir /src && touch /src/old\nCOPY --link src /src/', LINK, {
      '/src': directory(),
      '/src/old': file(''),
      '/src/run.sh': file('#!', '0755'),
      '/src/x': directory(),
      '/src/x/one.go': file('1'),
      '/src/x/two.txt': file('2'),
      '/src/y': directory(),
      '/src/y/three.go': file('3'),
    }),
    told(
      '--link does not follow links of the image',
      'RUN mkdir /real && ln -s real /link\nCOPY --link a.txt /link/',
      LINK,
      {
        '/real': directory(),
        '/link': directory(),
        '/link/a.txt': file('a'),
      },
    ),
    told('--link with ids as owner', 'COPY --link --chown=5:6 a.txt /d/a', LINK, {
      '/d': directory('0755', '5:6'),
      '/d/a': file('a', '0644', '5:6'),
    }),
    told('--link from a stage', 'RUN echo x > /f\nFROM REGISTRY/busybox\nCOPY --link --from=0 /f /d/', LINK, {
      '/d': directory(),
      '/d/f': file('x\n'),
    }),
    told(
      '--link=false is a plain copy',
      'RUN mkdir /real && ln -s real /link\nCOPY --link=false a.txt /link/',
      LINK,
      {
        '/real': directory(),
        '/link': 'symlink 0:0 -> real',
        '/real/a.txt': file('a'),
      },
    ),
    told('--parents keeps the path', 'COPY --parents src/x/one.go a.txt /to/', PARENTS, {
      '/to': directory(),
      '/to/a.txt': file('a'),
      '/to/src': directory(),
      '/to/src/x': directory(),
      '/to/src/x/one.go': file('1'),
    }),
    told('--parents with wildcards', 'COPY --parents src/*/*.go /to/', PARENTS, {
      '/to': directory(),
      '/to/src': directory(),
      '/to/src/x': directory(),
      '/to/src/x/one.go': file('1'),
      '/to/src/y': directory(),
      '/to/src/y/three.go': file('3'),
    }),
    told('--parents with two stars', 'COPY --parents **/*.go /to/', PARENTS, {
      '/to': directory(),
      '/to/src': directory(),
      '/to/src/x': directory(),
      '/to/src/x/one.go': file('1'),
      '/to/src/y': directory(),
      '/to/src/y/three.go': file('3'),
    }),
    told('--parents from a pivot on', 'COPY --parents src/./x/*.go /to/', PARENTS, {
      '/to': directory(),
      '/to/x': directory(),
      '/to/x/one.go': file('1'),
    }),
    told('--parents of a directory', 'COPY --parents src/x /to/', PARENTS, {
      '/to': directory(),
      '/to/src': directory(),
      '/to/src/x': directory(),
      '/to/src/x/one.go': file('1'),
      '/to/src/x/two.txt': file('2'),
    }),
    told(
      '--exclude by pattern',
      'COPY --exclude=*.md --exclude=src . /to/',
      EXCLUDE,
      { '/to': directory(), '/to/a.txt': file('a') },
      {
        files: { ...TREE, '.dockerignore': 'Dockerfile\n.dockerignore\n' },
      },
    ),
    told('--exclude at any depth', 'COPY --exclude=**/*.go src /to/', EXCLUDE, {
      '/to': directory(),
      '/to/run.sh': file('#!', '0755'),
      '/to/x': directory(),
      '/to/x/two.txt': file('2'),
      '/to/y': directory(),
    }),
    told('--exclude with an exception', 'COPY --exclude=x/* --exclude=!x/one.go src /to/', EXCLUDE, {
      '/to': directory(),
      '/to/run.sh': file('#!', '0755'),
      '/to/x': directory(),
      '/to/x/one.go': file('1'),
      '/to/y': directory(),
      '/to/y/three.go': file('3'),
    }),
    told('--exclude among wildcard matches', 'COPY --exclude=*.md *.* /to/', EXCLUDE, {
      '/to': directory(),
      '/to/a.txt': file('a'),
    }),
    told(
      '--exclude with --from',
      'FROM REGISTRY/busybox\nCOPY --from=REGISTRY/rich --exclude=d* --exclude=*ink --exclude=h* --exclude=[ns]* --exclude=*s* --exclude=pipe --exclude=absolute --exclude=capable /data /to/',
      EXCLUDE,
      {
        '/to': directory(),
        '/to/file': file('first\n'),
        '/to/owned': file('owned\n', '0640', '1000:1001'),
      },
    ),
  ],
};
