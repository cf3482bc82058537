/** Where a peer gives something else than we do, and why we think that we are right. */
import type { Peer } from './case.js';

export interface KnownDifference {
  readonly peer: Peer;
  /** `topic: name` of the cases. */
  readonly cases: RegExp;
  /** The difference's line, see `differences` in record.ts: the peer's side comes first. */
  readonly line: RegExp;
  readonly reason: string;
}

/** Of the peers in Debian 12: docker.io 20.10.24 and buildah 1.28.2. */
export const KNOWN_DIFFERENCES: readonly KnownDifference[] = [
  {
    peer: 'docker',
    cases: /^mounts: /,
    line: /^\/[\w/]+: directory 0755 0:0 ≠ as in the base$/,
    reason:
      'leaves the mount points of RUN --mount in the layer; newer BuildKit removes them (executor/stubs.go)',
  },
  {
    peer: 'docker',
    cases: /^stages: a target by its index$/,
    line: /^outcome: failed ≠ built$/,
    reason:
      'BuildKit wants a name (resolveTarget); buildah and the builder before it take the index, too, and so do we',
  },
  {
    peer: 'docker',
    cases: /^(stages: COPY --from |copy: a fifo|images: a copy of all special files)/,
    line: /^\/\S+: (file 0666|as in the base ≠ fifo)/,
    reason:
      'its copy makes an empty file of a device and leaves a fifo out; newer BuildKit and buildah keep both',
  },
  {
    peer: 'docker',
    cases: /^add: extended attributes /,
    line: /^\/(to|copy)\/f: file 0644 0:0 "x" ≠ file 0644 0:0 "x" user\.kind=/,
    reason:
      'writes no attribute but security.capability into a layer, as newer BuildKit (containerd archive/tar.go)',
  },
  {
    peer: 'docker',
    cases: /^copy-flags: --chmod with an octal mode$/,
    line: /^\/c: file 0711 .* ≠ file 4711 /,
    reason: 'loses setuid, setgid and sticky of --chmod; newer BuildKit and buildah set them',
  },
  {
    peer: 'docker',
    cases: /^copy-flags: --chmod (of a directory|does not touch links)/,
    line: /^\/(src|d): directory 0755 0:0 ≠ directory 0[67]0/,
    reason:
      'leaves the topmost directory out of --chmod; newer BuildKit gives the mode to all that it makes, as documented',
  },
  {
    peer: 'docker',
    cases: /./,
    line: /^history \d+: (COPY|ADD) .* ≠ (COPY|ADD) --/,
    reason: 'does not tell --chown and --chmod in the history; newer BuildKit does',
  },
  {
    peer: 'docker',
    cases: /./,
    line: /^history \d+: \(empty\) ARG [^≠]* ≠ \(empty\) ARG /,
    reason: 'tells the default of an ARG in the history; newer BuildKit the value that it has',
  },
  {
    peer: 'docker',
    cases: /./,
    line: /^history \d+: \(empty\) HEALTHCHECK /,
    reason: 'does not know --start-interval, which newer BuildKit prints, too',
  },
  {
    peer: 'docker',
    cases: /./,
    line: /^history \d+: \(empty\) EXPOSE map\[/,
    reason: 'prints the ports as a Go map; newer BuildKit as a sorted list',
  },
  ...both(
    /^add: --chown reaches what is unpacked$/,
    /^\/to\//,
    'do not apply --chown to what an archive holds; newer BuildKit does (file/unpack.go)',
  ),
  ...both(
    /^ignore: two stars but$/,
    /^\/c\/src(\/main\.go)?: as in the base ≠ /,
    'do not look for exceptions with wildcards below an ignored directory; newer ones do (moby/patternmatcher)',
  ),
  ...both(
    /^ignore: a bracket and a dot/,
    /^\/c\/x\(?y\)?\.txt: /,
    'hand parentheses of a pattern to their regular expressions; newer ones escape them',
  ),
  ...both(
    /^lexing: text after a JSON array/,
    /^(config Cmd: \["a"\]|history \d+: \(empty\) CMD \["a"\]) ≠ /,
    'ignore what follows the array; newer BuildKit takes the line for shell form, as documented',
  ),
  ...both(
    /^workdir-user: WORKDIR with a slash at its end$/,
    /^(config WorkingDir: |history \d+: WORKDIR )\/a\/ ≠ /,
    'keep the slash; newer BuildKit cleans the path (system.NormalizeWorkdir)',
  ),
  {
    peer: 'buildah',
    cases: /^lexing: (two escapes at the end|directive: backtick)/,
    line: /^(\/out|config Env): /,
    reason:
      'joins lines at two backslashes, and takes the backslash for an escape whatever the directive says',
  },
  {
    peer: 'buildah',
    cases: /^args-env: ARG (given )?after ENV/,
    line: /"?a"?[=:]"?env/,
    reason: 'ENV stays above a later ARG; in BuildKit the later one wins while building',
  },
  {
    peer: 'buildah',
    cases: /^args-env: a stage inherits ARGs/,
    line: /^\/out: /,
    reason: 'a stage does not inherit the ARGs of its parent stage',
  },
  {
    peer: 'buildah',
    cases: /./,
    line: /^config WorkingDir: as in the base ≠ \/$/,
    reason: 'BuildKit writes the directory / into an image from scratch, buildah nothing',
  },
  {
    peer: 'buildah',
    cases: /^copy: an escaped bracket/,
    line: /^outcome: failed ≠ built$/,
    reason: 'looks a name up again as a pattern',
  },
  {
    peer: 'buildah',
    cases: /^copy: modes are kept$/,
    line: /^\/to\/setuid: /,
    reason: 'loses setuid of a file of the context',
  },
  {
    peer: 'buildah',
    cases: /^copy: a file over a link to a file/,
    line: /^\/(link|real): /,
    reason: 'replaces the link, BuildKit its target',
  },
  {
    peer: 'buildah',
    cases: /^add: a tar whose entries begin with a dot$/,
    line: /^\/to: directory 0700/,
    reason: 'gives the destination the mode of the entry "."',
  },
  {
    peer: 'buildah',
    cases: /^(run: SHELL|metadata: SHELL|images: a base with the media types)/,
    line: /^config (Cmd|Entrypoint): \["\/bin\/sh","-c",/,
    reason: 'wraps CMD and ENTRYPOINT by /bin/sh -c whatever SHELL says',
  },
  {
    peer: 'buildah',
    cases: /./,
    line: /^\/(v|vol|a|c d|e|vdir): directory 0755 \S+ ≠ as in the base$/,
    reason: 'makes the directories of volumes in the image; BuildKit leaves that to who runs it',
  },
  {
    peer: 'buildah',
    cases: /^run: a device$/,
    line: /^outcome: failed ≠ built$/,
    reason: 'isolation by chroot has no CAP_MKNOD',
  },
  {
    peer: 'buildah',
    cases: /^metadata: EXPOSE: /,
    line: /^config ExposedPorts: /,
    reason: 'keeps ranges and the case of protocols as written',
  },
  {
    peer: 'buildah',
    cases: /^errors: (no FROM first|ENV with an empty name|several sources|EXPOSE of )/,
    line: /^outcome: built ≠ failed$/,
    reason: 'takes what BuildKit refuses, or the documentation calls an error',
  },
  {
    peer: 'docker',
    cases: /^errors: a mode that is none$/,
    line: /^outcome: built ≠ failed$/,
    reason: 'ignores a --chmod that it cannot read; newer BuildKit refuses it',
  },
];

function both(cases: RegExp, line: RegExp, reason: string): KnownDifference[] {
  return (['docker', 'buildah'] as const).map((peer) => ({ peer, cases, line, reason }));
}

export function explanation(peer: Peer, name: string, line: string): KnownDifference | undefined {
  return KNOWN_DIFFERENCES.find(
    (known) => known.peer === peer && known.cases.test(name) && known.line.test(line),
  );
}
