/** Which variables a word uses without a default: what expands to nothing when nobody set them. Pure. */
import type { EscapeCharacter } from '../syntax.js';

/** Single quotes and escapes hide a `$`; `${x:-default}` and its kin say themselves what an unset variable means. */
export function usedVariables(word: string, escapeCharacter: EscapeCharacter): readonly string[] {
  const used: string[] = [];
  let inDouble = false;
  for (let at = 0; at < word.length; at++) {
    const char = word.charAt(at);
    if (char === escapeCharacter) at++;
    else if (char === '"') inDouble = !inDouble;
    else if (char === "'" && !inDouble) {
      const end = word.indexOf("'", at + 1);
      if (end < 0) return used;
      at = end;
    } else if (char === '$') {
      const name = /^\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))/.exec(word.slice(at, at + 300));
      if (name !== null) used.push(name[1] ?? name[2] ?? '');
    }
  }
  return used;
}
