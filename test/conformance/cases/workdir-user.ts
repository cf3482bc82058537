/** WORKDIR and USER. */
import type { Topic } from '../case.js';

const ID = 'RUN id -u > /tmp/out; id -g >> /tmp/out; id -G >> /tmp/out\n';

export const WORKDIR_USER: Topic = {
  topic: 'workdir-user',
  cases: [
    {
      name: 'WORKDIR makes the directory',
      dockerfile: 'FROM REGISTRY/busybox\nWORKDIR /a/b/c\nRUN pwd > out\n',
    },
    {
      name: 'a relative WORKDIR joins the one before',
      dockerfile: 'FROM REGISTRY/busybox\nWORKDIR /a\nWORKDIR b\nWORKDIR ../c/./d\nRUN pwd > out\n',
    },
    {
      name: 'a relative WORKDIR joins that of the base',
      dockerfile: 'FROM REGISTRY/rich\nUSER root\nWORKDIR sub\nRUN pwd > out\n',
    },
    {
      name: 'a first relative WORKDIR is below the root',
      dockerfile: 'FROM REGISTRY/busybox\nWORKDIR x\nRUN pwd > out\n',
    },
    {
      name: 'WORKDIR of a directory that exists keeps mode and owner',
      dockerfile: 'FROM REGISTRY/busybox\nRUN mkdir -m 700 /w && chown 5:6 /w\nWORKDIR /w\n',
    },
    {
      name: 'WORKDIR through a link',
      dockerfile:
        'FROM REGISTRY/busybox\nRUN mkdir /real && ln -s real /link\nWORKDIR /link/sub\nRUN touch f\n',
    },
    {
      name: 'WORKDIR with a slash at its end',
      dockerfile: 'FROM REGISTRY/busybox\nWORKDIR /a/\nCOPY f .\n',
      files: { f: 'x' },
      expect: { source: 'BuildKit system.NormalizeWorkdir', config: { WorkingDir: '/a' } },
    },
    { name: 'WORKDIR of the root', dockerfile: 'FROM REGISTRY/busybox\nWORKDIR /\nRUN pwd > /out\n' },
    { name: 'WORKDIR with blanks', dockerfile: 'FROM REGISTRY/busybox\nWORKDIR /a b/c\nRUN pwd > out\n' },
    {
      name: 'WORKDIR with quotes',
      dockerfile: 'FROM REGISTRY/busybox\nWORKDIR "/q d"\nRUN pwd > out\n',
      peers: ['docker'],
    },
    {
      name: 'WORKDIR as another user belongs to it',
      dockerfile: 'FROM REGISTRY/busybox\nUSER app\nWORKDIR /home/app/x\nRUN pwd > out\n',
      peers: ['docker'],
    },
    { name: 'WORKDIR in scratch', dockerfile: 'FROM scratch\nWORKDIR /a/b\n' },
    { name: 'USER by name', dockerfile: `FROM REGISTRY/busybox\nUSER app\n${ID}` },
    {
      name: 'USER by id that passwd knows',
      dockerfile: `FROM REGISTRY/busybox\nUSER 1000\n${ID}`,
      peers: ['docker'],
    },
    { name: 'USER by id that nobody knows', dockerfile: `FROM REGISTRY/busybox\nUSER 4242\n${ID}` },
    { name: 'USER by id and group id', dockerfile: `FROM REGISTRY/busybox\nUSER 1000:50\n${ID}` },
    { name: 'USER by name and group', dockerfile: `FROM REGISTRY/busybox\nUSER app:daemon\n${ID}` },
    { name: 'USER by name and group id', dockerfile: `FROM REGISTRY/busybox\nUSER app:77\n${ID}` },
    { name: 'USER root again', dockerfile: `FROM REGISTRY/busybox\nUSER app\nUSER root\n${ID}` },
    { name: 'USER of the base', dockerfile: `FROM REGISTRY/rich\n${ID}` },
    {
      name: 'USER that an earlier RUN made',
      dockerfile: `FROM REGISTRY/busybox\nRUN echo "late:x:4242:4343::/:/bin/sh" >> /etc/passwd\nUSER late\n${ID}`,
    },
    {
      name: 'USER that nobody knows fails at RUN',
      dockerfile: 'FROM REGISTRY/busybox\nUSER nosuch\nRUN true\n',
      fails: { code: 'step_failed', message: /nosuch/ },
    },
    {
      name: 'USER that nobody knows is fine without a RUN',
      dockerfile: 'FROM REGISTRY/busybox\nUSER nosuch:nogroup\nLABEL a=b\n',
    },
    {
      name: 'files that a user makes',
      dockerfile:
        'FROM REGISTRY/busybox\nRUN mkdir -m 777 /w\nUSER app\nRUN touch /w/f && mkdir /w/d\nUSER 7:8\nRUN touch /w/g\n',
    },
    {
      name: 'a user may not write elsewhere',
      dockerfile:
        'FROM REGISTRY/busybox\nUSER app\nRUN touch /f 2>/dev/null && echo yes > /tmp/out || echo no > /tmp/out\n',
    },
  ],
};
