/** RUN: forms, environment, failures, what of the sandbox stays out of the layer. */
import { directory, file, NO_PEER, type Topic } from '../case.js';

export const RUN: Topic = {
  topic: 'run',
  cases: [
    { name: 'shell form', dockerfile: 'FROM REGISTRY/busybox\nRUN echo "$0" > /out; echo a b   c >> /out\n' },
    {
      name: 'shell form keeps quotes and blanks',
      dockerfile: 'FROM REGISTRY/busybox\nRUN printf "%s|" \'a  b\' "c  d"   e\\ f > /out\n',
    },
    {
      name: 'exec form keeps arguments apart',
      dockerfile: 'FROM REGISTRY/busybox\nRUN ["sh", "-c", "echo $# \\"$1\\" > /out", "x", "a  b", "c"]\n',
    },
    {
      name: 'SHELL changes the shell form only',
      dockerfile:
        'FROM REGISTRY/busybox\nSHELL ["/bin/sh", "-xc"]\nRUN echo $- > /out\nRUN ["/bin/sh", "-c", "echo exec >> /out"]\nCMD echo\n',
    },
    {
      name: 'SHELL with another program',
      dockerfile: 'FROM REGISTRY/busybox\nSHELL ["/bin/awk"]\nRUN BEGIN { print "awk" > "/out" }\n',
    },
    {
      name: 'the entrypoint does not matter',
      dockerfile: 'FROM REGISTRY/busybox\nENTRYPOINT ["false"]\nRUN echo ran > /out\n',
    },
    {
      name: 'variables of the shell live for one RUN',
      dockerfile: 'FROM REGISTRY/busybox\nRUN export x=1; cd /tmp\nRUN echo "[$x] $(pwd)" > /out\n',
    },
    {
      name: 'HOME follows the user',
      dockerfile:
        'FROM REGISTRY/busybox\nRUN echo $HOME > /out && chmod 777 /out\nUSER app\nRUN echo $HOME >> /out\nUSER 4321\nRUN echo $HOME >> /out\n',
      peers: ['docker'],
    },
    { name: 'stdin is empty', dockerfile: 'FROM REGISTRY/busybox\nRUN wc -c > /out\n' },
    {
      name: 'an empty layer for a RUN that changes nothing',
      dockerfile: 'FROM REGISTRY/busybox\nRUN true\nRUN : \n',
    },
    {
      name: 'files, modes, owners, links',
      dockerfile:
        'FROM REGISTRY/busybox\nRUN mkdir -m 2750 /d && touch /d/f && chmod 4711 /d/f && chown 12:34 /d/f && ln -s f /d/l && ln /d/f /d/h && chown -h 1:2 /d/l\n',
    },
    {
      name: 'special files',
      dockerfile: 'FROM REGISTRY/busybox\nRUN mkfifo -m 640 /p && mkdir -m 1777 /s && chmod 000 /s\n',
    },
    {
      name: 'ids above 16 and 21 bits',
      dockerfile:
        'FROM REGISTRY/busybox\nRUN touch /a /b && chown 70000:80000 /a && chown 3000000:4000000 /b\n',
    },
    {
      name: 'a mode and owner change of a file of the base',
      dockerfile: 'FROM REGISTRY/rich\nUSER root\nRUN chmod 600 /data/file; chown 9:9 /data/dir/inner\n',
    },
    {
      name: 'a directory of the base that only changed below',
      dockerfile: 'FROM REGISTRY/rich\nUSER root\nRUN touch /data/dir/new\n',
    },
    {
      name: 'a touched file is the same file',
      dockerfile: 'FROM REGISTRY/rich\nUSER root\nRUN touch /data/file && touch /data\n',
    },
    {
      name: 'network=none',
      dockerfile: 'FROM REGISTRY/busybox\nRUN --network=none ip -o link | grep -c -v ": lo:" > /out; true\n',
      peers: NO_PEER,
      expect: { source: 'Dockerfile reference, "RUN --network"', files: { '/out': file('0\n') } },
    },
    {
      name: 'hosts and resolv.conf are not in the layer',
      dockerfile: 'FROM REGISTRY/busybox\nRUN test -s /etc/hosts && echo ok > /out\n',
    },
    {
      name: 'of the mount points that the base lacks, those of the kernel stay in the layer',
      dockerfile:
        'FROM REGISTRY/bare\nRUN test -e /proc/self && test -c /dev/null && test -e /etc/resolv.conf && echo ok > /out\n',
      peers: NO_PEER,
      expect: {
        source:
          'BuildKit executor/stubs.go removes those of mounts and of /etc; what the runtime makes for its own stays',
        files: {
          '/dev': directory(),
          '/out': file('ok\n'),
          '/proc': directory(),
          '/sys': directory(),
        },
      },
    },
    { name: 'the umask is 022', dockerfile: 'FROM REGISTRY/busybox\nRUN umask > /out; touch /f; mkdir /d\n' },
    {
      name: 'the exit code of the last command counts',
      dockerfile: 'FROM REGISTRY/busybox\nRUN false; true\nRUN false || echo saved > /out\n',
    },
    {
      name: 'capabilities: a RUN may chown, chroot and bind low ports',
      dockerfile: 'FROM REGISTRY/busybox\nRUN touch /f && chown 1:1 /f && chroot / true && echo ok > /out\n',
    },
    {
      name: 'capabilities: a RUN may not mount',
      dockerfile:
        'FROM REGISTRY/busybox\nRUN mount -t tmpfs x /tmp && echo mounted > /out || echo refused > /out\n',
      peers: ['docker'],
    },
    {
      name: 'an extended attribute of a user',
      dockerfile: 'FROM REGISTRY/busybox\nRUN touch /f; true\nCOPY f /g\n',
      files: { f: 'x' },
    },
    {
      name: 'many files in a directory',
      dockerfile:
        'FROM REGISTRY/busybox\nRUN mkdir /m && cd /m && for i in $(seq 300); do echo $i > f$i; done\n',
    },
    {
      name: 'a sparse and a large file',
      dockerfile:
        'FROM REGISTRY/busybox\nRUN dd if=/dev/zero of=/sparse bs=1 count=1 seek=5000000 2>/dev/null; yes x | head -c 2000000 > /large\n',
    },
    { name: 'a device', dockerfile: 'FROM REGISTRY/busybox\nRUN mknod -m 640 /zero c 1 5\n' },
    {
      name: 'names that a shell would mind',
      dockerfile: 'FROM REGISTRY/busybox\nRUN touch "/a b" "/c\'d" "/-e" "/é" "/\\$f"\n',
    },
  ],
};
