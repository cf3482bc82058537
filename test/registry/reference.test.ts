import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { SlipwayError } from '../../src/errors.js';
import {
  formatReference,
  isRegistryHost,
  manifestName,
  parseReference,
} from '../../src/registry/reference.js';

const HEX = 'a'.repeat(64);

function refusal(text: string): SlipwayError {
  try {
    parseReference(text);
  } catch (error) {
    return error as SlipwayError;
  }
  throw new Error(`${text} was accepted`);
}

describe('an image reference', () => {
  test.each([
    ['busybox', 'docker.io/library/busybox:latest'],
    ['node:22-slim', 'docker.io/library/node:22-slim'],
    ['grafana/loki', 'docker.io/grafana/loki:latest'],
    ['docker.io/busybox', 'docker.io/library/busybox:latest'],
    ['index.docker.io/a/b:c', 'docker.io/a/b:c'],
    ['localhost/app', 'localhost/app:latest'],
    ['localhost:5000/app:v1', 'localhost:5000/app:v1'],
    ['127.0.0.1:5000/apps/hello:v1', '127.0.0.1:5000/apps/hello:v1'],
    ['[::1]:5000/app', '[::1]:5000/app:latest'],
    ['ghcr.io/a/b/c_d/e--f/g.h', 'ghcr.io/a/b/c_d/e--f/g.h:latest'],
    ['GHCR.io/a/b', 'ghcr.io/a/b:latest'],
    [`busybox@sha256:${HEX}`, `docker.io/library/busybox@sha256:${HEX}`],
    [`r.example:1/b:t@sha256:${HEX}`, `r.example:1/b:t@sha256:${HEX}`],
  ])('%s is %s', (text, whole) => {
    expect(formatReference(parseReference(text))).toBe(whole);
  });

  test('a digest decides over a tag', () => {
    expect(manifestName(parseReference(`a:t@sha256:${HEX}`))).toBe(`sha256:${HEX}`);
    expect(manifestName(parseReference('a:t'))).toBe('t');
    expect(manifestName(parseReference('a'))).toBe('latest');
  });

  test.each([
    ['', 'name is missing'],
    ['localhost:5000/', 'name is missing'],
    ['-v', 'not a repository'],
    ['--help/x', 'not a repository'],
    ['a/-b', 'not a repository'],
    ['-x.example/b', 'host'],
    ['example.com:/b', 'host'],
    ['example.com:99999/b', 'host'],
    ['999.1.1.1/b', 'host'],
    ['Node:20', 'lower case'],
    ['a//b', 'not a repository'],
    ['a/../b', 'not a repository'],
    ['a/b?x', 'not a repository'],
    ['a b', 'not a repository'],
    ['https://example.com/a', 'host'],
    ['user@example.com/a', 'digest'],
    ['a:', 'not a tag'],
    ['a:-t', 'not a tag'],
    ['a:t/../x', 'host'],
    [`a:${'t'.repeat(129)}`, 'not a tag'],
    ['a@sha256:abc', 'not a digest'],
    [`a@sha512:${HEX}${HEX}`, 'not a digest'],
    [`a@sha256:${HEX}@sha256:${HEX}`, 'more than one @'],
    ['a'.repeat(300), 'not a repository'],
    ['a\nb', 'not a repository'],
  ])('%j is refused: %s', (text, why) => {
    const error = refusal(text);
    expect(error.code).toBe('invalid_name');
    expect(error.message).toContain(why);
    expect(error.message.length).toBeLessThan(300);
  });

  test('what is accepted comes back the same after formatting, and no part of it begins with a hyphen', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-zA-Z0-9._:/@-]{1,40}$/), (text) => {
        let reference: ReturnType<typeof parseReference>;
        try {
          reference = parseReference(text);
        } catch (error) {
          expect((error as SlipwayError).code).toBe('invalid_name');
          return;
        }
        const whole = formatReference(reference);
        expect(formatReference(parseReference(whole))).toBe(whole);
        expect(isRegistryHost(reference.registry)).toBe(true);
        for (const part of [reference.registry, reference.repository, reference.tag ?? 'x'])
          expect(part).not.toMatch(/^-/);
        expect(() => new URL(`https://${reference.registry}/v2/${reference.repository}/`)).not.toThrow();
      }),
      { numRuns: 3000 },
    );
  });
});
