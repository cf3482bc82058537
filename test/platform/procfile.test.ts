import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseProcfile, splitArguments } from '../../platform/procfile.js';
import { projectRoot } from '../../src/root.js';

describe('the Procfile', () => {
  it('names processes and their arguments, in order', () => {
    const text = '# comment\n\nweb: node dist/main.js --port 1\nbuilder:node b.js\n';
    expect(parseProcfile(text)).toEqual([
      { name: 'web', argv: ['node', 'dist/main.js', '--port', '1'] },
      { name: 'builder', argv: ['node', 'b.js'] },
    ]);
  });

  it('of this project has web, builder, deployer and janitor', () => {
    const entries = parseProcfile(readFileSync(`${projectRoot()}/Procfile`, 'utf8'));
    expect(entries.map(({ name }) => name)).toEqual(['web', 'builder', 'deployer', 'janitor']);
  });

  it.each([
    ['a line without a command', 'web: node x\nbuilder:', 'Procfile:2'],
    ['a name with a blank', 'my web: node x', 'Procfile:1'],
    ['a name given twice', 'web: a\nweb: b', 'Procfile:2'],
    ['no process at all', '# nothing', 'Procfile'],
    ['a quote that is not closed', "web: node 'x", 'Procfile:1'],
    ['a backslash at the end', 'web: node x\\', 'Procfile:1'],
  ])('refuses %s and names the place', (_, text, where) => {
    expect(() => parseProcfile(text)).toThrowError(
      expect.objectContaining({ code: 'invalid_config', where }),
    );
  });

  it.each(['a | b', 'a && b', 'a; b', 'a > b', 'a $HOME', 'a `b`', 'a *'])(
    'refuses what only a shell understands: %s',
    (command) => {
      expect(() => splitArguments(command)).toThrowError(/would need a shell/);
    },
  );

  it('takes the same characters inside quotes as they are', () => {
    expect(splitArguments(`a '$HOME | x' "b  c" d\\ e "f\\"g" ''`)).toEqual([
      'a',
      '$HOME | x',
      'b  c',
      'd e',
      'f"g',
      '',
    ]);
  });
});
