import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { httpAdvertisement, withHaves } from '../../src/git/advertisement.js';
import { FLUSH, MAX_PAYLOAD_BYTES, PacketParser, packet } from '../../src/git/pkt-line.js';

describe('pkt-lines', () => {
  test('have the length of the whole line in front, as the specification shows', () => {
    expect(packet('a\n').toString()).toBe('0006a\n');
    expect(packet('').toString()).toBe('0004');
    expect(packet('foobar\n').toString()).toBe('000bfoobar\n');
  });

  test('come out as they went in, in whatever pieces they travel', () => {
    fc.assert(
      fc.property(
        fc.array(fc.option(fc.uint8Array({ maxLength: 300 }))),
        fc.integer({ min: 1, max: 17 }),
        (payloads, step) => {
          const bytes = Buffer.concat(
            payloads.map((payload) => (payload === null ? FLUSH : packet(payload))),
          );
          const parser = new PacketParser();
          const out = [];
          for (let at = 0; at < bytes.length; at += step)
            out.push(...parser.push(bytes.subarray(at, at + step)));
          expect(out).toEqual(payloads.map((payload) => (payload === null ? null : Buffer.from(payload))));
          expect(parser.pendingBytes).toBe(0);
        },
      ),
    );
  });

  test('hold what they may and no more', () => {
    const largest = Buffer.alloc(MAX_PAYLOAD_BYTES, 1);
    expect(new PacketParser().push(packet(largest))).toEqual([largest]);
    expect(() => packet(Buffer.alloc(MAX_PAYLOAD_BYTES + 1))).toThrow(RangeError);
    for (const text of ['0001', '0003', 'fff1', 'zzzz', '-001', ' 00a'])
      expect(() => new PacketParser().push(Buffer.from(text))).toThrow('not a pkt-line');
  });
});

describe('an advertisement', () => {
  const oid = (digit: string): string => digit.repeat(40);

  test('gains commits that no visible ref leads to', () => {
    const advertised = Buffer.concat([packet(`${oid('a')} refs/heads/main\0report-status\n`), FLUSH]);
    expect(withHaves(advertised, [oid('b')]).toString()).toBe(
      `${advertised.subarray(0, -4)}${packet(`${oid('b')} .have\n`)}0000`,
    );
    expect(withHaves(advertised, [])).toBe(advertised);
  });

  test('without refs says them in the place of its stand-in', () => {
    const advertised = Buffer.concat([packet(`${oid('0')} capabilities^{}\0report-status\n`), FLUSH]);
    const expected = [packet(`${oid('b')} .have\0report-status\n`), packet(`${oid('c')} .have\n`), FLUSH];
    expect(withHaves(advertised, [oid('b'), oid('c')])).toEqual(Buffer.concat(expected));
  });

  test('that git did not finish is left as it is', () => {
    const cut = packet(`${oid('a')} refs/heads/main\0report-status\n`);
    expect(withHaves(cut, [oid('b')])).toBe(cut);
  });

  test('begins with the service over HTTP', () => {
    expect(httpAdvertisement('git-upload-pack', FLUSH).toString()).toBe(
      '001e# service=git-upload-pack\n00000000',
    );
  });
});
