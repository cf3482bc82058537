import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatRange, parseRange } from '../../src/ui/log/line-range.js';
import { LogText } from '../../src/ui/log/log-text.js';
import { Scale } from '../../src/ui/log/scale.js';

describe('the text of a log', () => {
  test('is the same however its bytes are cut, and whatever comes twice', () => {
    const whole = Buffer.from('one\nzwei ü\n三\n\nlast');
    fc.assert(
      fc.property(fc.array(fc.nat(whole.length), { maxLength: 20 }), (cuts) => {
        const text = new LogText();
        for (const cut of [...cuts, whole.length].sort((a, b) => a - b)) {
          // Each part begins anew at some earlier byte, as after a reconnect.
          const from = Math.floor(text.offset / 2);
          expect(text.add(from, whole.subarray(from, cut))).toBe(true);
        }
        text.end();
        expect(text.lines).toEqual(['one', 'zwei ü', '三', '', 'last']);
        expect(text.offset).toBe(whole.length);
      }),
    );
  });

  test('takes nothing that would leave a gap', () => {
    const text = new LogText();
    expect(text.add(0, Buffer.from('a\n'))).toBe(true);
    expect(text.add(3, Buffer.from('c\n'))).toBe(false);
    expect([text.offset, text.lines]).toEqual([2, ['a']]);
  });
});

describe('a link to lines', () => {
  test('counts from 1, in either order, and is nothing else', () => {
    expect(parseRange('#L120')).toEqual({ from: 119, to: 119 });
    expect(parseRange('#L12-L3')).toEqual({ from: 2, to: 11 });
    for (const hash of ['', '#', '#L', '#120', '#L1-', '#L1-L2x', '#content'])
      expect(parseRange(hash)).toBeUndefined();
    expect([formatRange({ from: 0, to: 0 }), formatRange({ from: 2, to: 11 })]).toEqual(['#L1', '#L3-L12']);
  });
});

describe('rows and pixels', () => {
  test.each([10, 200_000, 5_000_000])('agree from the first of %d rows to the last', (count) => {
    const [rowPx, viewPx] = [20, 600];
    const scale = new Scale(count, rowPx, viewPx);
    expect(scale.height).toBeLessThanOrEqual(15_000_000);
    const most = Math.max(0, scale.height - viewPx);
    for (const row of [0, Math.floor(count / 3), count - 1]) {
      const scrolled = Math.min(most, scale.scrollTo(row, 0));
      // Where it is drawn is within what can be seen.
      const seen = scale.topOf(row, scrolled) - scrolled;
      expect(seen).toBeGreaterThanOrEqual(-rowPx);
      expect(seen).toBeLessThanOrEqual(viewPx - rowPx + 0.01);
      expect(scale.rowAt(scrolled)).toBeLessThanOrEqual(row);
    }
  });
});
