/** What a deployment's journal says of the time that it took. Pure. */
import {
  type DeploymentEvent,
  type DeploymentKind,
  type FinalState,
  foldDeployment,
} from '../model/deployment.js';

export interface Timings {
  readonly kind: DeploymentKind;
  readonly state: FinalState;
  /** From acceptance to a builder, and from the release to a deployer; absent where nobody took it. In ms, as all of them. */
  readonly waitForBuilderMs?: number;
  readonly waitForDeployerMs?: number;
  /** From the first builder to the image. */
  readonly buildMs?: number;
  /** From the first deployer to the end. */
  readonly rolloutMs?: number;
  readonly phases: readonly { readonly name: string; readonly ms: number }[];
  readonly steps?: { readonly cached: number; readonly total: number };
}

/** Undefined while it is open. */
export function timingsOf(app: string, id: string, events: readonly DeploymentEvent[]): Timings | undefined {
  const deployment = foldDeployment(app, id, events);
  if (deployment?.endedAt === undefined) return undefined;
  const { kind, state, acceptedAt, endedAt, phases, steps } = deployment;
  const claimedAt = (phase: 'build' | 'rollout'): number | undefined =>
    events.find((event) => event.type === 'claimed' && event.phase === phase)?.at;
  const [builderAt, deployerAt] = [claimedAt('build'), claimedAt('rollout')];
  const readyAt = events.find(({ type }) => type === 'release')?.at;
  const builtAt = readyAt ?? endedAt;
  return {
    kind,
    state: state as FinalState,
    ...(builderAt === undefined
      ? {}
      : { waitForBuilderMs: builderAt - acceptedAt, buildMs: builtAt - builderAt }),
    ...(deployerAt === undefined || readyAt === undefined
      ? {}
      : { waitForDeployerMs: deployerAt - readyAt, rolloutMs: endedAt - deployerAt }),
    phases,
    ...(steps === undefined ? {} : { steps }),
  };
}
