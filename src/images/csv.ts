/** One record of CSV (RFC 4180), as docker writes the values of options: `type=oci,"dest=a,b.tar"`. Pure. */

/** The fields of a record; undefined when a quote stands where none may. A quoted field may hold commas. */
export function csvFields(record: string): readonly string[] | undefined {
  const fields: string[] = [];
  for (let rest = record; ; ) {
    const quoted = /^"((?:[^"]|"")*)"(?:,|$)/.exec(rest);
    const found = quoted ?? /^([^",]*)(?:,|$)/.exec(rest);
    if (found === null) return undefined;
    const field = found[1] ?? '';
    fields.push(quoted === null ? field : field.replaceAll('""', '"'));
    rest = rest.slice(found[0].length);
    if (!found[0].endsWith(',')) return fields;
  }
}
