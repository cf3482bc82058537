/** Platforms as people write them: `linux/arm64`, `arm/v7`, `x86_64`. The rules are containerd's. */

import type { Platform } from './build-plan.js';
import { invalid, quoted, unsupported } from './problems.js';

export function formatPlatform({
  os,
  architecture,
  variant,
}: Omit<Platform, 'variant'> & { readonly variant?: string | undefined }): string {
  return [os, architecture, ...(variant === undefined ? [] : [variant])].join('/');
}

const SYSTEMS = new Set(
  (
    'aix android darwin dragonfly freebsd hurd illumos ios js linux nacl netbsd openbsd plan9 solaris windows ' +
    'macos zos'
  ).split(' '),
);
const ARCHITECTURES = new Set(
  (
    '386 amd64 arm arm64 loong64 mips mipsle mips64 mips64le ppc64 ppc64le riscv64 s390x wasm ' +
    'i386 x86_64 x86-64 aarch64 armhf armel'
  ).split(' '),
);
/** Other names for an architecture, with the variant that they mean. */
const ALIASES: ReadonlyMap<string, readonly [string, string?]> = new Map([
  ['i386', ['386']],
  ['x86_64', ['amd64']],
  ['x86-64', ['amd64']],
  ['aarch64', ['arm64']],
  ['armhf', ['arm', 'v7']],
  ['armel', ['arm', 'v6']],
]);

/** `of` fills in what is not written. Throws `dockerfile_invalid`, or `dockerfile_unsupported` for another system than Linux. */
export function parsePlatform(text: string, of: Platform, where: string): Platform {
  const parts = text.split('/').map((part) => part.toLowerCase());
  const bad = (): Error =>
    invalid(where, `${quoted(text)} is not a platform`, 'write linux/amd64, linux/arm64 or linux/arm/v7');
  if (parts.length > 3 || !parts.every((part) => /^[a-z0-9_.-]+$/.test(part))) throw bad();
  const [first = '', second, third] = parts;
  if (second === undefined) {
    if (SYSTEMS.has(first)) return inLinux({ ...of, os: first }, text, where);
    if (ARCHITECTURES.has(first)) return normal(of.os, first);
    throw bad();
  }
  if (!SYSTEMS.has(first)) {
    // `arm/v7`.
    if (third === undefined && ARCHITECTURES.has(first) && /^v\d/.test(second)) {
      return normal(of.os, first, second);
    }
    throw bad();
  }
  return inLinux(normal(first, second, third), text, where);
}

/** The same platform has one form: `linux/arm64/v8` is `linux/arm64`, `linux/arm` is `linux/arm/v7`. */
function normal(os: string, written: string, variant?: string): Platform {
  const [architecture, implied] = ALIASES.get(written) ?? [written];
  const given = (variant ?? implied ?? '').replace(/^(\d)$/, 'v$1');
  const usual: Readonly<Record<string, string>> = { arm64: 'v8', amd64: 'v1' };
  const kept = architecture === 'arm' ? given || 'v7' : given === usual[architecture] ? '' : given;
  return { os, architecture, ...(kept === '' ? {} : { variant: kept }) };
}

export function normalPlatform({ os, architecture, variant }: Platform): Platform {
  return normal(os, architecture, variant);
}

function inLinux(platform: Platform, text: string, where: string): Platform {
  if (platform.os === 'linux') return platform;
  throw unsupported(where, `the platform ${text} is not supported: images here are for Linux`, 'use linux/…');
}
