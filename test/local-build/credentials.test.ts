/** Credentials as docker keeps them. */
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { dockerCredentials } from '../../src/local-build/credentials.js';
import { Terminal } from '../cli/support/terminal.js';
import { temporaryDirectory } from '../support/directories.js';
import { startRegistry } from '../support/registry.js';

const HELPER = `#!/bin/sh
[ "$1" = get ] || exit 9
read -r server
case "$server" in
  helped.example.com) echo '{"ServerURL":"x","Username":"h","Secret":"from helper"}';;
  token.example.com) echo '{"Username":"<token>","Secret":"t"}';;
  broken.example.com) echo 'the keyring is locked'; exit 1;;
  *) echo 'credentials not found in native keychain'; exit 1;;
esac
`;

describe('docker’s config.json', () => {
  let home: string;
  let env: NodeJS.ProcessEnv;
  const config = async (value: unknown): Promise<void> => {
    await mkdir(join(home, '.docker'), { recursive: true });
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    await writeFile(join(home, '.docker', 'config.json'), text);
  };
  const encoded = (text: string): { auth: string } => ({ auth: Buffer.from(text).toString('base64') });

  beforeEach(async () => {
    home = await temporaryDirectory();
    const helper = join(home, 'docker-credential-test');
    await writeFile(helper, HELPER);
    await chmod(helper, 0o755);
    env = { HOME: home, PATH: `${home}:${process.env.PATH}` };
  });

  test('auths, by host and as older docker wrote them', async () => {
    await config({
      auths: {
        'https://index.docker.io/v1/': encoded('hub:a:b'),
        'plain.example.com:5000': encoded('p:q'),
        'https://old.example.com/v1/': { username: 'o', password: 'x' },
        'empty.example.com': {},
      },
    });
    const find = dockerCredentials(env);
    expect(await find('docker.io')).toEqual({ username: 'hub', password: 'a:b' });
    expect(await find('plain.example.com:5000')).toEqual({ username: 'p', password: 'q' });
    expect(await find('plain.example.com')).toBeUndefined();
    expect(await find('old.example.com')).toEqual({ username: 'o', password: 'x' });
    expect(await find('empty.example.com')).toBeUndefined();
    const elsewhere = dockerCredentials({ ...env, DOCKER_CONFIG: join(home, 'absent') });
    expect(await elsewhere('docker.io')).toBeUndefined();
  });

  test('a helper of one registry, and the store of all', async () => {
    await config({
      credHelpers: { 'helped.example.com': 'test' },
      auths: { 'other.example.com': encoded('o:p') },
    });
    const one = dockerCredentials(env);
    expect(await one('helped.example.com')).toEqual({ username: 'h', password: 'from helper' });
    expect(await one('other.example.com')).toEqual({ username: 'o', password: 'p' });
    await config({ credsStore: 'test', auths: { 'other.example.com': encoded('o:p') } });
    const all = dockerCredentials(env);
    expect(await all('helped.example.com')).toEqual({ username: 'h', password: 'from helper' });
    expect(await all('other.example.com')).toEqual({ username: 'o', password: 'p' });
    await expect(all('token.example.com')).rejects.toThrow('identity tokens are not supported');
    await expect(all('broken.example.com')).rejects.toThrow('the keyring is locked');
  });

  test.each([
    ['{', 'is not JSON'],
    [{ credsStore: 'absent' }, 'docker-credential-absent, which is not installed'],
    [{ credsStore: '../evil' }, 'is not the name of a credential helper'],
  ])('%o is refused', async (value, message) => {
    await config(value);
    await expect(dockerCredentials(env)('docker.io')).rejects.toThrow(message);
  });
});

test('a push with docker’s credentials, and one without', async () => {
  const registry = await startRegistry({ password: 's3cret' });
  try {
    const terminal = await Terminal.open();
    await writeFile(join(terminal.directory, 'Dockerfile'), 'FROM scratch\nCOPY Dockerfile /\n');
    const build = () =>
      terminal.run([
        'build',
        '--store',
        join(terminal.home, 'store'),
        '-t',
        `${registry.host}/shop:1`,
        '--push',
        '.',
      ]);
    const denied = await build();
    expect([denied.code, denied.err]).toEqual([1, expect.stringContaining('ERROR: ')]);
    await mkdir(join(terminal.home, '.docker'));
    const auth = Buffer.from('slipway:s3cret').toString('base64');
    await writeFile(
      join(terminal.home, '.docker', 'config.json'),
      JSON.stringify({ auths: { [registry.host]: { auth } } }),
    );
    const { code, err } = await build();
    expect([code, err]).toEqual([0, expect.stringContaining(`named ${registry.host}/shop:1`)]);
  } finally {
    await registry.stop();
  }
});
