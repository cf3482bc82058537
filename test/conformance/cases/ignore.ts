/** .dockerignore. */
import { type Case, directory, type FileSpec, file, type Topic } from '../case.js';

const TREE: Readonly<Record<string, FileSpec>> = {
  'README.md': 'r',
  'secret.md': 's',
  'a.log': 'a',
  'src/main.go': 'm',
  'src/a.log': 'a',
  'src/deep/b.log': 'b',
  'src/deep/keep.log': 'k',
  'node_modules/x/index.js': 'x',
  'node_modules/y/index.js': 'y',
  'build/out.bin': 'o',
  'build/keep/in.bin': 'i',
  '.git/config': 'g',
  '.env': 'e',
};
const ignore = (name: string, rules: string, more: Partial<Case> = {}): Case => ({
  name,
  dockerfile: 'FROM REGISTRY/busybox\nCOPY . /c\n',
  files: { ...TREE, '.dockerignore': rules },
  ...more,
});

export const IGNORE: Topic = {
  topic: 'ignore',
  cases: [
    ignore('names and directories', 'node_modules\nbuild\n.git\n'),
    ignore('a star does not cross a slash', '*.log\n'),
    ignore('two stars cross slashes', '**/*.log\n'),
    ignore('a star in the middle', 'src/*/b.log\n*/x\n'),
    ignore('two stars at the end', 'src/**\n'),
    ignore('two stars in the middle', 'src/**/b.log\n'),
    ignore('a question mark', '?.log\nREADM?.md\n'),
    ignore('a class', '[a-r]*.log\n.[e-g]*\n'),
    ignore('exceptions in order', '*.md\n!README.md\n'),
    ignore('an exception before the rule does nothing', '!README.md\n*.md\n'),
    ignore('an exception below an ignored directory', 'build\n!build/keep\n'),
    ignore('an exception of a file deep below', 'src\n!src/deep/keep.log\n'),
    ignore('everything but', '*\n!src\n!.env\n'),
    ignore('everything but, and again without', '*\n!src\nsrc/deep\n!src/deep/keep.log\n'),
    ignore('two stars but', '**\n!**/*.go\n', {
      expect: {
        source: 'moby/patternmatcher: directories are searched for exceptions',
        files: { '/c/src': directory(), '/c/src/main.go': file('m') },
      },
    }),
    ignore('comments, empty lines, blanks', '# comment\n\n  build  \n\t.git\t\n # pattern\n!  README.md\n'),
    ignore('slashes at both ends', '/build/\n/src/deep/\nnode_modules/\n'),
    ignore('dot segments', './build\nsrc/../.git\n'),
    ignore('line ends of Windows and a byte order mark', '\uFEFFbuild\r\n*.md\r\n'),
    ignore('a bracket and a dot are themselves', 'a.log\nx(y).txt\n', {
      files: { ...TREE, 'x(y).txt': '1', 'xy.txt': '2', aXlog: '3', '.dockerignore': 'a.log\nx(y).txt\n' },
      expect: {
        source: 'moby/patternmatcher: parentheses are no syntax',
        files: { '/c/x(y).txt': null, '/c/xy.txt': file('2') },
      },
    }),
    ignore('an escaped star', '\\*.md\n', {
      files: { '*.md': 'star', 'a.md': 'a', '.dockerignore': '\\*.md\n' },
    }),
    ignore('Dockerfile and the rules themselves', 'Dockerfile\n.dockerignore\n'),
    ignore('the rules beside the Dockerfile win', 'src\n', {
      options: { file: 'docker/My.Dockerfile' },
      files: {
        ...TREE,
        '.dockerignore': 'src\n',
        'docker/My.Dockerfile.dockerignore': 'node_modules\nbuild\n',
      },
      peers: ['docker'],
    }),
    ignore('do not touch COPY --from', '*\n!Dockerfile\n', {
      dockerfile:
        'FROM REGISTRY/busybox AS one\nRUN mkdir /d && touch /d/a.log\nFROM scratch\nCOPY --from=one /d /d\n',
    }),
    ignore('a file that is ignored cannot be copied', 'src\n', {
      dockerfile: 'FROM REGISTRY/busybox\nCOPY src/main.go /\n',
      fails: { code: 'source_missing', message: /main\.go/ },
    }),
    ignore('a wildcard does not match what is ignored', '*.md\n!README.md\n', {
      dockerfile: 'FROM REGISTRY/busybox\nCOPY *.md /c/\n',
    }),
    ignore('an empty file of rules', ''),
    ignore('an ignored directory that a link points to', 'src\n', {
      files: { ...TREE, '.dockerignore': 'src\n', l: { link: 'src/main.go' } },
    }),
  ],
};
