import { once } from 'node:events';
import { readdir, rename, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { sweepSockets } from '../../deploy/hosts/tunnel.js';
import { temporaryDirectory } from '../support/directories.js';

async function listen(path: string): Promise<Server> {
  const server = createServer().listen(path);
  await once(server, 'listening');
  return server;
}

it('takes away the sockets that killed deployers left, and only those', async () => {
  const directory = await temporaryDirectory();
  const alive = await listen(join(directory, 'ssh-alive.sock'));
  onTestFinished(() => void alive.close());
  const killed = await listen(join(directory, 'killed.sock'));
  await rename(join(directory, 'killed.sock'), join(directory, 'ssh-killed.sock'));
  killed.close();
  await once(killed, 'close');
  await writeFile(join(directory, 'deployer.sock'), '');
  await sweepSockets(directory);
  expect((await readdir(directory)).sort()).toEqual(['deployer.sock', 'ssh-alive.sock']);
  await sweepSockets(join(directory, 'none'));
});
