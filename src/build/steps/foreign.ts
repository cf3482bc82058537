/** Whether this machine can run the commands of a platform: its own, or one that the kernel has an interpreter for. */
import { access, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatPlatform } from '../../dockerfile/build-args.js';
import { SlipwayError } from '../../errors.js';
import { hostPlatform } from '../../registry/pull.js';

const INTERPRETERS = '/proc/sys/fs/binfmt_misc';
/** As QEMU's packages call them. */
const QEMU: Readonly<Record<string, string>> = { amd64: 'x86_64', arm64: 'aarch64', '386': 'i386' };

/** `platform`: as `linux/arm64/v8`; `with32Bit`: the sandbox lets i386 programs run on amd64. Throws `dockerfile_unsupported`, with the reason. */
export async function refuseForeign(platform: string, with32Bit = false): Promise<void> {
  const [os = '', architecture = ''] = platform.split('/');
  const host = hostPlatform();
  if (os === host.os && architecture === host.architecture) return;
  if (with32Bit && os === 'linux' && architecture === '386' && (await kernelRuns32Bit())) return;
  if (os === 'linux' && (await hasInterpreter(QEMU[architecture] ?? architecture))) return;
  throw new SlipwayError(
    'dockerfile_unsupported',
    `its commands are for ${platform}, and this machine runs ${formatPlatform(host)}`,
    {
      hint: 'build on a machine of that platform, install an interpreter (package qemu-user-static), or run it in a stage FROM --platform=$BUILDPLATFORM',
    },
  );
}

/** By its settings: this one is there with CONFIG_IA32_EMULATION, which can be taken back when it boots. */
async function kernelRuns32Bit(): Promise<boolean> {
  if (hostPlatform().architecture !== 'amd64') return false;
  const line = await readFile('/proc/cmdline', 'utf8').catch(() => '');
  if (/\bia32_emulation=(0|n|off|false)\b/i.test(line)) return false;
  return access('/proc/sys/abi/vsyscall32').then(
    () => true,
    () => false,
  );
}

/** With the flag F the kernel has opened it already: it is found in any root (binfmt_misc(5)). */
async function hasInterpreter(name: string): Promise<boolean> {
  const entries = await readdir(INTERPRETERS).catch((): string[] => []);
  if (!entries.includes(`qemu-${name}`)) return false;
  const text = await readFile(join(INTERPRETERS, `qemu-${name}`), 'utf8').catch(() => '');
  return text.startsWith('enabled') && /^flags:.*F/m.test(text);
}
