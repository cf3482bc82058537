/** The Dockerfiles of the cases. */

/** As most are: dependencies by the manifest first, then all the rest. The second RUN sees every file. */
export function appDockerfile(base: string): string {
  return [
    `FROM ${base}`,
    'WORKDIR /app',
    'COPY package.json ./',
    'RUN sha256sum package.json > dependencies.lock',
    'COPY . .',
    'RUN find src -type f | wc -l > files.count',
    'CMD ["cat", "files.count"]',
    '',
  ].join('\n');
}

export function runsDockerfile(base: string, runs: number): string {
  return [`FROM ${base}`, ...Array.from({ length: runs }, () => 'RUN true'), ''].join('\n');
}

export function writingDockerfile(base: string, seed: number, megabytes: number): string {
  return [`FROM ${base}`, `RUN mixed ${seed} /data ${megabytes}`, ''].join('\n');
}

/** Three stages that need nothing of each other, and one that needs them all. */
export function stagesDockerfile(base: string, seed: number): string {
  const work = (stage: string, files: string): string[] => [
    `FROM ${base} AS ${stage}`,
    `RUN mkdir /made && for file in ${files}; do sha256sum "$file"; done > /made/${stage}.sums && gzip -c ${files} | tail -c 100000 > /made/${stage}.${seed}`,
  ];
  return [
    ...work('one', '/opt-0/file-?00'),
    ...work('two', '/opt-1/file-?00'),
    ...work('three', '/opt-2/file-?00'),
    `FROM ${base}`,
    ...['one', 'two', 'three'].map((stage) => `COPY --from=${stage} /made/ /made/`),
    '',
  ].join('\n');
}

export function layersDockerfile(base: string, layers: number, seed: number): string {
  const runs = Array.from({ length: layers }, (_, index) => `RUN echo ${seed} > /layer-${index}`);
  return [`FROM ${base}`, ...runs, ''].join('\n');
}

/** Serves `src/site`. */
export function pushDockerfile(base: string, runAfterCopy: boolean): string {
  return [
    `FROM ${base}`,
    'WORKDIR /app',
    'COPY package.json ./',
    'RUN sha256sum package.json > dependencies.lock',
    'COPY src src/',
    ...(runAfterCopy ? ['RUN find src -type f | wc -l > files.count'] : []),
    'EXPOSE 8080',
    'CMD ["sh", "src/serve.sh"]',
    '',
  ].join('\n');
}
