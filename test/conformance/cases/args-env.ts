// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the variables of a Dockerfile
/** Scopes of ARG and ENV, and the arguments that need no declaration. */
import { file, NO_PEER, type Topic } from '../case.js';

const show = 'RUN env | grep -E "^(a|b|c|x|y|G)=" | sort > /out\n';

export const ARGS_ENV: Topic = {
  topic: 'args-env',
  cases: [
    {
      name: 'an ARG is seen from its line on',
      dockerfile: `FROM REGISTRY/busybox\nRUN echo "[$a]" > /before\nARG a=1\n${show}`,
    },
    { name: 'an ARG is not in the image', dockerfile: 'FROM REGISTRY/busybox\nARG a=1\nENV b=$a\n' },
    {
      name: 'a given ARG beats its default',
      dockerfile: `FROM REGISTRY/busybox\nARG a=1\nARG b\nARG c\n${show}`,
      options: { buildArgs: { a: 'given', b: '' } },
    },
    {
      name: 'a declared ARG without value is not set',
      dockerfile: 'FROM REGISTRY/busybox\nARG a\nRUN echo "${a-unset}" > /out\n',
    },
    {
      name: 'a default uses what comes before',
      dockerfile: `FROM REGISTRY/busybox\nENV x=env\nARG a=1\nARG b=$a-$x\n${show}`,
    },
    {
      name: 'several ARGs in a line',
      dockerfile: `FROM REGISTRY/busybox\nARG a=1 b c="x y"\n${show}`,
      options: { buildArgs: { b: '2' } },
    },
    {
      name: 'a global ARG is only for FROM',
      dockerfile: `ARG a=global\nARG img=busybox\nFROM REGISTRY/$img\n${show}RUN echo "\${a-unset}" >> /out\n`,
    },
    {
      name: 'a bare ARG takes the global value',
      dockerfile: `ARG a=global\nFROM REGISTRY/busybox\nARG a\n${show}`,
    },
    {
      name: 'an own default beats the global value',
      dockerfile: `ARG a=global\nFROM REGISTRY/busybox\nARG a=own\n${show}`,
    },
    {
      name: 'a global default uses an earlier one',
      dockerfile: 'ARG a=busy\nARG b=${a}box\nFROM REGISTRY/${b}\nARG b\nRUN echo "$b" > /out\n',
    },
    {
      name: 'a given value reaches the global ARG',
      dockerfile: `ARG a=global\nFROM REGISTRY/busybox\nARG a\n${show}`,
      options: { buildArgs: { a: 'given' } },
    },
    {
      name: 'ENV beats an earlier ARG',
      dockerfile: `FROM REGISTRY/busybox\nARG a=arg\nENV a=env\n${show}`,
      options: { buildArgs: { a: 'given' } },
    },
    {
      name: 'ARG after ENV of the same name',
      dockerfile: `FROM REGISTRY/busybox\nENV a=env\nARG a=arg\n${show}LABEL a=$a\n`,
    },
    {
      name: 'ARG given after ENV of the same name',
      dockerfile: `FROM REGISTRY/busybox\nENV a=env\nARG a\n${show}LABEL a=$a\n`,
      options: { buildArgs: { a: 'given' } },
    },
    {
      name: 'a stage inherits ARGs and ENV of its parent stage',
      dockerfile: `FROM REGISTRY/busybox AS one\nARG a=1\nENV b=2\nFROM one\n${show}`,
    },
    {
      name: 'ENV of the base is seen and kept',
      dockerfile: 'FROM REGISTRY/rich\nUSER root\nENV TWICE=$TWICE-mine NEW=$FROM_BASE\n',
    },
    {
      name: 'ENV again replaces the value in its place',
      dockerfile: 'FROM REGISTRY/busybox\nENV a=1\nENV b=2\nENV a=3\n',
    },
    {
      name: 'proxies are given to RUN without a declaration',
      dockerfile: 'FROM REGISTRY/busybox\nRUN echo "$HTTP_PROXY $no_proxy" > /out\n',
      options: { buildArgs: { HTTP_PROXY: 'http://p:1', no_proxy: 'x' } },
    },
    {
      name: 'platform arguments are global',
      dockerfile:
        'FROM REGISTRY/busybox\nARG TARGETOS\nARG TARGETARCH\nARG TARGETPLATFORM\nRUN echo "$TARGETOS $TARGETARCH $TARGETPLATFORM" > /out\n',
    },
    {
      name: 'platform arguments need a declaration',
      dockerfile: 'FROM REGISTRY/busybox\nRUN echo "[$TARGETOS]" > /out\nLABEL a=[$TARGETARCH]\n',
    },
    {
      name: 'platform arguments in FROM',
      dockerfile: 'FROM --platform=$BUILDPLATFORM REGISTRY/busybox\nARG BUILDOS\nRUN echo $BUILDOS > /out\n',
      peers: ['docker'],
    },
    {
      name: 'TARGETSTAGE names the target',
      dockerfile: 'FROM REGISTRY/busybox AS one\nARG TARGETSTAGE\nRUN echo $TARGETSTAGE > /out\n',
      options: { target: 'one' },
      peers: NO_PEER,
      expect: {
        source: 'Dockerfile reference, "Automatic platform ARGs" and BuildKit TARGETSTAGE',
        files: { '/out': file('one\n') },
      },
    },
    {
      name: 'PATH is set where the base has none',
      dockerfile: 'FROM REGISTRY/nopath\nRUN echo "$PATH" > /out\n',
    },
    { name: 'PATH of a scratch image', dockerfile: 'FROM scratch\nCOPY f /f\n', files: { f: 'x' } },
    {
      name: 'an empty value is kept',
      dockerfile: `FROM REGISTRY/busybox\nENV a=\nENV b=""\nARG c=\n${show}`,
    },
    {
      name: 'values with special characters',
      dockerfile:
        'FROM REGISTRY/busybox\nENV a="=b=" b="x\'y" c=ä€\nARG x="two words"\nRUN echo "$a|$b|$c|$x" > /out\n',
    },
    {
      name: 'a given ARG that nobody declares is not set',
      dockerfile: 'FROM REGISTRY/busybox\nRUN echo "[$zz]" > /out\n',
      options: { buildArgs: { zz: '1' } },
      peers: ['docker'],
    },
  ],
};
