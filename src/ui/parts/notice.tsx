/** What went wrong, and what to do next. */
import type { JSX } from 'preact';
import type { Fault } from '../api.js';

export function Notice({
  fault,
  onRetry,
}: {
  readonly fault: Fault;
  readonly onRetry?: (() => unknown) | undefined;
}): JSX.Element {
  return (
    <div class="notice bad" role="alert">
      <p>
        <strong>{sentence(fault.message)}</strong>
        {fault.hint !== undefined && <span class="hint"> {sentence(fault.hint)}</span>}
      </p>
      {onRetry !== undefined && (
        <button type="button" onClick={() => void onRetry()}>
          Try again
        </button>
      )}
    </div>
  );
}

/** Over what is shown all the same: it was true a moment ago. */
export function Stale({ fault }: { readonly fault: Fault | undefined }): JSX.Element | null {
  if (fault === undefined) return null;
  return (
    <p class="stale" role="status">
      Not up to date: {fault.message}. It is tried again.
    </p>
  );
}

function sentence(text: string): string {
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(first) ? first : `${first}.`;
}
