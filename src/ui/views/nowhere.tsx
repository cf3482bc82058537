/** An address that shows nothing. */
import type { JSX } from 'preact';

export function Nowhere(): JSX.Element {
  return (
    <div class="page">
      <h1 tabIndex={-1}>There is nothing here</h1>
      <p>
        The address may be old, or mistyped. <a href="/">All apps</a>
      </p>
    </div>
  );
}
