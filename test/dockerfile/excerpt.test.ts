import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/config.js';
import { excerpt } from '../../src/dockerfile/excerpt.js';

describe('the excerpt of a Dockerfile', () => {
  const text = Buffer.from('FROM scratch\nRUN <<E\na\nb\nE\nENV A="\u001b[31mb\tc"\n');
  const of = (where: string | undefined): string[] => excerpt(where, { name: 'df', text }, DEFAULT_LIMITS);

  it('marks all lines of the instruction, and shows what is written without obeying it', () => {
    expect(of('df:2')).toEqual([
      'df:2',
      '--------------------',
      '   1 |     FROM scratch',
      '   2 | >>> RUN <<E',
      '   3 | >>> a',
      '   4 | >>> b',
      '   5 | >>> E',
      '   6 |     ENV A="[31mb    c"',
      '--------------------',
    ]);
  });

  it('marks one line of a Dockerfile that cannot be read', () => {
    const broken = { name: 'df', text: Buffer.from('FROM scratch\nRUNN a\n') };
    expect(excerpt('df:2', broken, DEFAULT_LIMITS)).toContain('   2 | >>> RUNN a');
  });

  it.each([undefined, 'other:2', 'df', 'df:0', 'df:7'])('%s: none', (where) => {
    expect(of(where)).toEqual([]);
  });
});
