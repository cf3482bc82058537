/** A command line of a Procfile as what a container starts. No shell runs here: one that is needed runs in the container. Pure. */

/** Words without a character that means something to a shell. */
const PLAIN = /^[A-Za-z0-9_@%+=:,./\- \t]+$/;
/** sh(1): what a shell does itself, and no program of that name may be in an image. */
const SHELL_WORDS: ReadonlySet<string> = new Set(
  '. : alias break case cd command continue eval exec exit export for hash if read readonly return set shift source times trap type ulimit umask unalias unset until wait while'.split(
    ' ',
  ),
);

/** Plain words as they are, so that the app is process 1 and gets its signals; anything else by the image's own shell. */
export function commandArgv(command: string): readonly string[] {
  const words = command.split(/[ \t]+/).filter((word) => word !== '');
  const [program = ''] = words;
  const isPlain = PLAIN.test(command) && !program.includes('=') && !SHELL_WORDS.has(program);
  return isPlain ? words : ['/bin/sh', '-c', command];
}
