/** The small program that answers git in the command line's place: it says what that would say, or lets it speak. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { saveCredentials } from '../../src/cli/credentials.js';
import { temporaryDirectory } from '../support/directories.js';

const PROGRAM = fileURLToPath(new URL('../../native/build/git-credential', import.meta.url));
const URL_OF_PLATFORM = 'http://127.0.0.1:7070';

interface Answer {
  readonly code: number | null;
  readonly out: string;
}

/** With a launcher that says that it was asked, and what. */
async function ask(
  operation: string,
  input: string,
  { env = {}, document }: { env?: Record<string, string>; document?: string } = {},
): Promise<Answer> {
  const home = await temporaryDirectory();
  const launcher = join(home, 'slipway');
  await writeFile(launcher, '#!/bin/sh\necho "launched $*"\ncat\n');
  await chmod(launcher, 0o755);
  await saveCredentials({ HOME: home }, { url: URL_OF_PLATFORM, token: 'slipway_secret' });
  if (document !== undefined) {
    await mkdir(join(home, '.config', 'slipway'), { recursive: true });
    await writeFile(join(home, '.config', 'slipway', 'credentials.json'), document);
  }
  const child = spawn(PROGRAM, [launcher, operation], { env: { PATH: '/usr/bin:/bin', HOME: home, ...env } });
  child.stdin.on('error', () => undefined);
  const ended = Promise.all([text(child.stdout), once(child, 'close')]);
  // In two pieces, as a pipe may give it.
  child.stdin.write(input.slice(0, 1));
  await delay(20);
  child.stdin.end(input.slice(1));
  const [out, [code]] = await ended;
  return { code: code as number | null, out };
}

const question = 'protocol=http\nhost=127.0.0.1:7070\nwwwauth[]=Basic realm="x=y"\n\n';

test('answers for the platform that login kept', async () => {
  expect(await ask('get', question)).toEqual({
    code: 0,
    out: 'username=slipway\npassword=slipway_secret\n',
  });
});

test('has nothing to store or to erase', async () => {
  for (const operation of ['store', 'erase'])
    expect(await ask(operation, question)).toEqual({ code: 0, out: '' });
});

test('gives a question on that is larger than a pipe', async () => {
  const { code, out } = await ask('get', `protocol=http\nhost=other\nwwwauth[]=${'x'.repeat(70_000)}\n`);
  expect({ code, out: out.slice(0, 60) }).toEqual({
    code: 0,
    out: `launched git:credential get\nprotocol=http\nhost=other\nwwwauth`,
  });
});

test.each<[string, string, Parameters<typeof ask>[2]?]>([
  ['another host', 'protocol=http\nhost=127.0.0.1:707\n'],
  ['a host that only begins the same', 'protocol=http\nhost=127.0.0.1:70701\n'],
  ['another protocol', 'protocol=https\nhost=127.0.0.1:7070\n'],
  ['the host in another field', 'protocol=http\nhost=evil.example\npath=127.0.0.1:7070\n'],
  ['nothing', ''],
  ['a token in the environment', question, { env: { SLIPWAY_TOKEN: 'x' } }],
  ['a URL in the environment', question, { env: { SLIPWAY_URL: URL_OF_PLATFORM } }],
  ['a document with escapes', question, { document: '{\n  "url": "http:\\/\\/x",\n  "token": "a"\n}\n' }],
  ['no document', question, { document: '' }],
  ['a document in another form', question, { document: `{"url":"${URL_OF_PLATFORM}","token":"a"}` }],
])('gives the question on to the command line for %s', async (_what, input, options) => {
  expect(await ask('get', input, options)).toEqual({ code: 0, out: `launched git:credential get\n${input}` });
});
