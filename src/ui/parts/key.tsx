/** Beside a field: the key that leads there. The list of all keys says it to who cannot see it. */
import type { JSX } from 'preact';

export function Key({ children }: { readonly children: string }): JSX.Element {
  return (
    <span class="key" aria-hidden="true">
      {children}
    </span>
  );
}
