/** A text in one line, for tables, log lines and messages. Pure. */

/** Blanks and line ends that follow each other become one blank; what is longer than `maxChars` ends with `…`. */
export function oneLine(text: string, maxChars: number = Number.POSITIVE_INFINITY): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length > maxChars ? `${line.slice(0, maxChars - 1)}…` : line;
}
