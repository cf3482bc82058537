/** ONBUILD: stored in one image, run in the next. */
import { file, NO_PEER, onBusybox, type Topic } from '../case.js';

const store = onBusybox;

export const ONBUILD: Topic = {
  topic: 'onbuild',
  cases: [
    store(
      'is stored as written',
      'ONBUILD RUN echo "a  b" > /f\nONBUILD COPY . /app\nonbuild env A=$b C="d e"\nONBUILD CMD ["x", "y"]',
    ),
    store('a flag is stored, too', 'ONBUILD COPY --chown=1:2 . /app'),
    store('over two lines', 'ONBUILD RUN echo a \\\n  b'),
    store('may not be in ONBUILD', 'ONBUILD ONBUILD RUN true', {
      fails: { code: 'dockerfile_invalid', message: /ONBUILD/ },
    }),
    store('may not hold FROM', 'ONBUILD FROM REGISTRY/busybox', {
      fails: { code: 'dockerfile_invalid', message: /FROM/ },
    }),
    store('may not hold MAINTAINER', 'ONBUILD MAINTAINER me', {
      fails: { code: 'dockerfile_invalid', message: /MAINTAINER/ },
    }),
    {
      name: 'of the base run first, in order',
      dockerfile: 'FROM REGISTRY/trigger\nRUN pwd > /pwd; cat /ran >> /pwd\n',
      files: { f: 'x' },
    },
    {
      name: 'are gone in the child',
      dockerfile: 'FROM REGISTRY/trigger\nONBUILD ENV mine=1\n',
      files: { f: 'x' },
    },
    {
      name: 'of the base in a stage that is copied from',
      dockerfile: 'FROM REGISTRY/trigger AS one\nFROM REGISTRY/busybox\nCOPY --from=one /ran /onbuild/f /\n',
      files: { f: 'x' },
    },
    {
      name: 'of an earlier stage run in the next',
      dockerfile:
        'FROM REGISTRY/busybox AS one\nONBUILD RUN echo ran > /ran\nONBUILD ENV a=1\nFROM one\nRUN echo "$a" > /a\n',
    },
    {
      name: 'of an earlier stage do not run twice',
      dockerfile:
        'FROM REGISTRY/busybox AS one\nONBUILD RUN echo ran >> /ran\nFROM one AS two\nFROM two\nRUN echo x > /x\n',
    },
    {
      name: 'COPY --from is of the child',
      dockerfile:
        'FROM REGISTRY/busybox AS base\nONBUILD COPY --from=src /f /f\nFROM REGISTRY/busybox AS src\nRUN echo x > /f\nFROM base\nRUN cat /f > /g\n',
      peers: NO_PEER,
      expect: {
        source: 'Dockerfile reference, "ONBUILD": COPY --from since 1.11',
        files: { '/f': file('x\n'), '/g': file('x\n') },
      },
    },
    {
      name: 'with a heredoc',
      dockerfile:
        'FROM REGISTRY/busybox AS one\nONBUILD COPY <<EOF /f\nhello\nEOF\nFROM one\nRUN echo x > /x\n',
      peers: NO_PEER,
      expect: {
        source: 'BuildKit: ONBUILD with a heredoc',
        files: { '/f': file('hello\n'), '/x': file('x\n') },
      },
    },
  ],
};
