/** `--platform`: names of platforms as containerd writes and normalises them. Pure. */

import { UsageError } from '../cli/usage.js';
import type { Platform } from '../dockerfile/types.js';

const ARCHITECTURES: Readonly<Record<string, string>> = {
  x86_64: 'amd64',
  'x86-64': 'amd64',
  aarch64: 'arm64',
  armhf: 'arm',
  armel: 'arm',
  i386: '386',
};

/** Throws a UsageError for what is not `os/architecture[/variant]`. */
export function parsePlatform(text: string): Platform {
  const [os = '', given = '', variant, ...more] = text.trim().toLowerCase().split('/');
  const word = /^[a-z0-9_.-]+$/;
  if (
    more.length > 0 ||
    !word.test(os) ||
    !word.test(given) ||
    (variant !== undefined && !word.test(variant))
  )
    throw new UsageError(
      `--platform ${JSON.stringify(text)} is not OS/ARCHITECTURE[/VARIANT]`,
      'for example: linux/amd64 or linux/arm64,linux/arm/v7',
    );
  if (os !== 'linux') throw new UsageError(`--platform ${text}: only linux can be built`);
  const architecture = ARCHITECTURES[given] ?? given;
  if (architecture === 'arm64' && (variant === undefined || variant === 'v8')) return { os, architecture };
  if (architecture === 'amd64' && variant === 'v1') return { os, architecture };
  if (architecture === 'arm' && variant === undefined)
    return { os, architecture, variant: given === 'armel' ? 'v6' : 'v7' };
  return variant === undefined ? { os, architecture } : { os, architecture, variant };
}
