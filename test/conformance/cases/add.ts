/** ADD: archives by content, URLs, checksums, and what it has in common with COPY. */
import { BZIP2_TAR, gzipArchive, XZ_TAR, ZSTD_TAR } from '../archives.js';
import { type Case, directory, type FileSpec, file, NO_PEER, onBusybox, type Topic } from '../case.js';
import { summary } from '../flatten.js';
import { writeTar } from '../tar.js';

const ARCHIVE = writeTar([
  { path: 'top.txt', data: 'top' },
  { path: 'dir', type: 'directory', mode: 0o750, uid: 3, gid: 4 },
  { path: 'dir/owned', data: 'owned', mode: 0o600, uid: 1000, gid: 1001 },
  { path: 'dir/link', type: 'symlink', link: 'owned' },
  { path: 'dir/hard', type: 'hardlink', link: 'dir/owned', mode: 0o600, uid: 1000, gid: 1001 },
  { path: 'suid', data: 's', mode: 0o4755 },
]);
const add = (
  name: string,
  lines: string,
  files: Readonly<Record<string, FileSpec>>,
  more: Partial<Case> = {},
): Case => onBusybox(name, lines, { files, ...more });

export const ADD: Topic = {
  topic: 'add',
  cases: [
    add('a file', 'ADD f /to', { f: 'x' }),
    add('a directory', 'ADD d /to/', { 'd/f': 'x', 'd/.g': 'y' }),
    add('wildcards', 'ADD *.txt /to/', { 'a.txt': 'a', 'b.txt': 'b' }),
    add('a plain tar is unpacked', 'ADD a.tar /to/', { 'a.tar': ARCHIVE }),
    add('a tar into a path without a slash', 'ADD a.tar /to', { 'a.tar': ARCHIVE }),
    add('a gzipped tar is unpacked whatever its name', 'ADD data.bin /to/', {
      'data.bin': gzipArchive(ARCHIVE),
    }),
    add('a bzip2 tar is unpacked', 'ADD a.tar.bz2 /to/', { 'a.tar.bz2': BZIP2_TAR }),
    add('an xz tar is unpacked', 'ADD a.txz /to/', { 'a.txz': XZ_TAR }),
    add(
      'a zstd tar is unpacked',
      'ADD a.tzst /to/',
      { 'a.tzst': ZSTD_TAR },
      {
        peers: NO_PEER,
        expect: {
          source: 'BuildKit: archives compressed by gzip, bzip2, xz and zstd',
          files: {
            '/to': directory(),
            '/to/one': file('1', '0640'),
            '/to/d': directory(),
            '/to/d/two': file('22', '0640', '7:7'),
          },
        },
      },
    ),
    add('gzip that holds no tar is copied', 'ADD f.gz /to/', {
      'f.gz': gzipArchive(Buffer.from('not a tar')),
    }),
    add('a file that is called tar and is none', 'ADD f.tar /to/', { 'f.tar': 'not a tar' }),
    add('a tar inside a directory is copied', 'ADD d /to/', { 'd/a.tar': ARCHIVE }),
    add('COPY does not unpack', 'COPY a.tar /to/', { 'a.tar': ARCHIVE }),
    add('a tar into the root', 'ADD a.tar /', { 'a.tar': ARCHIVE }),
    add(
      'a tar over files that exist',
      'RUN mkdir -p /to/dir && echo old > /to/top.txt && touch /to/dir/keep\nADD a.tar /to/',
      { 'a.tar': ARCHIVE },
    ),
    add(
      '--chown reaches what is unpacked',
      'ADD --chown=7:8 a.tar /to/',
      { 'a.tar': ARCHIVE },
      {
        expect: {
          source: 'BuildKit solver/llbsolver/file/unpack.go: ChownOpts',
          files: {
            '/to/dir': directory('0750', '7:8'),
            '/to/dir/hard': `${file('owned', '0600', '7:8')} is also /to/dir/owned`,
            '/to/dir/link': 'symlink 7:8 -> owned',
            '/to/dir/owned': `${file('owned', '0600', '7:8')} is also /to/dir/hard`,
            '/to/suid': file('s', '4755', '7:8'),
            '/to/top.txt': file('top', '0644', '7:8'),
          },
        },
      },
    ),
    add('two tars into one directory', 'ADD a.tar b.tar /to/', {
      'a.tar': ARCHIVE,
      'b.tar': writeTar([{ path: 'dir/second', data: '2' }]),
    }),
    add('a tar whose entries begin with a dot', 'ADD a.tar /to/', {
      'a.tar': writeTar([
        { path: '.', type: 'directory', mode: 0o700 },
        { path: './f', data: 'x' },
        { path: './d/g', data: 'y' },
      ]),
    }),
    add('a tar through a link at the destination', 'RUN mkdir /real && ln -s real /link\nADD a.tar /link/', {
      'a.tar': ARCHIVE,
    }),
    add(
      'extended attributes of an archive are kept',
      'ADD a.tar /to/\nFROM REGISTRY/busybox\nCOPY --from=0 /to /copy',
      {
        'a.tar': writeTar([{ path: 'f', data: 'x', xattrs: { 'user.kind': Buffer.from('v') } }]),
      },
      { truth: 'buildah' },
    ),
    add('an empty tar', 'ADD a.tar /to/', { 'a.tar': writeTar([]) }),
    add(
      '--unpack=false keeps the archive',
      'ADD --unpack=false a.tar /to/',
      { 'a.tar': ARCHIVE },
      {
        peers: NO_PEER,
        expect: {
          source: 'Dockerfile reference, "ADD --unpack"',
          files: { '/to': directory(), '/to/a.tar': `file 0644 0:0 ${summary(ARCHIVE)}` },
        },
      },
    ),
    add('--chmod of a file', 'ADD --chmod=0600 f /f', { f: 'x' }),
    add(
      '--exclude',
      'ADD --exclude=*.md d /to/',
      { 'd/a.md': 'a', 'd/b.txt': 'b' },
      {
        peers: NO_PEER,
        expect: {
          source: 'Dockerfile reference, "ADD --exclude"',
          files: { '/to': directory(), '/to/b.txt': file('b') },
        },
      },
    ),
    add(
      '--link of a file',
      'ADD --link f /to/f',
      { f: 'x' },
      {
        peers: NO_PEER,
        expect: {
          source: 'Dockerfile reference, "ADD --link"',
          files: { '/to': directory(), '/to/f': file('x') },
        },
      },
    ),
  ],
};
