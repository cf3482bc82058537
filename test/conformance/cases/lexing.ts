/** Physical lines into instructions: comments, continuation, directives, forms. */
import { DOCKER_ONLY, directory, file, NO_PEER, type Topic } from '../case.js';

export const LEXING: Topic = {
  topic: 'lexing',
  cases: [
    {
      name: 'keywords in any case, comments and empty lines between instructions',
      dockerfile:
        '# first\n\nfrom REGISTRY/busybox\n   # indented\n  EnV a=1\n\nrUn echo "$a" > /out\n# last',
    },
    {
      name: 'a hash inside a line is data',
      dockerfile:
        'FROM REGISTRY/busybox\nENV a=b#c\nLABEL x="y # z"\nRUN echo one # two > /hidden\nRUN echo "a#b" > /out # comment\n',
    },
    {
      name: 'continuation joins with nothing and keeps leading blanks of the next line',
      dockerfile: 'FROM REGISTRY/busybox\nRUN echo "a\\\n  b\\\nc" > /out\nENV x=1\\\n2 \\\n   y=3\n',
    },
    {
      name: 'blanks after the escape still continue the line',
      dockerfile: 'FROM REGISTRY/busybox\nRUN echo one \\   \n  two \\\t\n three > /out\n',
    },
    {
      name: 'comments and empty lines inside a continuation are dropped',
      dockerfile:
        'FROM REGISTRY/busybox\nRUN echo a && \\\n# comment\n\n   # indented comment\n  echo b > /out && \\\n\n  echo c >> /out\n',
    },
    {
      name: 'two escapes at the end of a line do not continue it',
      dockerfile: 'FROM REGISTRY/busybox\nRUN printf %s a\\\\\nRUN printf "%s" \'b\\\\\' > /out\n',
    },
    {
      name: 'continuation at the end of the file is fine',
      dockerfile: 'FROM REGISTRY/busybox\nRUN echo a > /out \\\n',
    },
    {
      name: 'line ends of Windows',
      dockerfile: 'FROM REGISTRY/busybox\r\nENV a=1 \\\r\n  b=2\r\nRUN echo "$a$b" \\\r\n > /out\r\n',
    },
    {
      name: 'a byte order mark before the first line',
      dockerfile: '\uFEFFFROM REGISTRY/busybox\nENV a=1\n',
    },
    {
      name: 'directive: backtick as the escape',
      dockerfile:
        '# escape=`\nFROM REGISTRY/busybox\nENV a=c:\\dir b=`$x\nRUN echo "$a" `\n  "\\\\" > /out\n',
    },
    {
      name: 'directive: case and blanks of its key do not matter',
      dockerfile: '#   EsCaPe   =  `  \nFROM REGISTRY/busybox\nRUN echo a `\n  b > /out\n',
    },
    {
      name: 'after a comment a directive is a comment',
      dockerfile: '# comment\n# escape=`\nFROM REGISTRY/busybox\nRUN echo a \\\n  b > /out\n',
    },
    {
      name: 'an unknown key ends the directives',
      dockerfile: '# foo=bar\n# escape=`\nFROM REGISTRY/busybox\nRUN echo a \\\n  b > /out\n',
      peers: DOCKER_ONLY,
    },
    {
      name: 'directive: a syntax image of docker/dockerfile is not pulled',
      dockerfile: '# syntax=docker/dockerfile:1\nFROM REGISTRY/busybox\nENV a=1\n',
      peers: ['buildah'],
    },
    {
      name: 'JSON form of RUN runs without a shell',
      dockerfile:
        'FROM REGISTRY/busybox\nENV v=1\nRUN ["/bin/sh", "-c", "echo \\"$v $0\\" > /out", "zero"]\nRUN [ "touch" , "/$v" ]\n',
    },
    {
      name: 'broken JSON is shell form',
      dockerfile:
        'FROM REGISTRY/busybox\nCMD [\'echo\', \'single\']\nENTRYPOINT ["a", "b"\nRUN [ -d / ] && echo yes > /out\n',
    },
    {
      name: 'text after a JSON array makes it shell form',
      dockerfile: 'FROM REGISTRY/busybox\nCMD ["a"] b\n',
      expect: {
        source: 'BuildKit parser: json.Unmarshal takes no trailing text',
        config: { Cmd: ['/bin/sh', '-c', '["a"] b'] },
      },
    },
    {
      name: 'tabs separate a keyword from its words',
      dockerfile: 'FROM\tREGISTRY/busybox\nENV\ta=1\t b=2\nRUN\techo "$a" > /out\n',
    },
    {
      name: 'legacy ENV takes the rest of the line as one value',
      dockerfile:
        'FROM REGISTRY/busybox\nENV one two= three=world\nENV quoted "a b"  c\nENV esc a\\ b\nLABEL key some value\n',
    },
    {
      name: 'quotes and escapes in ENV words',
      dockerfile:
        'FROM REGISTRY/busybox\nENV a="x y" b=\'x $a y\' c=x\\ y d="q\\"q" e="back\\\\slash" f=\'it\\s\' g=pre"mid"post h="\\$a" i=\\$a j=""\n',
    },
    {
      name: 'flags stop at the first other word',
      dockerfile: 'FROM REGISTRY/busybox\nRUN echo --x=1 > /out\n',
      peers: DOCKER_ONLY,
    },
    {
      name: 'a very long line',
      dockerfile: `FROM REGISTRY/busybox\nENV long=${'x'.repeat(20_000)}\nRUN echo \${#long} > /out\n`,
    },
    {
      name: 'directive: check is accepted',
      dockerfile: '# check=skip=all;error=false\nFROM REGISTRY/busybox\nRUN echo a > /out\n',
      peers: NO_PEER,
      expect: {
        source: 'Dockerfile reference, "check" directive',
        files: { '/out': file('a\n') },
        config: { Cmd: ['sh'] },
      },
    },
    {
      name: 'directives of all three kinds in one file',
      dockerfile:
        '# syntax=docker/dockerfile:1.7-labs\n# escape=`\n# check=skip=JSONArgsRecommended\nFROM REGISTRY/busybox\nWORKDIR /a`\nb\n',
      peers: NO_PEER,
      expect: { source: 'Dockerfile reference, "Parser directives"', files: { '/ab': directory() } },
    },
  ],
};
