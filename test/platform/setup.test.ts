import { execFile } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { projectRoot } from '../../src/root.js';

const SETUP = join(projectRoot(), 'bin', 'setup');
const PACKAGES = /PACKAGES='([^']*)'/.exec(readFileSync(SETUP, 'utf8'))![1]!.split(/\s+/).filter(Boolean);
const asRoot = process.getuid?.() === 0;
if (!asRoot) console.log('skipped: what setup does as root can only be tried by root');

let dir: string;
let log: string;

/** A checkout in which everything but the Debian packages is done, and programs that stand in for the system's. */
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'slipway-setup-'));
  log = join(dir, 'calls');
  for (const folder of ['bin', 'native/build', 'node_modules/.bin', 'dist/run', 'fake'])
    mkdirSync(join(dir, folder), { recursive: true });
  copyFileSync(SETUP, join(dir, 'bin', 'setup'));
  writeFileSync(join(dir, 'package-lock.json'), '{}');
  writeFileSync(join(dir, 'node_modules', '.slipway-lock'), '{}');
  writeFileSync(join(dir, 'native', 'build.mjs'), '');
  writeFileSync(join(dir, 'native', 'build', 'slipway.node'), '');
  writeFileSync(join(dir, 'node_modules', '.bin', 'tsc'), `#!/bin/sh\necho "tsc $*" >>'${log}'\n`, {
    mode: 0o755,
  });
  writeFileSync(join(dir, 'bin', 'bundle.mjs'), '');
  writeFileSync(join(dir, 'dist', 'run', 'slipway.js'), '');
  writeFileSync(join(dir, 'dist', '.built'), '');
  writeFileSync(log, '');
  installed(PACKAGES);
  fake('apt-get', 'exit 0');
  fake('id', 'echo 0');
});

afterEach(() => rmSync(dir, { recursive: true, force: true }));

function fake(name: string, script: string): void {
  const path = join(dir, 'fake', name);
  writeFileSync(path, `#!/bin/sh\necho "${name} $*" >>'${log}'\n${script}\n`);
  chmodSync(path, 0o755);
}

/** What dpkg-query says is installed; the list is read at each call, so a fake apt-get may change it. */
function installed(packages: readonly string[]): void {
  writeFileSync(join(dir, 'installed'), packages.map((name) => `ii ${name}\n`).join(''));
  fake('dpkg-query', `cat '${join(dir, 'installed')}'`);
}

function without(...names: string[]): string[] {
  return PACKAGES.filter((name) => !names.includes(name));
}

interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly calls: string[];
}

function run(command: string, args: string[]): Promise<Result> {
  const env = { ...process.env, PATH: `${join(dir, 'fake')}:${process.env.PATH}` };
  return new Promise((resolve) => {
    const child = execFile(command, args, { cwd: dir, env }, (_, stdout, stderr) => {
      resolve({
        code: child.exitCode ?? -1,
        stdout,
        stderr,
        calls: readFileSync(log, 'utf8').trim().split('\n'),
      });
    });
    child.stdin?.end();
  });
}

const setup = (...args: string[]): Promise<Result> => run(join(dir, 'bin', 'setup'), args);

