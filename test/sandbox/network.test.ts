import { execFile } from 'node:child_process';
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatAddress } from '../../src/build/sandbox/cidr.js';
import { insideNetwork, readHostNetwork } from '../../src/build/sandbox/host-network.js';
import { sleep } from '../../src/clock.js';
import { type Fixture, leftovers, sandboxFixture, skipped } from './fixture.js';

const run = promisify(execFile);
const VETH = { name: `slw${process.pid}`, address: '10.213.77.1', network: '10.213.77.0/24' };

/** Connects from a socket that is bound to the step's interface. */
const BOUND_CLIENT = `
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
int main(int argc, char **argv) {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  struct timeval wait = {2, 0};
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
  if (argc < 3 || setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "tap0", 5)) return puts("unbound"), 1;
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2]))};
  inet_pton(AF_INET, argv[1], &to.sin_addr);
  puts(connect(fd, (struct sockaddr *)&to, sizeof to) ? "failed" : "connected");
  return 0;
}
`;

describe.skipIf(skipped('network'))('the network of a step', () => {
  let closed: Fixture;
  let opened: Fixture;
  let server: Server;
  let port: number;
  let connections = 0;

  beforeAll(async () => {
    await run('ip', ['link', 'add', VETH.name, 'type', 'veth', 'peer', 'name', `${VETH.name}p`]);
    await run('ip', ['addr', 'add', `${VETH.address}/24`, 'dev', VETH.name]);
    for (const end of [VETH.name, `${VETH.name}p`]) await run('ip', ['link', 'set', end, 'up']);
    server = createServer((socket) => {
      connections++;
      socket.on('error', () => undefined).end('reached\n');
    }).listen(0, '0.0.0.0');
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port;
    closed = await sandboxFixture();
    opened = await sandboxFixture({ networkAllow: [VETH.address] });
  });
  afterAll(async () => {
    await closed?.[Symbol.asyncDispose]();
    await opened?.[Symbol.asyncDispose]();
    server?.close();
    await run('ip', ['link', 'delete', VETH.name]);
    expect(await leftovers()).toEqual([]);
  });

  const nc = (address: string, to = port): string =>
    `nc -w 2 ${address} ${to} < /dev/null 2>&1 || echo refused`;

  it('reaches what the allow list names, through the same way that is closed otherwise', async () => {
    const { output } = await opened.sh(nc(VETH.address), { network: 'default' });
    expect(output).toBe('reached\n');
    expect((await closed.sh(nc(VETH.address), { network: 'default' })).output).toContain('refused');
  });

  it('does not reach a server of the host under any of its addresses', async () => {
    const gateway = formatAddress(insideNetwork(await readHostNetwork()).start + 2);
    const own = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
    const host = (await readHostNetwork()).local.map(({ start }) => formatAddress(start));
    const ipv4 = own.filter(({ family }) => family === 'IPv4').map(({ address }) => address);
    const addresses = [...new Set([...ipv4, ...host, '127.0.0.1', '127.0.0.2', '0.0.0.0', gateway])];
    expect(addresses.length).toBeGreaterThan(4);
    const before = connections;
    const script = addresses.map((address) => `echo "${address} $(${nc(address)})"`).join('; ');
    const { output } = await closed.sh(script, { network: 'default', timeoutMs: 25_000 });
    for (const address of addresses) expect(output).toMatch(new RegExp(`^${address} nc: .*\\nrefused$`, 'm'));
    expect(connections).toBe(before);
  });

  it('does not reach metadata services, or other machines by IPv6', async () => {
    const { output } = await closed.sh(`${nc('169.254.169.254', 80)}; cat /proc/net/if_inet6`, {
      network: 'default',
    });
    expect(output).toMatch(/^nc: .*Permission denied\nrefused\n$/);
  });

  it('cannot be changed by the step', async () => {
    const { output } = await closed.sh(
      `ip route del prohibit ${VETH.network} 2>&1; ip link set tap0 down 2>&1; ${nc(VETH.address)}`,
      { network: 'default' },
    );
    expect(output.match(/Operation not permitted/g)).toHaveLength(2);
    expect(output).toContain('refused');
  });

  it('holds against a socket bound to the device, which the kernel lets pass routes that say no', async () => {
    const source = join(closed.directory, 'bound.c');
    await writeFile(source, BOUND_CLIENT);
    for (const { rootfs } of [closed, opened])
      await run('cc', ['-static', '-o', join(rootfs, 'bin/bound'), source]);
    const argv = ['/bin/bound', VETH.address, String(port)];
    expect((await opened.sh('', { argv, network: 'default' })).output).toBe('connected\n');
    expect((await closed.sh('', { argv, network: 'default' })).output).toBe('failed\n');
  });

  it('is closed to a network that the host gets while the step runs', async () => {
    const late = `${VETH.name}l`;
    const running = closed.sh(`sleep 3; ${nc('10.213.78.1')}`, { network: 'default' });
    await sleep(500);
    try {
      await run('ip', ['link', 'add', late, 'type', 'veth', 'peer', 'name', `${late}p`]);
      await run('ip', ['addr', 'add', '10.213.78.1/24', 'dev', late]);
      for (const end of [late, `${late}p`]) await run('ip', ['link', 'set', end, 'up']);
      expect((await running).output).toContain('refused');
    } finally {
      await run('ip', ['link', 'delete', late]);
    }
  });

  it('none is a loopback and nothing else', async () => {
    const { output } = await closed.sh(
      `ip -o link | wc -l; (echo in | nc -l -p 99 &); sleep 0.3; nc 127.0.0.1 99 < /dev/null; ${nc(VETH.address)}; cat /etc/resolv.conf`,
    );
    expect(output).toMatch(/^1\nin\n/);
    expect(output).toContain('refused');
  });

  it('is one for each step: none sees what another listens on', async () => {
    const listening = closed.sh('nc -l -p 99 -w 3 < /dev/null', { network: 'default', timeoutMs: 1_500 });
    const other = await closed.sh(nc('127.0.0.1', 99), { network: 'default' });
    expect(other.output).toContain('refused');
    expect((await listening).timedOut).toBe(true);
  });

  it('other named network namespaces of the machine stay', async () => {
    const name = `test-${process.pid}`;
    await run('ip', ['netns', 'add', name]);
    try {
      await closed.sh('true', { network: 'default' });
      await run('ip', ['-n', name, 'link']); // fails when the name no longer leads to a namespace
    } finally {
      await run('ip', ['netns', 'delete', name]);
    }
  });

  it('looks names up and reaches the outside', async (context) => {
    const name = 'deb.debian.org';
    const outside = await lookup(name, 4).catch(() => undefined);
    const reachable = outside !== undefined && (await answers(outside.address));
    if (!reachable) {
      console.log(`outside: skipped, this machine does not reach ${name}`);
      context.skip();
    }
    const { output } = await closed.sh(
      `nslookup ${name}; nc -w 5 ${name} 80 < /dev/null && echo through; cat /etc/resolv.conf`,
      { network: 'default' },
    );
    expect(output).toContain(outside?.address);
    expect(output).toContain('through');
    expect(output).toMatch(/^nameserver [\d.]+\n$/m);
  });
});

function answers(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port: 80, timeout: 2_000 });
    const end = (reached: boolean) => (): void => {
      socket.destroy();
      resolve(reached);
    };
    socket.once('connect', end(true)).once('error', end(false)).once('timeout', end(false));
  });
}
