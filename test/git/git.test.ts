import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { cleanStderr, Git, gitEnvironment } from '../../src/git/git.js';
import { checkGitVersion } from '../../src/git/version.js';
import { bareRepository, git, temporaryDirectory } from './support/repositories.js';

/** A stand-in for git that does what a broken one does. */
async function fakeGit(script: string): Promise<Git> {
  const path = join(await temporaryDirectory(), 'git');
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
  return new Git(path);
}

describe('running git', () => {
  test('output comes back as bytes, input goes in as bytes', async () => {
    const gitDir = await bareRepository();
    const oid = await git.text(['hash-object', '-w', '--stdin'], {
      gitDir,
      input: Buffer.from([0, 255, 10]),
    });
    expect(await git.run(['cat-file', 'blob', oid], { gitDir })).toEqual(Buffer.from([0, 255, 10]));
  });

  test('neither the user nor the system has a say in its settings', async () => {
    process.env.GIT_CONFIG_PARAMETERS = "'core.hooksPath=/tmp/evil'";
    try {
      const settings = await git.text(['config', '--list', '--show-origin'], {
        gitDir: await bareRepository(),
      });
      expect(settings).not.toContain('evil');
      expect(settings).toContain('safe.directory=*');
    } finally {
      delete process.env.GIT_CONFIG_PARAMETERS;
    }
    expect(Object.keys(gitEnvironment())).not.toContain('GIT_DIR');
  });

  test('a failure carries what git said, without its prefix and without paths of this machine', async () => {
    const gitDir = await bareRepository();
    await expect(git.run(['rev-parse', '--verify', 'nothing'], { gitDir })).rejects.toMatchObject({
      code: 'internal',
      message: 'git rev-parse failed: Needed a single revision',
    });
    expect(cleanStderr(`fatal: '${gitDir}': \u001b[31mbad\nhint: try that`, gitDir)).toBe(
      "'repo.git': [31mbad",
    );
  });

  test('a full disk is named as that', async () => {
    const full = await fakeGit('echo "fatal: write error: No space left on device" >&2; exit 128');
    await expect(full.run(['gc'])).rejects.toMatchObject({ code: 'disk_full', temporary: true });
  });

  test('a git that never ends is stopped after its time', async () => {
    const slow = await fakeGit('exec sleep 60');
    await expect(slow.run(['gc'], { timeoutMs: 50 })).rejects.toMatchObject({ code: 'unavailable' });
  });

  test('a git that prints without end is stopped at the limit', async () => {
    const chatty = await fakeGit('exec yes');
    await expect(chatty.run(['log'], { maxOutputBytes: 1000 })).rejects.toMatchObject({ code: 'too_large' });
  });

  test('an abort stops it and is what the caller gets', async () => {
    const slow = await fakeGit('exec sleep 60');
    const abort = new AbortController();
    const running = slow.run(['gc'], { signal: abort.signal });
    abort.abort(new Error('lost the lease'));
    await expect(running).rejects.toThrow('lost the lease');
    await expect(slow.run(['gc'], { signal: abort.signal })).rejects.toThrow('lost the lease');
  });

  test('a missing git says what to install', async () => {
    await expect(new Git('/nonexistent/git').run(['version'])).rejects.toMatchObject({
      code: 'unavailable',
      hint: expect.stringContaining('install git'),
    });
  });
});

describe('the version of git', () => {
  test('the installed one will do', async () => {
    expect(await checkGitVersion()).toMatch(/^\d+\.\d+\.\d+$/);
  });

  test('one that is too old, or not there, is refused with the version that is needed', async () => {
    const path = join(await temporaryDirectory(), 'git');
    await writeFile(path, '#!/bin/sh\necho git version 2.25.1\n');
    await chmod(path, 0o755);
    await expect(checkGitVersion(path)).rejects.toMatchObject({
      message: 'git 2.25.1 is too old',
      hint: 'install git 2.31 or newer',
    });
    await expect(checkGitVersion('/nonexistent/git')).rejects.toMatchObject({ code: 'unavailable' });
  });
});
