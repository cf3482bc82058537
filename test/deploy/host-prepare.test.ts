/**
 * hosts:prepare over a real sshd, whose sessions have /etc of their own and stand-ins for apt, systemctl and Docker: what the scripts ask
 * of these, what they leave in /etc, and that a second run changes nothing. No package is installed here.
 */
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { HostCredentials } from '../../deploy/hosts/credentials.js';
import { prepareHost, withSettings } from '../../deploy/hosts/prepare.js';
import { toSlipwayError } from '../../src/errors.js';
import { temporaryDirectory } from '../support/directories.js';
import { sshdMissing, startSshd, type TestSshd } from '../support/sshd.js';

const missing = sshdMissing();
if (missing !== undefined) console.warn(`skipped: ${missing}`);

/** Each writes down how it was called. The engine runs when there is a file `running`. */
const STAND_INS: Readonly<Record<string, string>> = {
  'apt-get':
    'case "$*" in *" install "*) printf "#!/bin/sh\\n" >"$BOX/bin/dockerd"; chmod 755 "$BOX/bin/dockerd";; esac; echo "Reading package lists..."',
  systemctl: ':',
  service: 'case "$*" in "docker start") touch "$BOX/running";; "docker stop") rm -f "$BOX/running";; esac',
  docker: 'case "$1" in version) [ -e "$BOX/running" ];; info) cat "$BOX/swarm";; esac',
  sleep: ':',
};

