/** Layers: removals, replacements, renames, links over several steps. */
import type { Case, Topic } from '../case.js';

const run = (name: string, ...lines: string[]): Case => ({
  name,
  dockerfile: ['FROM REGISTRY/rich', 'USER root', ...lines, ''].join('\n'),
  files: { f: 'x', 'd/f': 'y', 'd/g': 'z' },
});

export const LAYERS: Topic = {
  topic: 'layers',
  cases: [
    run('a file of the base is removed', 'RUN rm /data/owned'),
    run('a directory of the base is removed', 'RUN rm -r /data/dir'),
    run(
      'a directory is removed and made again',
      'RUN rm -r /data/dir && mkdir /data/dir && touch /data/dir/new',
    ),
    run(
      'a directory is removed in one step and made in the next',
      'RUN rm -r /data/dir',
      'RUN mkdir /data/dir && touch /data/dir/new',
    ),
    run('a directory is replaced by a file', 'RUN rm -r /data/dir && echo x > /data/dir'),
    run(
      'a file is replaced by a directory',
      'RUN rm /data/owned && mkdir /data/owned && touch /data/owned/x',
    ),
    run(
      'a link is replaced by a directory',
      'RUN rm /data/dirlink && mkdir /data/dirlink && touch /data/dirlink/x',
    ),
    run('a directory is replaced by a link', 'RUN mv /data/dir /data/moved && ln -s moved /data/dir'),
    run('a directory of the base is renamed', 'RUN mv /data/dir /data/renamed'),
    run('a file of the base is renamed', 'RUN mv /data/owned /data/renamed'),
    run('two files change places', 'RUN cd /data && mv owned t && mv setuid owned && mv t setuid'),
    run('one of two hard links of the base is written', 'RUN echo more >> /data/file'),
    run('one of two hard links of the base is removed', 'RUN rm /data/hard'),
    run('a hard link to a file of the base', 'RUN ln /data/owned /data/second'),
    run('hard links that one step made', 'RUN mkdir /h && echo x > /h/a && ln /h/a /h/b && ln /h/a /h/c'),
    run('hard links over two steps', 'RUN mkdir /h && echo x > /h/a', 'RUN ln /h/a /h/b'),
    run(
      'what one step made the next removes',
      'RUN mkdir /n && touch /n/a /n/b',
      'RUN rm /n/a',
      'RUN rm -r /n',
    ),
    run(
      'removed, made and removed again',
      'RUN rm /data/owned',
      'RUN echo 1 > /data/owned',
      'RUN rm /data/owned',
      'RUN echo 2 > /data/owned',
    ),
    run('COPY over what RUN removed', 'RUN rm -r /data/dir', 'COPY d /data/dir'),
    run('a file made and removed in one step', 'RUN touch /t && rm /t'),
    run('a whole tree is removed', 'WORKDIR /', 'RUN rm -r /data', 'RUN test ! -e /data && echo gone > /out'),
    run('the capability of a file is kept when it is moved', 'RUN mv /data/capable /capable'),
    run('a change of owner drops setuid', 'RUN chown 1:1 /data/setuid'),
    run('special files of the base are kept and moved', 'RUN mv /data/pipe /pipe && mv /data/null /null'),
    run('a sticky directory is kept when something is made in it', 'RUN touch /data/sticky/f'),
    run(
      'a directory whose mode changes back and forth',
      'RUN chmod 700 /data/dir',
      'RUN chmod 750 /data/dir',
    ),
    run(
      'twenty steps over one file',
      ...Array.from({ length: 20 }, (_, index) => `RUN echo ${index} >> /count`),
    ),
    run('a file is emptied', 'RUN : > /data/owned'),
    run('names like those of whiteouts at a later place', 'RUN touch "/data/x.wh.y" "/data/wh."'),
  ],
};
