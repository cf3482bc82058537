/** Going back to a release: a button, and before anything is done, all that will change. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { BuildView, ReleaseView } from '../../api/views.js';
import type { ReleaseDiff } from '../../model/release-diff.js';
import { ask, type Fault, toFault } from '../api.js';
import { Dialog } from '../parts/dialog.js';
import { Diff } from '../parts/diff.js';
import { Loaded } from '../parts/loaded.js';
import { Notice } from '../parts/notice.js';
import { useResource } from '../resource.js';
import { go } from '../router.js';
import { apiPath, buildPath } from '../routes.js';

interface RollbackProps {
  readonly app: string;
  readonly target: ReleaseView;
  readonly live: ReleaseView;
}

export function RollbackButton({ app, target, live }: RollbackProps): JSX.Element {
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <button type="button" onClick={() => setOpen(true)}>
        Roll back to {target.version}…
      </button>
      {isOpen && <Question app={app} target={target} live={live} onClose={() => setOpen(false)} />}
    </>
  );
}

function Question({
  app,
  target,
  live,
  onClose,
}: RollbackProps & { readonly onClose: () => void }): JSX.Element {
  const diff = useResource<ReleaseDiff>(
    apiPath(app, `/releases/${target.version}/diff?from=${live.version}`),
  );
  const [fault, setFault] = useState<Fault>();
  const [isAsking, setAsking] = useState(false);
  const rollBack = async (): Promise<void> => {
    setAsking(true);
    try {
      const { id } = await ask<BuildView>(apiPath(app, '/rollback'), {
        method: 'POST',
        body: { release: target.version },
      });
      go(buildPath(app, id));
    } catch (thrown) {
      setFault(toFault(thrown));
      setAsking(false);
    }
  };
  return (
    <Dialog title={`Roll ${app} back to ${target.version}?`} onClose={onClose}>
      <p>
        It becomes a new release with the image, config, scale and limits of {target.version}, without a
        build. {live.version} serves until it has passed its checks. Against what is live, this changes:
      </p>
      <Loaded from={diff}>{(found) => <Diff diff={found} />}</Loaded>
      {fault !== undefined && <Notice fault={fault} />}
      <div class="actions">
        <button
          type="button"
          class="main"
          disabled={isAsking || diff.data === undefined}
          onClick={() => void rollBack()}
        >
          Roll back to {target.version}
        </button>
        <button type="button" onClick={onClose}>
          Leave it as it is
        </button>
      </div>
    </Dialog>
  );
}
