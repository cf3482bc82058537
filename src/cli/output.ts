/** What the CLI prints: results to stdout, everything else to stderr; tables for people, JSON for programs. */
export interface OutputStreams {
  readonly out: NodeJS.WritableStream;
  readonly err: NodeJS.WritableStream;
}

export class Output {
  readonly json: boolean;
  readonly #streams: OutputStreams;

  constructor(json: boolean, streams: OutputStreams) {
    this.json = json;
    this.#streams = streams;
  }

  /** The result of the command: the value with `--json`, else the lines. */
  result(value: unknown, lines: readonly string[]): void {
    if (this.json) this.#streams.out.write(`${JSON.stringify(value, null, 2)}\n`);
    else for (const line of lines) this.#streams.out.write(`${line}\n`);
  }

  /** A log's bytes, as they are; to stderr with `--json`, where stdout is the result's. */
  bytes(data: Uint8Array): void {
    (this.json ? this.#streams.err : this.#streams.out).write(data);
  }

  note(line: string): void {
    this.#streams.err.write(`${line}\n`);
  }

  /** As ` !     ` lines: what went wrong, then what to do next. */
  problem(lines: readonly string[]): void {
    for (const line of lines) this.#streams.err.write(` !     ${line}\n`);
  }
}

/** Columns as wide as their widest cell; the last one is not padded. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  return all.map((row) =>
    row
      .map((cell, column) => (column === head.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}

/** `2026-11-21T04:12:21.000Z` → `2026-11-21 04:12:21`. */
export function shortTime(iso: string | undefined): string {
  return iso === undefined ? '' : iso.slice(0, 19).replace('T', ' ');
}
