/** Instructions that change the image's config only. */
import { type Case, DOCKER_ONLY, NO_PEER, onBusybox, type Topic } from '../case.js';

const config = onBusybox;
const rich = (name: string, lines: string, more: Partial<Case> = {}): Case => ({
  name,
  dockerfile: `FROM REGISTRY/rich\n${lines}\n`,
  ...more,
});

export const METADATA: Topic = {
  topic: 'metadata',
  cases: [
    config('CMD in its forms: shell', 'CMD echo "a b" $x'),
    config('CMD in its forms: exec', 'CMD ["echo", "a b"]'),
    config(
      'the last CMD and ENTRYPOINT win',
      'CMD one\nCMD ["two"]\nENTRYPOINT one\nENTRYPOINT ["two", "x"]',
    ),
    config('an empty CMD and ENTRYPOINT', 'CMD []\nENTRYPOINT []'),
    config('ENTRYPOINT clears the CMD of the base', 'ENTRYPOINT ["e"]'),
    config('ENTRYPOINT keeps a CMD of the same stage', 'CMD ["c"]\nENTRYPOINT ["e"]'),
    {
      name: 'ENTRYPOINT clears the CMD of a parent stage',
      dockerfile: 'FROM REGISTRY/busybox AS one\nCMD ["c"]\nFROM one\nENTRYPOINT ["e"]\n',
      peers: DOCKER_ONLY,
    },
    rich('an image without instructions keeps all of its base', ''),
    rich(
      'every field of the base is replaced or added to',
      'CMD ["x"]\nENV TWICE=mine\nEXPOSE 81\nLABEL origin=mine more=1\nVOLUME /vol2\nSTOPSIGNAL 9\nUSER root\nWORKDIR /w\nHEALTHCHECK NONE',
    ),
    rich('ENTRYPOINT over the entrypoint of the base', 'ENTRYPOINT ["mine"]'),
    config(
      'LABEL in its forms',
      'LABEL a=1 "b c"="d e" f=\'g h\'\nLABEL multi="line \\\n two" x=\\"q\\"\nLABEL a=2\nLABEL legacy the rest of it',
    ),
    config('LABEL with dots, dashes and slashes', 'LABEL com.example.a-b/c=1 "io.x y"=2'),
    config('LABEL with an empty value', 'LABEL a= b=""'),
    config('EXPOSE: lists, protocols, ranges', 'EXPOSE 80 443/tcp 53/udp\nEXPOSE 7000-7003/udp\nEXPOSE 80'),
    config('EXPOSE: the protocol in capitals', 'EXPOSE 99/UDP 98/TCP'),
    config('EXPOSE: sctp', 'EXPOSE 100/sctp'),
    config('VOLUME in its forms', 'VOLUME /a /b\nVOLUME ["/c d", "/e"]\nVOLUME /a'),
    config('VOLUME: writes after it stay', 'VOLUME /v\nRUN mkdir -p /v && echo x > /v/f\nCOPY f /v/g', {
      files: { f: 'y' },
      peers: DOCKER_ONLY,
    }),
    config('STOPSIGNAL by name and number', 'STOPSIGNAL SIGKILL\nSTOPSIGNAL 15'),
    config('STOPSIGNAL by name', 'STOPSIGNAL SIGRTMIN+3'),
    config('HEALTHCHECK in shell form', 'HEALTHCHECK CMD curl -f "http://x/" || exit 1'),
    config(
      'HEALTHCHECK in exec form with all options',
      'HEALTHCHECK --interval=1m30s --timeout=500ms --start-period=2s --retries=4 CMD ["true", "a b"]',
    ),
    config('HEALTHCHECK: none', 'HEALTHCHECK CMD true\nHEALTHCHECK NONE'),
    config(
      'HEALTHCHECK: the last one wins whole',
      'HEALTHCHECK --interval=5s CMD one\nHEALTHCHECK --timeout=3s CMD two',
    ),
    config(
      'HEALTHCHECK: the interval while it starts',
      'HEALTHCHECK --start-period=10s --start-interval=2s CMD true',
      {
        peers: NO_PEER,
        expect: {
          source: 'Dockerfile reference, "HEALTHCHECK --start-interval"',
          config: {
            Healthcheck: {
              StartInterval: 2_000_000_000,
              StartPeriod: 10_000_000_000,
              Test: ['CMD-SHELL', 'true'],
            },
          },
        },
      },
    ),
    config('HEALTHCHECK is not wrapped by SHELL', 'SHELL ["/bin/sh", "-ec"]\nHEALTHCHECK CMD true'),
    config(
      'SHELL wraps CMD and ENTRYPOINT',
      'SHELL ["/bin/sh", "-e", "-c"]\nENTRYPOINT start it\nCMD run it',
    ),
    config('MAINTAINER', 'MAINTAINER Some Body <some@example.com>'),
    config('USER as written', 'USER app:staff'),
    config('USER by ids', 'USER 1000:2000'),
    config('ENV of two kinds in one image', 'ENV a 1 2 3\nENV b="x" c=y\\ z'),
    config('labels from the command line', 'LABEL a=file b=file', {
      options: { labels: { b: 'given', c: 'given' } },
    }),
    config(
      'a config only image has the layers of its base',
      'ENV a=1\nLABEL b=2\nCMD ["x"]\nEXPOSE 1\nUSER app\nVOLUME /v',
    ),
    {
      name: 'a config of scratch',
      dockerfile: 'FROM scratch\nCOPY f /\nENV a=1\nCMD ["/f"]\nEXPOSE 1\n',
      files: { f: 'x' },
    },
  ],
};
