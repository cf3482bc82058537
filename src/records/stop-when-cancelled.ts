/** What a worker listens for while it has a deployment: that somebody cancels it, and that another worker has it now. */
import { SlipwayError } from '../errors.js';
import type { Logger } from '../log.js';
import type { Deployment } from '../model/deployment.js';
import type { Claim, DeploymentStore } from './deployments.js';

/**
 * Aborts `stop` with `cancelled`, or with what `lost` says when the deployment is no longer this worker's. Ends with
 * `until`; never rejects.
 */
export async function stopWhenCancelled(
  { store, log }: { readonly store: Pick<DeploymentStore, 'watch'>; readonly log: Logger },
  { app, id }: Pick<Deployment, 'app' | 'id'>,
  claim: Pick<Claim, 'token'>,
  { stop, until, lost }: { stop: AbortController; until: AbortSignal; lost: () => SlipwayError },
): Promise<void> {
  try {
    for await (const now of store.watch(app, id, until)) {
      // Whoever has it now also ends it, as cancelled if it must be.
      if (now.claim !== undefined && now.claim.token !== claim.token) stop.abort(lost());
      else if (now.cancelledBy !== undefined)
        stop.abort(new SlipwayError('cancelled', `cancelled by ${now.cancelledBy}`));
    }
  } catch (error) {
    // Its records were set aside with its app.
    log.debug({ err: error, app, id }, 'a deployment is not watched any more');
    stop.abort(lost());
  }
}
