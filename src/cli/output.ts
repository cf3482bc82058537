/** What the CLI prints: results to stdout, everything else to stderr; tables for people, JSON for programs. */
export interface OutputStreams {
  readonly out: NodeJS.WritableStream;
  readonly err: NodeJS.WritableStream;
}

export class Output {
  readonly json: boolean;
  readonly streams: OutputStreams;

  constructor(json: boolean, streams: OutputStreams) {
    this.json = json;
    this.streams = streams;
  }

  /** The result of the command: the value with `--json`, else the lines. */
  result(value: unknown, lines: readonly string[]): void {
    if (this.json) this.streams.out.write(`${JSON.stringify(value, null, 2)}\n`);
    else for (const line of lines) this.streams.out.write(`${line}\n`);
  }

  /** One of many results that come over time: with `--json` one line each. */
  item(value: unknown, line: string): void {
    this.streams.out.write(this.json ? `${JSON.stringify(value)}\n` : `${line}\n`);
  }

  /** A log's bytes, as they are; to stderr with `--json`, where stdout is the result's. */
  bytes(data: Uint8Array): void {
    (this.json ? this.streams.err : this.streams.out).write(data);
  }

  note(line: string): void {
    this.streams.err.write(`${printable(line)}\n`);
  }

  /** As ` !     ` lines: what went wrong, then what to do next. */
  problem(lines: readonly string[]): void {
    for (const line of lines.flatMap((text) => text.split('\n')))
      this.streams.err.write(` !     ${printable(line)}\n`);
  }
}

/** Text of others as one line: what a terminal would obey becomes a blank. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ');
}

/** Columns as wide as their widest cell; the last one is not padded. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const all = [head, ...rows.map((row) => row.map(printable))];
  const widths = head.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  return all.map((row) =>
    row
      .map((cell, column) => (column === head.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}

/** `2026-11-21T04:12:21.000Z` → `2026-11-21 04:12:21Z`. */
export function shortTime(iso: string | undefined): string {
  return iso === undefined ? '' : `${iso.slice(0, 19).replace('T', ' ')}Z`;
}
