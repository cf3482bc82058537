/** What was opened with a token ends when the token does, or what its person may do. */
import { get, type IncomingMessage } from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Platform } from './support/platform.js';

let platform: Platform;

beforeAll(async () => {
  platform = await Platform.start();
  await platform.createApp('hello');
  await platform.platform.people.addUser('dave', { administrator: false, mayCreateApps: false }, 'op');
});
afterAll(() => platform.stop());

const whole = { apps: '*', admin: false, mayCreateApps: false, who: 'op' } as const;

/** The log of a build that does not end, followed. Resolves with how the answer ended. */
async function follow(token: string): Promise<{ readonly ended: Promise<string> }> {
  const { id } = await platform.building('hello');
  const url = `${await platform.url()}/v1/apps/hello/builds/${id}/output/stream`;
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    get(url, { agent: false, headers: { authorization: `Bearer ${token}` } }, resolve).on('error', reject);
  });
  expect(answer.statusCode).toBe(200);
  answer.resume();
  const ended = new Promise<string>((resolve) => {
    answer.on('end', () => resolve('ended'));
    answer.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
  return { ended };
}

test.each([
  ['a token is revoked', async (id: string) => platform.platform.tokens.revoke(id, 'op')],
  ['a role is taken away', async () => platform.platform.people.setRole('hello', 'dave', undefined, 'op')],
  ['a user is removed', async () => platform.platform.people.removeUser('dave', 'op')],
])('a followed log is cut when %s, and that of others is not', async (_, end) => {
  const { tokens, people } = platform.platform;
  await people.setRole('hello', 'dave', 'viewer', 'op');
  const { id, token } = await tokens.create({ ...whole, name: 'dave', ofUser: true });
  const { ended } = await follow(token);
  const other = await follow(platform.token('admin'));
  await end(id);
  expect(await ended).toBe('ECONNRESET');
  expect(await Promise.race([other.ended, Promise.resolve('goes on')])).toBe('goes on');
});
