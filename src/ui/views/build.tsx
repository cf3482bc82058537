/** One deployment: what it is, where its time went, what each host does, and its log as it is written. */
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { BuildView } from '../../api/views.js';
import type { StepOutcome } from '../../records/step-outcomes.js';
import { ask, type Fault, toFault } from '../api.js';
import { duration, short } from '../format.js';
import { OPEN_STATES } from '../health.js';
import { followBuild } from '../log/follow.js';
import { LogText } from '../log/log-text.js';
import { LogView } from '../log/log-view.js';
import { Outline } from '../log/outline.js';
import { useRedraw } from '../log/redraw.js';
import { plain } from '../log/sgr.js';
import { Notice, Stale } from '../parts/notice.js';
import { State } from '../parts/state.js';
import { Ago, Running } from '../parts/time.js';
import { useResource } from '../resource.js';
import { apiPath, appPath } from '../routes.js';
import { HostsOfRollout } from './hosts-of-rollout.js';
import { Timings } from './timings.js';

interface BuildSteps {
  readonly build: BuildView;
  readonly steps: readonly StepOutcome[];
}

export function Build({ app, id }: { readonly app: string; readonly id: string }): JSX.Element {
  const path = apiPath(app, `/builds/${encodeURIComponent(id)}`);
  const [isOpen, setOpen] = useState(true);
  const found = useResource<BuildSteps>(`${path}/steps`, { everyMs: isOpen ? 1000 : undefined });
  const build = found.data?.build;
  const state = build?.state;
  useEffect(() => {
    if (state !== undefined) setOpen(OPEN_STATES.has(state));
  }, [state]);
  const log = useLog(app, build?.id ?? (id === 'current' ? undefined : id), found.refresh);
  const title = build === undefined ? id : titleOf(build);
  return (
    <div class="page wide">
      <p class="crumbs">
        <a href={appPath(app)}>{app}</a> / <a href={appPath(app, 'builds')}>Builds</a>
      </p>
      <div class="head">
        <h1 tabIndex={-1}>{title}</h1>
        {build !== undefined && <State is={build.state} />}
        {build !== undefined && isOpen && <Cancel build={build} path={path} onCancelled={found.refresh} />}
      </div>
      {build === undefined && found.fault !== undefined ? (
        <Notice fault={found.fault} onRetry={found.refresh} />
      ) : (
        <>
          <Stale fault={found.fault} />
          {build !== undefined && <Facts build={build} />}
          {build?.reason !== undefined && (
            <p class={build.state === 'failed' ? 'reason bad' : 'reason'}>{build.reason}</p>
          )}
          {found.data !== undefined && <Timings build={found.data.build} steps={found.data.steps} />}
          {build?.state === 'releasing' && build.release !== undefined && (
            <HostsOfRollout app={app} release={build.release} />
          )}
          <LogView
            lines={log.text.lines}
            outline={log.outline}
            steps={found.data?.steps}
            isLive={isOpen && log.problem === undefined}
            problem={log.problem}
            label={`Log of ${title}`}
          />
        </>
      )}
    </div>
  );
}

function useLog(
  app: string,
  id: string | undefined,
  onEnd: () => Promise<void>,
): { text: LogText; outline: Outline; problem: string | undefined } {
  const kept = useRef<{ text: LogText; outline: Outline } | undefined>(undefined);
  if (kept.current === undefined) {
    const outline = new Outline();
    kept.current = { outline, text: new LogText((line) => outline.add(plain(line))) };
  }
  const { text, outline } = kept.current;
  const [problem, setProblem] = useState<string>();
  const redraw = useRedraw();
  useEffect(() => {
    if (id === undefined) return undefined;
    return followBuild(app, id, text, {
      onText: redraw,
      onCut: setProblem,
      onEnd: () => void onEnd(),
    });
  }, [app, id, text, onEnd, redraw]);
  return { text, outline, problem };
}

function titleOf({ kind, commit, id }: BuildView): string {
  return kind === 'push' ? `Push of ${short(commit ?? id)}` : kind.charAt(0).toUpperCase() + kind.slice(1);
}

function Facts({ build }: { readonly build: BuildView }): JSX.Element {
  const { who, acceptedAt, durationMs, release, steps, digest, ref, cancelledBy } = build;
  return (
    <p class="build-facts dim">
      <span>
        by {who}, <Ago at={acceptedAt} />
      </span>
      <span>
        {durationMs === undefined ? (
          <Running since={acceptedAt} />
        ) : (
          <span class="figure">{duration(durationMs)}</span>
        )}
      </span>
      {release !== undefined && <span class="figure">v{release}</span>}
      {ref !== undefined && <span>{ref.replace('refs/heads/', '')}</span>}
      {steps !== undefined && (
        <span class="figure">
          {steps.cached}/{steps.total} steps cached
        </span>
      )}
      {digest !== undefined && (
        <span>
          image <code title={digest}>{short(digest)}</code>
        </span>
      )}
      {cancelledBy !== undefined && <span>cancelled by {cancelledBy}</span>}
    </p>
  );
}

function Cancel({
  build,
  path,
  onCancelled,
}: {
  readonly build: BuildView;
  readonly path: string;
  readonly onCancelled: () => Promise<void>;
}): JSX.Element {
  const [fault, setFault] = useState<Fault>();
  const cancel = async (): Promise<void> => {
    try {
      await ask(`${path}/cancel`, { method: 'POST', body: {} });
      await onCancelled();
    } catch (thrown) {
      setFault(toFault(thrown));
    }
  };
  return (
    <>
      <button type="button" disabled={build.cancelledBy !== undefined} onClick={() => void cancel()}>
        {build.cancelledBy === undefined ? 'Cancel it' : 'Being cancelled…'}
      </button>
      {fault !== undefined && <Notice fault={fault} />}
    </>
  );
}