describe.skipIf(missing !== undefined)('hosts:prepare', () => {
  let box: string;
  let sshd: TestSshd;
  let credentials: HostCredentials;
  let said: string[];

  beforeAll(async () => {
    box = await temporaryDirectory();
    credentials = new HostCredentials(join(box, 'credentials'), 'slipway-test');
    for (const name of ['bin', 'docker', 'sshd']) await mkdir(join(box, name));
    await mkdir('/etc/docker', { recursive: true });
    const start = [
      // No process of the machine is to be found by its pid file.
      'mount -t tmpfs tmpfs /run && mkdir /run/sshd',
      `mount --bind ${box}/docker /etc/docker`,
      `mount --bind ${box}/sshd /etc/ssh/sshd_config.d`,
      // The engine that the machine of the test has.
      'for path in /usr/sbin/dockerd /usr/bin/dockerd; do [ ! -e $path ] || mount --bind /dev/null $path; done',
      'exec "$@"',
    ].join(' && ');
    sshd = await startSshd({
      settings: [`SetEnv PATH=${box}/bin:/usr/bin:/bin BOX=${box}`],
      wrapper: ['unshare', '--mount', 'sh', '-c', start, 'sshd'],
    });
    await sshd.authorize(await credentials.publicKey());
  });
  afterAll(() => sshd?.stop());

  beforeEach(async () => {
    said = [];
    for (const [name, text] of Object.entries(STAND_INS)) {
      await writeFile(join(box, 'bin', name), `#!/bin/sh\necho "${name} $*" >>"$BOX/calls"\n${text}\n`);
      await chmod(join(box, 'bin', name), 0o755);
    }
    await writeFile(join(box, 'swarm'), 'inactive\n');
  });
  afterEach(async () => {
    for (const name of [
      'bin/dockerd',
      'running',
      'calls',
      'docker/daemon.json',
      'docker/daemon.json.before',
      'once',
    ])
      await rm(join(box, name), { force: true });
    await rm(join(box, 'sshd', '50-slipway.conf'), { force: true });
  });

  const prepare = async (address = sshd.address): Promise<void> =>
    prepareHost(address, credentials, {
      fingerprint: await sshd.fingerprint(),
      signal: AbortSignal.timeout(60_000),
      onLine: (line) => said.push(line),
    });
  const calls = async (): Promise<string[]> =>
    (await readFile(join(box, 'calls'), 'utf8').catch(() => ''))
      .split('\n')
      .filter((line) => /^(apt-get|service docker (start|stop))/.test(line));
  const settings = async (): Promise<unknown> =>
    JSON.parse(await readFile(join(box, 'docker', 'daemon.json'), 'utf8'));

  it('installs and configures an engine, and does nothing the second time', async () => {
    await prepare();
    expect((await calls()).map((line) => line.replace(/ -[qyo].* (update|install)/, ' $1'))).toEqual([
      'apt-get update',
      'apt-get install --no-install-recommends docker.io ca-certificates iptables',
      'service docker start',
      'service docker stop',
      'service docker start',
    ]);
    expect(await settings()).toEqual({
      'log-driver': 'json-file',
      'log-opts': { 'max-size': '10m', 'max-file': '3' },
      'live-restore': true,
    });
    expect(await readFile(join(box, 'sshd', '50-slipway.conf'), 'utf8')).toContain(
      '\nClientAliveInterval 15\n',
    );
    expect(said.at(-1)).toContain(`slipway hosts:add NAME ${sshd.address} --fingerprint SHA256:`);
    expect(said).toContain('Reading package lists...');
    expect(said.join('\n')).not.toContain('slipway-fact');

    await rm(join(box, 'calls'));
    said.splice(0);
    await prepare();
    expect(await calls()).toEqual([]);
    expect(said.slice(1)).toEqual([
      '-----> Docker Engine: there already',
      '-----> /etc/docker/daemon.json: as it should be',
      expect.stringContaining('Ready.'),
    ]);
  });

  it('leaves what is set, keeps the file that was there, and restarts no engine that may run something', async () => {
    await writeFile(join(box, 'bin', 'dockerd'), '');
    await chmod(join(box, 'bin', 'dockerd'), 0o755);
    await writeFile(join(box, 'running'), '');
    const before = '{"log-driver": "journald", "registry-mirrors": ["http://mirror"]}';
    await writeFile(join(box, 'docker', 'daemon.json'), before);
    await prepare();
    expect(await settings()).toEqual({
      'log-driver': 'journald',
      'registry-mirrors': ['http://mirror'],
      'live-restore': true,
    });
    expect(await readFile(join(box, 'docker', 'daemon.json.before'), 'utf8')).toBe(before);
    expect(await calls()).toEqual([]);
  });

  it('takes its settings back when the engine does not start with them', async () => {
    await writeFile(join(box, 'docker', 'daemon.json'), '{"refused": true}');
    // It starts once only.
    await writeFile(
      join(box, 'bin', 'service'),
      '#!/bin/sh\n[ "$*" = "docker stop" ] && rm -f "$BOX/running" || { [ -e "$BOX/once" ] || touch "$BOX/running" "$BOX/once"; }\n',
    );
    await expect(prepare()).rejects.toMatchObject({ code: 'unavailable' });
    expect(said.at(-1)).toContain(
      'did not start with the new /etc/docker/daemon.json; the one before is back',
    );
    expect(await settings()).toEqual({ refused: true });
  });

  it.each([
    ['apt-get', 'echo "E: no network"; exit 100', 'the package lists could not be loaded'],
    ['id', 'echo 1000', 'this needs root'],
  ])('says why it cannot go on when %s says %j', async (name, text, problem) => {
    await writeFile(join(box, 'bin', name), `#!/bin/sh\n${text}\n`);
    await chmod(join(box, 'bin', name), 0o755);
    const error = await prepare().then(
      () => undefined,
      (thrown: unknown) => toSlipwayError(thrown),
    );
    await rm(join(box, 'bin', name));
    expect(error).toMatchObject({ code: 'unavailable', message: expect.stringContaining(problem) });
    await expect(settings()).rejects.toThrow();
  });

  it('is for machines that are reached by SSH, with a confirmed key', async () => {
    await expect(prepare('tcp://10.0.0.5:2375')).rejects.toMatchObject({ code: 'bad_request' });
    const unconfirmed = {
      fingerprint: undefined,
      signal: new AbortController().signal,
      onLine: () => undefined,
    };
    await expect(prepareHost(sshd.address, credentials, unconfirmed)).rejects.toMatchObject({
      code: 'bad_request',
      hint: expect.stringContaining(`slipway hosts:prepare ${sshd.address} --fingerprint SHA256:`),
    });
    await expect(settings()).rejects.toThrow();
  });
});

describe('the settings of an engine', () => {
  it.each<[string, boolean, readonly string[] | undefined]>([
    ['', false, ['log-driver', 'log-opts', 'live-restore']],
    ['{}\n', true, ['log-driver', 'log-opts']],
    ['{"log-opts": {"max-size": "1m"}}', false, ['live-restore']],
    ['{"live-restore": false, "log-driver": "local"}', false, undefined],
    ['{"log-driver": "local"}', true, undefined],
  ])('%j, in a swarm: %s, lack %j', (text, isSwarmNode, added) => {
    expect(withSettings(text, isSwarmNode)?.added).toEqual(added);
  });

  it.each(['[]', 'null', '{', '# comment'])('%j are not touched', (text) => {
    expect(() => withSettings(text, false)).toThrow(expect.objectContaining({ code: 'unavailable' }));
  });
});
