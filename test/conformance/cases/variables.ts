// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the variables of a Dockerfile
/** Expansion of variables: forms, modifiers, quotes, and where it happens. */
import { type Case, file, NO_PEER, type Topic } from '../case.js';

const PATTERNS = 'Dockerfile reference, "Environment replacement" (patterns, 1.7)';
/** Both are shown by labels. */
const labels = (name: string, text: string, expected?: Record<string, string>, source = PATTERNS): Case => ({
  name,
  dockerfile: `FROM REGISTRY/busybox\n${text}\n`,
  ...(expected === undefined ? {} : { peers: NO_PEER, expect: { source, config: { Labels: expected } } }),
});

export const VARIABLES: Topic = {
  topic: 'variables',
  cases: [
    labels('plain and in braces', 'ENV x=1 y=two\nLABEL a=$x b=${y} c=$x$y d=${x}y e=$xy f=a$'),
    labels('unset is empty', 'LABEL a=[$none] b=[${none}]'),
    labels('default with and without colon', 'ENV e="" s=set\nLABEL a=${e:-d} b=${n:-d} c=${s:-d} d=${n:-}'),
    labels('alternative with colon', 'ENV e="" s=set\nLABEL a=${e:+alt} b=${n:+alt} c=${s:+alt}'),
    labels(
      'default and alternative without a colon see an empty value as set',
      'ENV e="" s=set\nLABEL a=${e-d} b=${n-d} c=${e+alt} d=${n+alt} e=${s+alt}',
      {
        a: '',
        b: 'd',
        c: 'alt',
        d: '',
        e: 'alt',
      },
      'POSIX shell, 2.6.2; BuildKit shell/lex.go',
    ),
    labels(
      'defaults are expanded themselves',
      'ENV x=1\nLABEL a=${n:-$x} b=${n:-${x}} c=${n:-${m:-deep}} d=${x:+<$x>}',
    ),
    labels('one instruction is one environment', 'ENV a=old\nENV a=new b=$a\nLABEL x=$a y=$b'),
    labels('quotes', 'ENV x=1\nLABEL a=\'$x\' b="$x" c="\'$x\'" d=\'"$x"\' e="a $x b" f=a\\ $x'),
    labels('escaped dollars', 'ENV x=1\nLABEL a=\\$x b="\\$x" c=\\${x} d=$x\\$x'),
    labels('a dollar before another character stays', 'LABEL a=a$ b="$" c=1$/2'),
    labels('keys of labels are expanded', 'ENV k=name\nLABEL $k=v ${k}2=w "q$k"=x'),
    labels(
      'shortest and longest prefix',
      'ENV f=a/b/c.tar.gz\nLABEL a=${f#*/} b=${f##*/} c=${f#x} d=${f#a?}',
      {
        a: 'b/c.tar.gz',
        b: 'c.tar.gz',
        c: 'a/b/c.tar.gz',
        d: 'b/c.tar.gz',
      },
    ),
    labels(
      'shortest and longest suffix',
      'ENV f=a/b/c.tar.gz\nLABEL a=${f%.*} b=${f%%.*} c=${f%/*} d=${f%%/*}',
      {
        a: 'a/b/c.tar',
        b: 'a/b/c',
        c: 'a/b',
        d: 'a',
      },
    ),
    labels(
      'replace one and all',
      'ENV f=foo-bar-foo\nLABEL a=${f/foo/x} b=${f//foo/x} c=${f/o*r/Z} d=${f//-/} e=${f//o?/_}',
      {
        a: 'x-bar-foo',
        b: 'x-bar-x',
        c: 'fZ-foo',
        d: 'foobarfoo',
        e: 'f_-bar-f_',
      },
    ),
    labels('patterns with escaped stars and slashes', 'ENV f=a*b/c\nLABEL a=${f#*\\*} b=${f/\\//-}', {
      a: 'b/c',
      b: 'a*b-c',
    }),
    labels('patterns hold variables', 'ENV f=v1.2.3 p=v\nLABEL a=${f#$p} b=${f#${p}1.}', {
      a: '1.2.3',
      b: '2.3',
    }),
    {
      name: 'in COPY, WORKDIR, USER, EXPOSE, VOLUME and STOPSIGNAL',
      dockerfile:
        'FROM REGISTRY/busybox\nARG d=dir s=SIGUSR1 p=8080 u=app\nCOPY $d/${d}file /to$d/\nWORKDIR /w/$d\nEXPOSE $p 1${p}/udp\nVOLUME /v$d\nSTOPSIGNAL $s\nUSER $u\n',
      files: { 'dir/dirfile': 'x' },
    },
    {
      name: 'one variable of EXPOSE gives several ports',
      dockerfile: 'FROM REGISTRY/busybox\nARG ports="80 443/udp"\nEXPOSE $ports\n',
      peers: ['docker'],
    },
    {
      name: 'not in RUN, CMD, ENTRYPOINT, SHELL and HEALTHCHECK',
      dockerfile:
        'FROM REGISTRY/busybox\nENV x=env\nRUN x=shell; echo "$x" > /out\nCMD echo $x\nENTRYPOINT ["echo", "$x"]\nSHELL ["/bin/sh", "-c"]\nHEALTHCHECK CMD echo $x\n',
    },
    {
      name: 'in the flags --chown and --chmod',
      dockerfile: 'FROM REGISTRY/busybox\nARG u=1000 m=0600\nCOPY --chown=$u:$u --chmod=$m f /f\n',
      files: { f: 'x' },
      peers: NO_PEER,
      expect: {
        source: 'BuildKit instructions: chown and chmod are expanded',
        files: { '/f': file('x', '0600', '1000:1000') },
      },
    },
    {
      name: 'a value is not expanded again',
      dockerfile: 'FROM REGISTRY/busybox\nENV x=1 y=\'$x\'\nLABEL a=$y b="$y"\n',
    },
    {
      name: 'a default with blanks in quotes',
      dockerfile: 'FROM REGISTRY/busybox\nENV a="${none:-x y}" b=${none:-"p q"}\n',
    },
    {
      name: 'an expansion that must be set fails with its text',
      dockerfile: 'FROM REGISTRY/busybox\nLABEL a="${none:?give none}"\n',
      peers: ['docker'],
      fails: { code: 'dockerfile_invalid', message: /give none/ },
    },
    {
      name: 'an expansion without its end fails',
      dockerfile: 'FROM REGISTRY/busybox\nLABEL a=${none\n',
      fails: { code: 'dockerfile_invalid', message: /\}|brace|unexpected/i },
    },
    {
      name: 'an unknown modifier fails',
      dockerfile: 'FROM REGISTRY/busybox\nLABEL a=${x:#y}\n',
      fails: { code: 'dockerfile_invalid', message: /modifier/ },
    },
  ],
};
