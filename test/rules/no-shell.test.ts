/** Invariant 8: no shell ever parses user bytes on the control plane. */
import { describe, expect, it } from 'vitest';
import { codeLines, readSources, type Sources } from './sources.js';

const RULES: readonly { readonly why: string; readonly pattern: RegExp }[] = [
  {
    why: 'a shell is asked for',
    pattern: /\bshell\s*:\s*(?!false\b|readonly\b|string\b)(?:true\b|['"`]|process\.)/,
  },
  {
    why: 'exec() hands its text to a shell',
    pattern: /(?:\{[^}]*(?<!\.)|[\w$]*child_?[pP]rocess\w*\.)\b(?:exec|execSync)\b(?=[^;]*child_process|\()/,
  },
  { why: 'execSync() hands its text to a shell', pattern: /\bexecSync\s*\(/ },
  {
    why: 'a shell is the program',
    pattern:
      /\b(?:spawn|spawnSync|execFile|execFileSync|run)\(\s*['"`](?:\/(?:usr\/)?bin\/)?(?:ba|da|z|k|a)?sh['"`]/,
  },
  {
    why: 'a shell gets a command line',
    pattern: /['"`](?:\/(?:usr\/)?bin\/)?(?:ba|da|z|k|a)?sh['"`]\s*,\s*['"`]-\w*c/,
  },
];

/** Where a shell is named because one runs inside the user's container, as the Dockerfile reference has it. */
const IN_THE_CONTAINER: Readonly<Record<string, string>> = {
  'src/dockerfile/run-step.ts': 'the default SHELL of RUN',
  'src/dockerfile/instructions.ts': 'how SHELL is written, for an error',
  'deploy/targets/documents.ts': 'HEALTHCHECK CMD in shell form',
  'src/procfile/command.ts': 'a command of a Procfile that is more than plain words',
};

function shellFaults(sources: Sources): string[] {
  return [...sources].flatMap(([path, text]) =>
    codeLines(text).flatMap((line, index) =>
      RULES.filter(({ pattern }) => pattern.test(line)).map(
        ({ why }) => `${path}:${index + 1} ${why}: ${line.trim()}`,
      ),
    ),
  );
}

const project = readSources(['native', 'client', 'src', 'deploy', 'workers', 'platform']);

describe('no shell', () => {
  it('is started by the control plane', () => {
    const faults = shellFaults(project).filter((fault) => !(fault.split(':')[0]! in IN_THE_CONTAINER));
    expect(faults).toEqual([]);
  });

  it('is named elsewhere for what runs inside a container, once in each file', () => {
    for (const path of Object.keys(IN_THE_CONTAINER)) {
      const text = project.get(path);
      if (text === undefined) throw new Error(`${path} is gone: take it from the list`);
      expect(shellFaults(new Map([[path, text]]))).toHaveLength(1);
      expect(text).not.toContain('child_process');
    }
  });

  // biome-ignore-start lint/suspicious/noTemplateCurlyInString: these are lines of code
  it.each([
    "spawn('git', args, { shell: true });",
    "spawn('git', args, { shell: '/bin/bash' });",
    'spawn(command, { shell: process.env.SHELL });',
    "import { exec } from 'node:child_process';",
    "import { execFile, exec } from 'node:child_process';",
    "const { execSync } = require('node:child_process');",
    'childProcess.exec(`git ${ref}`);',
    'execSync(`git ${ref}`);',
    "spawn('sh', [script]);",
    "execFile('/bin/bash', ['-c', text]);",
    "run('bash', args);",
    "const argv = ['sh', '-c', text];",
    "const argv = ['/bin/sh', '-ec', text];",
  ])('is noticed: %s', (line) => {
    expect(shellFaults(new Map([['src/a.ts', line]])).length).toBeGreaterThan(0);
  });

  // biome-ignore-end lint/suspicious/noTemplateCurlyInString: these are lines of code

  it.each([
    "spawn('git', ['push'], { shell: false });",
    "import { execFile } from 'node:child_process';",
    'const match = /x/.exec(text);',
    'pattern.exec(line)?.[1]',
    'const match = /[{](.*)/.exec(text);',
    '// never `sh -c`, never exec(',
    "const name = 'sh';",
    'readonly shell: readonly string[];',
  ])('is not seen where none is: %s', (line) => {
    expect(shellFaults(new Map([['src/a.ts', line]]))).toEqual([]);
  });
});
