/** A view of what the API answers: as soon as it is there, and as it was when it cannot be made fresh. */
import type { ComponentChildren, JSX } from 'preact';
import type { Resource } from '../resource.js';
import { Notice, Stale } from './notice.js';

/** Nothing is shown while it is waited for the first time: that takes milliseconds, and a flicker would be all there is to see. */
export function Loaded<T>({
  from,
  children,
}: {
  readonly from: Resource<T>;
  readonly children: (data: T) => ComponentChildren;
}): JSX.Element | null {
  if (from.data !== undefined)
    return (
      <>
        <Stale fault={from.fault} />
        {children(from.data)}
      </>
    );
  return from.fault === undefined ? null : <Notice fault={from.fault} onRetry={from.refresh} />;
}
