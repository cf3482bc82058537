/** COPY without flags: sources, wildcards, destinations, what is kept of a file. */
import { type Case, directory, type FileSpec, file, NO_PEER, onBusybox, type Topic } from '../case.js';

const TREE: Readonly<Record<string, FileSpec>> = {
  'a.txt': 'a',
  'b.txt': 'b',
  '.hidden': 'h',
  'dir/one.txt': 'one',
  'dir/.dot': 'dot',
  'dir/sub/two.txt': 'two',
  'dir/sub/deep/three.go': 'three',
  'dir2/four.txt': 'four',
};
const copy = (
  name: string,
  lines: string,
  files: Readonly<Record<string, FileSpec>> = TREE,
  more: Partial<Case> = {},
): Case => onBusybox(name, lines, { files, ...more });

export const COPY: Topic = {
  topic: 'copy',
  cases: [
    copy('a file to a path', 'COPY a.txt /to'),
    copy('a file into a directory that does not exist', 'COPY a.txt /new/dir/'),
    copy('a file to a path below what does not exist', 'COPY a.txt /new/dir/name'),
    copy('a file into a directory that exists, without a slash', 'COPY a.txt /etc'),
    copy('a file over a file', 'COPY a.txt /etc/hosts'),
    copy('a directory copies its contents, dot files too', 'COPY dir /to'),
    copy('a directory with slashes at both ends', 'COPY dir/ /to/'),
    copy('a directory into one that exists', 'COPY dir /etc'),
    copy('everything', 'COPY . /app', { ...TREE, Dockerfile2: 'x' }),
    copy('everything into the root', 'COPY . .'),
    copy('relative to the working directory', 'WORKDIR /w/x\nCOPY a.txt .\nCOPY b.txt ./c/\nCOPY dir ../y'),
    copy('several files into a directory', 'COPY a.txt b.txt dir2/four.txt /to/'),
    copy('several directories are merged', 'COPY dir dir2 /to/'),
    copy('files and a directory', 'COPY a.txt dir /to/'),
    copy('JSON form with blanks in names', 'COPY ["a b.txt", "c d/", "/to dir/"]', {
      'a b.txt': 'x',
      'c d/e f': 'y',
    }),
    copy('a star matches names of one level, dot files too', 'COPY *.txt /to/\nCOPY *hid* /hid/'),
    copy('a star matches directories, whose contents are copied', 'COPY dir* /to/'),
    copy('a star in the middle', 'COPY d*/sub/*.txt /to/\nCOPY */*.txt /all/'),
    copy('a question mark and a class', 'COPY ?.txt /q/\nCOPY [b-z].txt /c/\nCOPY dir[0-9] /d/'),
    copy('an escaped bracket is a name', 'COPY a[[]1].txt /to/\nCOPY ["x\\\\*y", "/star/"]', {
      'a[1].txt': '1',
      a1: 'no',
      'x*y': 'star',
      xzy: 'no',
    }),
    copy(
      'a leading slash and dot segments in the source mean nothing',
      'COPY /a.txt /1\nCOPY ./b.txt /2\nCOPY dir/../a.txt /3',
    ),
    copy('a source above the context stays inside', 'COPY ../../a.txt /to'),
    copy('a link as the source is followed', 'COPY link /to\nCOPY dlink /dir/', {
      'real.txt': 'r',
      link: { link: 'real.txt' },
      'd/f': 'f',
      dlink: { link: 'd' },
    }),
    copy('a link inside a directory stays one', 'COPY d /to', {
      'd/rel': { link: 'f' },
      'd/abs': { link: '/etc/passwd' },
      'd/up': { link: '../../x' },
      'd/broken': { link: 'nowhere' },
      'd/f': 'f',
    }),
    copy('a link among wildcard matches', 'COPY l* /to/', { lone: { link: 'real' }, lfile: 'x', real: 'r' }),
    copy('modes are kept', 'COPY . /to/', {
      x: { text: '#!', mode: 0o755 },
      secret: { text: 's', mode: 0o600 },
      ro: { text: 'r', mode: 0o444 },
      setuid: { text: 'u', mode: 0o4755 },
      none: { text: 'n', mode: 0o000 },
      'd/f': 'f',
      d: { directory: 0o700 },
      'sticky/f': 'f',
      sticky: { directory: 0o1777 },
    }),
    copy('empty directories and files', 'COPY . /to/', {
      empty: '',
      dir: { directory: 0o755 },
      'a/b/c': { directory: 0o755 },
    }),
    copy('hard links stay links of each other', 'COPY d /to', {
      'd/a': 'x',
      'd/b': { hardlink: 'd/a' },
      'd/c': 'x',
    }),
    copy(
      'a file through a link to a directory at the destination',
      'RUN mkdir /real && ln -s real /link\nCOPY a.txt /link/\nCOPY b.txt /link/x',
    ),
    copy(
      'a directory through a link to a directory at the destination',
      'RUN mkdir /real && ln -s /real /link\nCOPY dir /link',
    ),
    copy(
      'a file over a link to a file replaces its target',
      'RUN echo old > /real && ln -s real /link\nCOPY a.txt /link',
    ),
    copy(
      'a link in the middle of the destination',
      'RUN mkdir -p /real/sub && ln -s /real /link\nCOPY a.txt /link/sub/\nCOPY b.txt /link/new/x',
    ),
    copy(
      'a link that climbs out of the root stays inside',
      'RUN mkdir /in && ln -s ../../../in /link\nCOPY a.txt /link/',
    ),
    copy(
      'a directory that exists keeps mode and owner',
      'RUN mkdir /to && chmod 700 /to && chown 5:6 /to\nCOPY dir /to',
    ),
    copy(
      'a directory below that exists gets those of the source',
      'RUN mkdir -p /to/sub && chmod 700 /to/sub && chown 5:6 /to/sub\nCOPY dir /to',
    ),
    copy('a created directory has a mode of its own', 'COPY d /to', {
      'd/f': 'x',
      d: { directory: 0o711 },
    }),
    copy(
      'a file over a file keeps nothing of it',
      'RUN echo old > /f && chmod 600 /f && chown 5:6 /f\nCOPY a.txt /f',
    ),
    copy('destination with a dot at its end', 'COPY a.txt /to/.\nCOPY b.txt /to/sub/./', TREE, {
      peers: NO_PEER,
      expect: {
        source: 'BuildKit system.NormalizePath: /. at the end is a directory',
        files: {
          '/to': directory(),
          '/to/a.txt': file('a'),
          '/to/sub': directory(),
          '/to/sub/b.txt': file('b'),
        },
      },
    }),
    copy('names of all kinds', 'COPY . /to/', {
      'ä ö': 'x',
      "it's": 'x',
      a$b: 'x',
      'tab\there': 'x',
      '-dash': 'x',
      'ünï/ço': 'x',
      日本: 'x',
    }),
    copy('a long path', 'COPY . /to/', {
      [`${'long/'.repeat(40)}${'n'.repeat(120)}`]: 'x',
      [`${'n'.repeat(200)}`]: 'y',
      l: { link: 'm'.repeat(150) },
    }),
    copy('a binary file and a large one', 'COPY . /to/', {
      bin: Uint8Array.from({ length: 256 }, (_, i) => i),
      large: new Uint8Array(3_000_000).fill(65),
    }),
    copy('the same file to two places', 'COPY a.txt /x\nCOPY a.txt /y'),
    copy(
      'a later COPY over an earlier one',
      'COPY a.txt /to/f\nCOPY b.txt /to/f\nCOPY dir /to/f2\nCOPY dir2 /to/f2',
    ),
    copy('a file that was removed before', 'COPY a.txt /to/f\nRUN rm /to/f\nCOPY b.txt /to/f'),
    copy('as another user the owner is root', 'USER app\nCOPY a.txt /home/x/y'),
    copy('a fifo', 'COPY d /to', { 'd/pipe': { fifo: 0o644 }, 'd/f': 'x' }, { truth: 'buildah' }),
  ],
};
