/** Which build arguments exist without an ARG, and what the ARGs before the first FROM are worth. */

import type { Platform } from './build-plan.js';
import { ExpansionBudget, expandWord } from './expand.js';
import { formatPlatform } from './platform.js';
import { invalid, quoted } from './problems.js';
import type { Dockerfile } from './syntax.js';

export { formatPlatform } from './platform.js';

/** Given to every RUN without a declaration; never shown in history, since their values may hold a password. */
const PROXIES = ['HTTP_PROXY', 'HTTPS_PROXY', 'FTP_PROXY', 'NO_PROXY', 'ALL_PROXY'];
const PREDEFINED = new Set([...PROXIES, ...PROXIES.map((name) => name.toLowerCase())]);

export function isProxyArg(name: string): boolean {
  return PREDEFINED.has(name);
}

/** Steer the scan for an SBOM; BuildKit never exports them to a command. */
const NEVER_IN_ENV = new Set(['BUILDKIT_SBOM_SCAN_CONTEXT', 'BUILDKIT_SBOM_SCAN_STAGE']);

export function isExported(name: string): boolean {
  return !NEVER_IN_ENV.has(name);
}

/** Known without a declaration: a build arg of this name is not a mistake. */
export function isKnownArg(name: string): boolean {
  return isProxyArg(name) || name.startsWith('BUILDKIT_') || name === 'SOURCE_DATE_EPOCH';
}

/** `K=V` of the proxies that were given, in both cases, but for those that the command's environment has already. */
export function proxyEnv(
  buildArgs: Readonly<Record<string, string>>,
  env: ReadonlyMap<string, string>,
): string[] {
  const pairs: string[] = [];
  for (const name of PROXIES) {
    const value = givenArg(buildArgs, name) ?? givenArg(buildArgs, name.toLowerCase());
    if (value === undefined || value === '') continue;
    for (const each of [name, name.toLowerCase()]) if (!env.has(each)) pairs.push(`${each}=${value}`);
  }
  return pairs;
}

/** The value that was given for a name, if one was. A name may be anything, `constructor` too. */
export function givenArg(buildArgs: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.hasOwn(buildArgs, name) ? buildArgs[name] : undefined;
}

/**
 * Seconds since 1970; undefined when there is none, or when it is to be that of the context, or of a stage or context with
 * one of the `names`. Throws `dockerfile_invalid`.
 */
export function sourceDateEpoch(
  given: string | undefined,
  names: Iterable<string | undefined>,
): number | undefined {
  if (given === undefined || given === '' || given === 'context') return undefined;
  if ([...names].includes(given.toLowerCase())) return undefined;
  const seconds = Number(given);
  // The last second of the year 9999, the last that an image can write.
  if (/^\d{1,12}$/.test(given) && seconds <= 253_402_300_799) return seconds;
  throw invalid(
    'SOURCE_DATE_EPOCH',
    `SOURCE_DATE_EPOCH: ${quoted(given)} is no number of seconds`,
    'give whole seconds since 1970, as git log -1 --format=%ct prints them',
  );
}

/** In the global scope: seen by FROM, and by a stage that declares them with a bare ARG. */
export function automaticArgs(
  target: Platform,
  build: Platform,
  targetStage: string,
): ReadonlyMap<string, string> {
  const args = new Map<string, string>();
  for (const [role, platform] of [
    ['BUILD', build],
    ['TARGET', target],
  ] as const) {
    args.set(`${role}PLATFORM`, formatPlatform(platform));
    args.set(`${role}OS`, platform.os);
    args.set(`${role}OSVERSION`, '');
    args.set(`${role}ARCH`, platform.architecture);
    args.set(`${role}VARIANT`, platform.variant ?? '');
  }
  return args.set('TARGETSTAGE', targetStage);
}

/** Later defaults may use earlier ones. A build arg counts only where an ARG declares its name, or where it is automatic. */
export function globalArgs(
  dockerfile: Dockerfile,
  automatic: ReadonlyMap<string, string>,
  buildArgs: Readonly<Record<string, string>>,
): ReadonlyMap<string, string> {
  const values = new Map([...automatic].map(([name, value]) => [name, givenArg(buildArgs, name) ?? value]));
  for (const instruction of dockerfile.globalArgs) {
    const where = `${dockerfile.name}:${instruction.lines.start}`;
    const budget = new ExpansionBudget(where);
    for (const { key, value } of instruction.args) {
      const expansion = { env: values, escape: dockerfile.directives.escape, where, budget };
      const name = expandWord(key, expansion);
      if (name === '') throw invalid(where, 'ARG: the name is empty');
      const given =
        givenArg(buildArgs, name) ?? (value === undefined ? undefined : expandWord(value, expansion));
      if (given !== undefined) values.set(name, given);
    }
  }
  return values;
}