describe('bin/setup', () => {
  it('prints nothing and calls neither apt nor npm when all is there', async () => {
    fake('npm', 'exit 1');
    const { code, stdout, stderr, calls } = await setup('--quiet');
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(calls.filter((call) => /^(apt-get|npm)/.test(call))).toEqual([]);
  });

  it('names what is missing, and the command, when it may not install', async () => {
    installed(without('haproxy', 'crun'));
    fake('id', 'echo 1000');
    fake('sudo', 'exit 1');
    const { code, stderr, calls } = await setup();
    expect(code).toBe(1);
    expect(stderr).toContain('packages are missing, and this user may not install them: haproxy crun');
    expect(stderr).toContain('apt-get update && apt-get install --no-install-recommends haproxy crun');
    expect(calls.some((call) => call.startsWith('apt-get'))).toBe(false);
  });

  it('installs what is missing and nothing else', async () => {
    installed(without('haproxy'));
    fake('apt-get', `case "$*" in *install*) echo 'ii haproxy' >>'${join(dir, 'installed')}' ;; esac`);
    const { code, stdout, calls } = await setup();
    expect(code).toBe(0);
    expect(stdout).toContain('-----> Installing from Debian: haproxy');
    const apt = calls.filter((call) => call.startsWith('apt-get'));
    expect(apt.map((call) => call.split('Use-Pty=0 ')[1])).toEqual([
      'update',
      'install --no-install-recommends haproxy',
    ]);
    expect(apt.every((call) => call.includes('DPkg::Lock::Timeout='))).toBe(true);
  });

  it('uses sudo when that needs no password', async () => {
    installed(without('haproxy'));
    fake('id', 'echo 1000');
    fake('sudo', 'shift; exec "$@"');
    fake('apt-get', `case "$*" in *install*) echo 'ii haproxy' >>'${join(dir, 'installed')}' ;; esac`);
    expect((await setup()).code).toBe(0);
  });

  it('says that the lists could not be loaded, and stops, without a network', async () => {
    installed(without('haproxy'));
    fake('apt-get', 'exit 100');
    const { code, stderr, calls } = await setup();
    expect(code).toBe(1);
    expect(stderr).toContain('the package lists could not be loaded');
    expect(calls.some((call) => call.includes(' install '))).toBe(false);
  });

  it('installs from npm when package-lock.json is another', async () => {
    writeFileSync(join(dir, 'package-lock.json'), '{"new": true}');
    fake('npm', 'exit 0');
    const first = await setup();
    expect(first.calls.filter((call) => call.startsWith('npm'))).toEqual([
      'npm install --no-save --ignore-scripts --no-audit --no-fund --loglevel=error',
    ]);
    fake('npm', 'exit 1');
    expect((await setup()).code).toBe(0);
  });

  it('compiles when a source is newer than what was compiled, and only then', async () => {
    writeFileSync(join(dir, 'native', 'index.ts'), '');
    utimesSync(join(dir, 'dist', '.built'), new Date(0), new Date(0));
    expect((await setup()).calls.filter((call) => call.startsWith('tsc'))).toEqual(['tsc -b']);
    writeFileSync(log, '');
    expect((await setup()).calls.filter((call) => call.startsWith('tsc'))).toEqual([]);
  });

  it('tells that npm failed, and tries again the next time', async () => {
    writeFileSync(join(dir, 'package-lock.json'), '{"new": true}');
    fake('npm', 'exit 1');
    for (const attempt of [1, 2]) {
      const { code, stderr } = await setup();
      expect({ attempt, code }).toEqual({ attempt, code: 1 });
      expect(stderr).toContain('the npm packages could not be installed');
    }
  });

  it('refuses a Node that is too old', async () => {
    fake('node', 'case "$1" in --version) echo v20.18.0 ;; *) exit 1 ;; esac');
    const { code, stderr } = await setup();
    expect(code).toBe(1);
    expect(stderr).toContain('Node v20.18.0 is too old');
  });

  it('answers an unknown option with its usage and exit code 2', async () => {
    expect(await setup('--what')).toMatchObject({
      code: 2,
      stderr: 'usage: bin/setup [--quiet] [--check]\n',
    });
  });

  it('--check changes nothing and lists what is missing', async () => {
    installed(without('runc'));
    const { code, stderr, calls } = await setup('--check');
    expect(code).toBe(1);
    expect(stderr).toContain('these Debian packages are missing: runc');
    expect(calls.some((call) => call.startsWith('apt-get'))).toBe(false);
  });
});

