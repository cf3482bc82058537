/** One record of comma-separated values, as Go's encoding/csv reads it: `--mount` and the options of docker are written so. Pure. */

/** The fields; a string says what is wrong with the text. */
export function csvFields(text: string): readonly string[] | string {
  const fields: string[] = [];
  for (let at = 0; ; ) {
    if (text[at] !== '"') {
      const comma = text.indexOf(',', at);
      const field = text.slice(at, comma < 0 ? undefined : comma);
      if (field.includes('"')) return `a quote stands inside the field ${JSON.stringify(field.slice(0, 40))}`;
      fields.push(field);
      if (comma < 0) return fields;
      at = comma + 1;
      continue;
    }
    let field = '';
    for (at++; ; ) {
      const quote = text.indexOf('"', at);
      if (quote < 0) return 'a closing quote is missing';
      field += text.slice(at, quote);
      at = quote + 1;
      // A doubled quote is one that is meant.
      if (text[at] !== '"') break;
      field += '"';
      at++;
    }
    fields.push(field);
    if (at >= text.length) return fields;
    if (text[at] !== ',') return 'something follows a closing quote';
    at++;
  }
}
