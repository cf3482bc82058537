// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the variables of a Dockerfile
/** Heredocs are of Dockerfile 1.4: both peers are older. The expectations are from the Dockerfile reference. */
import { type Case, directory, file, NO_PEER, type Topic } from '../case.js';

const SOURCE = 'Dockerfile reference, "Here-Documents"';
const make = (
  name: string,
  dockerfile: string,
  files: Record<string, string | null>,
  more: Partial<Case> = {},
): Case => ({
  name,
  dockerfile: `FROM REGISTRY/busybox\n${dockerfile}`,
  peers: NO_PEER,
  expect: { source: SOURCE, files },
  ...more,
});

export const HEREDOCS: Topic = {
  topic: 'heredocs',
  cases: [
    make('RUN: the body is a script', 'RUN <<EOF\necho one > /out\necho "two $0" >> /out\nEOF\n', {
      '/out': file('one\ntwo /bin/sh\n'),
    }),
    make(
      'RUN: variables are left to the shell',
      'ARG a=arg\nENV e=env\nRUN <<EOF\nx=shell\necho "$a $e $x" > /out\nEOF\n',
      {
        '/out': file('arg env shell\n'),
      },
    ),
    make(
      'RUN: a quoted word changes nothing for a script',
      'ENV e=env\nRUN <<"EOF"\necho "$e" > /out\nEOF\n',
      {
        '/out': file('env\n'),
      },
    ),
    make(
      'RUN: a script with an interpreter line',
      'RUN <<EOF\n#!/bin/awk -f\nBEGIN { print "awk" > "/out" }\nEOF\n',
      {
        '/out': file('awk\n'),
      },
    ),
    make('RUN: into the stdin of a command', 'RUN cat <<EOF > /out\nline $((1+1))\nEOF\n', {
      '/out': file('line 2\n'),
    }),
    make('RUN: quoted, into the stdin of a command', "RUN cat <<'EOF' > /out\n$HOME `x`\nEOF\n", {
      '/out': file('$HOME `x`\n'),
    }),
    make('RUN: two in a line', 'RUN cat <<A > /a && cat <<B > /b\none\nA\ntwo\nB\n', {
      '/a': file('one\n'),
      '/b': file('two\n'),
    }),
    make('RUN: with another program as the shell', 'RUN <<"EOF" sh -s x\necho "$1" > /out\nEOF\n', {
      '/out': file('x\n'),
    }),
    make(
      'RUN: a dash strips leading tabs of body and end',
      'RUN <<-EOF\n\t\tcat > /out <<X\n  \tkept\n\tX\n\tEOF\n',
      {
        '/out': file('  \tkept\n'),
      },
    ),
    make(
      'RUN: with another SHELL',
      'SHELL ["/bin/sh", "-ec"]\nRUN <<EOF\nfalse | true\necho "$-" | grep -q e && echo ok > /out\nEOF\n',
      {
        '/out': file('ok\n'),
      },
    ),
    make('COPY: a file with its name', 'COPY <<hello.txt /dir/\nhello\nworld\nhello.txt\n', {
      '/dir': directory(),
      '/dir/hello.txt': file('hello\nworld\n'),
    }),
    make('COPY: to a path', 'COPY <<EOF /out\nx\nEOF\n', { '/out': file('x\n') }),
    make(
      'COPY: variables expand, quotes stay',
      'ARG who=me\nCOPY <<EOF /out\n"hi" \'$who\' ${who:-x} \\$who\nEOF\n',
      {
        '/out': file('"hi" \'me\' me $who\n'),
      },
    ),
    make('COPY: a quoted word stops the expansion', "ARG who=me\nCOPY <<'EOF' /out\n$who \\$who\nEOF\n", {
      '/out': file('$who \\$who\n'),
    }),
    make('COPY: a part of the word quoted stops it, too', 'ARG who=me\nCOPY <<E"O"F /out\n$who\nEOF\n', {
      '/out': file('$who\n'),
    }),
    make('COPY: a dash strips tabs, not blanks', 'COPY <<-EOF /out\n\t\ttabs\n  blanks\n \tmixed\n\tEOF\n', {
      '/out': file('tabs\n  blanks\n \tmixed\n'),
    }),
    make('COPY: several in a line', 'COPY <<one <<two /d/\n1\none\n2\ntwo\n', {
      '/d': directory(),
      '/d/one': file('1\n'),
      '/d/two': file('2\n'),
    }),
    make(
      'COPY: together with a file',
      'COPY real <<made /d/\nm\nmade\n',
      { '/d': directory(), '/d/made': file('m\n'), '/d/real': file('r') },
      {
        files: { real: 'r' },
      },
    ),
    make('COPY: an empty body', 'COPY <<EOF /out\nEOF\n', { '/out': file('') }),
    make('COPY: owner and mode', 'COPY --chown=1000:50 --chmod=0700 <<EOF /out\nx\nEOF\n', {
      '/out': file('x\n', '0700', '1000:50'),
    }),
    make(
      'COPY: comments and instructions in a body are text',
      'COPY <<EOF /out\n# no comment\nRUN false\n\n  indented\nEOF\n',
      {
        '/out': file('# no comment\nRUN false\n\n  indented\n'),
      },
    ),
    make('COPY: a backslash at the end of a line escapes the line end', 'COPY <<EOF /out\na \\\nb\nEOF\n', {
      '/out': file('a \nb\n'),
    }),
    make(
      'COPY: a backslash at the end of a line is text behind a quoted word',
      'COPY <<"EOF" /out\na \\\nb\nEOF\n',
      { '/out': file('a \\\nb\n') },
    ),
    make(
      'COPY: the end of a body is found after a line with a backslash at its end',
      'COPY <<EOF /out\na \\\nEOF\nRUN echo next > /next\n',
      { '/out': file('a \n'), '/next': file('next\n') },
    ),
    make(
      'RUN: a backslash at the end of a line is left to the shell',
      'RUN cat <<EOF > /a && cat <<"END" > /b\none \\\ntwo\nEOF\none \\\ntwo\nEND\nRUN <<EOF\necho one \\\n two > /c\nEOF\n',
      { '/a': file('one two\n'), '/b': file('one \\\ntwo\n'), '/c': file('one two\n') },
    ),
    make('COPY: carriage returns in a body stay', 'COPY <<EOF /out\r\na\r\nb\nEOF\r\n', {
      '/out': file('a\r\nb\n'),
    }),
    make('ADD: a file', 'ADD <<EOF /out\nx\nEOF\n', { '/out': file('x\n') }),
    make(
      'a blank between the arrows and the word',
      'COPY << EOF /out\nx\nEOF\n',
      { '/out': file('x\n') },
      {
        expect: {
          source: 'BuildKit 0.22: heredoc regex `<<(-?)\\s*([^<]*)`',
          files: { '/out': file('x\n') },
        },
      },
    ),
    make('a heredoc of a shell in a continued line', 'RUN echo a \\\n && cat <<EOF > /out\nx\nEOF\n', {
      '/out': file('x\n'),
    }),
    make('three arrows are not a heredoc', 'RUN echo "<<<EOF" > /out\n', { '/out': file('<<<EOF\n') }),
    make('JSON form has no heredocs', 'RUN ["sh", "-c", "echo \'<<EOF\' > /out"]\n', {
      '/out': file('<<EOF\n'),
    }),
  ],
};