/** Services as systemd would show them: those in `units` are known, those in `on` are active and enabled. */
function fakeSystemd(): void {
  mkdirSync(join(dir, 'units'));
  fake(
    'systemctl',
    `for unit; do :; done
case "$1" in
  cat) [ -e '${dir}/units/'"$unit" ] ;;
  is-active|is-enabled) grep -q on '${dir}/units/'"$unit" 2>/dev/null ;;
  disable) echo off >'${dir}/units/'"$unit" ;;
esac`,
  );
}

/** Runs setup where /usr/sbin and /run may be changed without anybody seeing it: in a mount namespace of its own. */
function setupInOwnMounts(before = ''): Promise<Result> {
  const script = `set -e
mkdir -p '${dir}/over/up' '${dir}/over/work'
mount -t tmpfs none '${dir}/over'
mkdir -p '${dir}/over/up' '${dir}/over/work'
mount -t overlay overlay -o 'lowerdir=/usr/sbin,upperdir=${dir}/over/up,workdir=${dir}/over/work' /usr/sbin
rm -f /usr/sbin/policy-rc.d
mount -t tmpfs none /run
mkdir -p /run/systemd/system
${before}
set +e
'${dir}/bin/setup'
code=$?
ls /usr/sbin/policy-rc.d >'${dir}/policy-left' 2>/dev/null
exit $code`;
  return run('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', script]);
}

describe.skipIf(!asRoot)('services of packages that setup installs', () => {
  const installing = (more: string): string =>
    `case "$*" in *install*)
  [ -x /usr/sbin/policy-rc.d ] && /usr/sbin/policy-rc.d; echo "policy $?" >>'${log}'
  ${more} ;; esac`;

  beforeEach(() => {
    installed(without('haproxy', 'redis-server'));
    fakeSystemd();
  });

  it('are not started by the installation, and the rule that holds them back is gone afterwards', async () => {
    fake('apt-get', installing(`printf 'ii haproxy\\nii redis-server\\n' >>'${dir}/installed'`));
    const { code, calls } = await setupInOwnMounts();
    expect(code).toBe(0);
    expect(calls).toContain('policy 101');
    expect(readFileSync(join(dir, 'policy-left'), 'utf8')).toBe('');
  });

  it('are held back by nothing any more when the installation failed', async () => {
    fake('apt-get', installing('exit 100'));
    const { code, calls } = await setupInOwnMounts();
    expect(code).toBe(1);
    expect(calls).toContain('policy 101');
    expect(readFileSync(join(dir, 'policy-left'), 'utf8')).toBe('');
  });

  it('are held back by nothing any more when it was interrupted', async () => {
    fake('apt-get', installing('kill -INT $PPID'));
    const { code } = await setupInOwnMounts();
    expect(code).toBe(130);
    expect(readFileSync(join(dir, 'policy-left'), 'utf8')).toBe('');
  });

  it('leave the rule of the machine alone when there is one', async () => {
    fake('apt-get', installing(`printf 'ii haproxy\\nii redis-server\\n' >>'${dir}/installed'`));
    const { calls } = await setupInOwnMounts(
      "printf '#!/bin/sh\\nexit 104\\n' >/usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d",
    );
    expect(calls).toContain('policy 104');
    expect(readFileSync(join(dir, 'policy-left'), 'utf8')).toBe('/usr/sbin/policy-rc.d\n');
  });

  it('are switched off when they came with the packages, and left as they are when they were there before', async () => {
    writeFileSync(join(dir, 'units', 'redis-server.service'), 'on');
    fake(
      'apt-get',
      installing(
        `printf 'ii haproxy\\nii redis-server\\n' >>'${dir}/installed'; echo on >'${dir}/units/haproxy.service'`,
      ),
    );
    const { code, stdout, calls } = await setupInOwnMounts();
    expect(code).toBe(0);
    expect(stdout).toContain('Leaving haproxy.service off');
    expect(calls.filter((call) => call.startsWith('systemctl disable'))).toEqual([
      'systemctl disable --now --quiet haproxy.service',
    ]);
    expect(existsSync(join(dir, 'units', 'redis-server.service'))).toBe(true);
  });
});
