/** What must be refused. Each names the line. */
import { type Case, type FileSpec, NO_PEER, type Topic } from '../case.js';

const refuse = (
  name: string,
  dockerfile: string,
  code: string,
  message: RegExp,
  more: Partial<Case> & { files?: Readonly<Record<string, FileSpec>> } = {},
): Case => ({ name, dockerfile, fails: { code, message }, ...more });
const FROM = 'FROM REGISTRY/busybox\n';

export const ERRORS: Topic = {
  topic: 'errors',
  cases: [
    refuse('an empty Dockerfile', '', 'dockerfile_invalid', /empty|no /i),
    refuse('only comments', '# nothing\n', 'dockerfile_invalid', /empty|no /i),
    refuse('no FROM first', 'RUN true\nFROM REGISTRY/busybox\n', 'dockerfile_invalid', /FROM/),
    refuse('an unknown instruction', `${FROM}RUNN true\n`, 'dockerfile_invalid', /RUNN/),
    refuse('an unknown flag', `${FROM}COPY --chwon=1 f /\n`, 'dockerfile_invalid', /chwon/, {
      files: { f: 'x' },
    }),
    refuse('a flag whose value is a word apart', `${FROM}COPY --from x f /\n`, 'dockerfile_invalid', /from/, {
      files: { f: 'x' },
    }),
    refuse('ENV without a value', `${FROM}ENV a\n`, 'dockerfile_invalid', /ENV/),
    refuse('ENV of two forms at once', `${FROM}ENV a=1 b\n`, 'dockerfile_invalid', /b/),
    refuse('ENV with an empty name', `${FROM}ENV =x\n`, 'dockerfile_invalid', /ENV|name|blank/),
    refuse('COPY with one word', `${FROM}COPY f\n`, 'dockerfile_invalid', /COPY/, { files: { f: 'x' } }),
    refuse('a source that is not there', `${FROM}COPY nothing /x\n`, 'source_missing', /nothing/),
    refuse('several sources without a slash', `${FROM}COPY a b /to\n`, 'dockerfile_invalid', /directory/, {
      files: { a: '1', b: '2' },
      peers: ['buildah'],
    }),
    refuse('a file over a directory', `${FROM}RUN mkdir -p /to/f\nCOPY f /to/\n`, 'context_invalid', /f/, {
      files: { f: 'x' },
      peers: ['docker'],
    }),
    refuse('a directory over a file', `${FROM}RUN touch /to\nCOPY d /to\n`, 'context_invalid', /to/, {
      files: { 'd/f': 'x' },
    }),
    refuse(
      'a directory below over a file',
      `${FROM}RUN mkdir /to && touch /to/sub\nCOPY d /to\n`,
      'context_invalid',
      /sub/,
      { files: { 'd/sub/f': 'x' }, peers: ['docker'] },
    ),
    refuse(
      'COPY --from a later stage',
      'FROM REGISTRY/busybox AS one\nCOPY --from=two /f /\nFROM REGISTRY/busybox AS two\nRUN touch /f\n',
      'dockerfile_invalid',
      /two/,
      { options: { target: 'one' }, peers: ['docker'] },
    ),
    refuse(
      'COPY --from with a variable',
      `ARG x=one\n${FROM}COPY --from=$x /f /\n`,
      'dockerfile_invalid',
      /variable|\$x/i,
    ),
    refuse(
      'COPY --from an index that is not there',
      `${FROM}COPY --from=5 /f /\n`,
      'dockerfile_invalid',
      /5/,
      { peers: ['docker'] },
    ),
    refuse(
      'COPY --from itself',
      'FROM REGISTRY/busybox AS one\nCOPY --from=one /bin/sh /x\n',
      'dockerfile_invalid',
      /one/,
      { peers: ['docker'] },
    ),
    refuse('a target that is not there', `${FROM}\n`, 'dockerfile_invalid', /nosuch/, {
      options: { target: 'nosuch' },
    }),
    refuse('a command that fails', `${FROM}RUN exit 3\n`, 'step_failed', /3/),
    refuse('a program that is not there', `${FROM}RUN ["/nosuch"]\n`, 'step_failed', /nosuch/),
    refuse('a bad stage name', 'FROM REGISTRY/busybox AS 1one\n', 'dockerfile_invalid', /1one/, {
      peers: ['docker'],
    }),
    refuse('FROM with too many words', 'FROM REGISTRY/busybox one two three\n', 'dockerfile_invalid', /FROM/),
    refuse('FROM an empty variable', 'ARG none\nFROM $none\n', 'dockerfile_invalid', /none|empty|blank/),
    refuse('an image that is not there', 'FROM REGISTRY/nosuch\n', 'base_image_missing', /nosuch/),
    refuse('EXPOSE of no port', `${FROM}EXPOSE abc\n`, 'dockerfile_invalid', /abc/),
    refuse('EXPOSE of a port too high', `${FROM}EXPOSE 70000\n`, 'dockerfile_invalid', /70000/),
    refuse('STOPSIGNAL of no signal', `${FROM}STOPSIGNAL SIGNOSUCH\n`, 'dockerfile_invalid', /SIGNOSUCH/, {
      peers: ['docker'],
    }),
    refuse('SHELL in shell form', `${FROM}SHELL /bin/sh -c\n`, 'dockerfile_invalid', /SHELL|JSON/),
    refuse(
      'HEALTHCHECK of an unknown kind',
      `${FROM}HEALTHCHECK MAYBE true\n`,
      'dockerfile_invalid',
      /MAYBE/,
    ),
    refuse(
      'HEALTHCHECK with a bad duration',
      `${FROM}HEALTHCHECK --interval=soon CMD true\n`,
      'dockerfile_invalid',
      /soon/,
    ),
    refuse(
      'the escape directive twice',
      '# escape=`\n# escape=`\nFROM REGISTRY/busybox\n',
      'dockerfile_invalid',
      /escape/,
    ),
    refuse('an escape that is none', '# escape=x\nFROM REGISTRY/busybox\n', 'dockerfile_invalid', /escape/),
    refuse('a bad pattern in .dockerignore', `${FROM}COPY . /x\n`, 'dockerfile_invalid', /\[/, {
      files: { '.dockerignore': 'a[\n', f: 'x' },
      peers: ['docker'],
    }),
    refuse('a heredoc without its end', `${FROM}RUN <<EOF\necho\n`, 'dockerfile_invalid', /EOF/, {
      peers: NO_PEER,
    }),
    refuse('an array of JSON with a number', `${FROM}CMD ["a", 1]\n`, 'dockerfile_invalid', /string/i, {
      peers: ['docker'],
    }),
    refuse('a mode that is none', `${FROM}COPY --chmod=rwx f /\n`, 'dockerfile_invalid', /rwx|mode/, {
      files: { f: 'x' },
    }),
    refuse(
      'an --device is refused clearly',
      `${FROM}RUN --device=vendor.com/x=y true\n`,
      'dockerfile_unsupported',
      /device/,
      { peers: NO_PEER },
    ),
    refuse(
      'insecure is refused unless allowed',
      `${FROM}RUN --security=insecure true\n`,
      'not_allowed',
      /insecure/,
      { peers: NO_PEER },
    ),
    refuse(
      'ADD --checksum of a file that is not remote',
      `${FROM}ADD --checksum=sha256:${'0'.repeat(64)} f /\n`,
      'dockerfile_invalid',
      /checksum/,
      { peers: NO_PEER, files: { f: 'x' } },
    ),
  ],
};
