/** What a push asks for, judged before anything is done: which update deploys, and why each other one does not. Pure. */
import { SlipwayError } from '../errors.js';
import type { PushOptions } from '../model/deployment.js';
import { checkStrategy } from '../model/strategy.js';
import { type RefUpdate, type Refused, refuse } from './verdict.js';

/** Push options (`git push -o NAME`) and what they set. */
const OPTIONS: Readonly<Record<string, Exclude<keyof PushOptions, 'strategy'>>> = {
  detach: 'detach',
  'no-cache': 'noCache',
  'build-only': 'buildOnly',
  force: 'force',
};

const STRATEGY = 'strategy=';
const KNOWN_OPTIONS: string = [...Object.keys(OPTIONS), `${STRATEGY}…`].join(', ');

const NO_OID = /^0+$/;

export interface Proposal {
  readonly updates: readonly RefUpdate[];
  /** All or nothing: `git push --atomic`. */
  readonly isAtomic: boolean;
}

export interface Judgement {
  /** The update of the deploy branch, when there is one to be accepted. */
  readonly deploy?: RefUpdate;
  readonly refused: readonly Refused[];
}

/** Throws `push_rejected` naming the options that are not known, `bad_request` for a strategy that is none. */
export function parsePushOptions(given: readonly string[]): PushOptions {
  const strategies = given.filter((option) => option.startsWith(STRATEGY));
  const unknown = given.filter((option) => !strategies.includes(option) && !Object.hasOwn(OPTIONS, option));
  if (unknown.length > 0) {
    const shown = unknown.map((option) => JSON.stringify(option.slice(0, 60))).join(', ');
    throw new SlipwayError('push_rejected', `unknown push option ${shown}`, {
      hint: `known are: ${KNOWN_OPTIONS}`,
    });
  }
  const set = new Set(given.map((option) => OPTIONS[option]));
  const strategy = strategies.at(-1)?.slice(STRATEGY.length);
  return {
    detach: set.has('detach'),
    noCache: set.has('noCache'),
    buildOnly: set.has('buildOnly'),
    ...(set.has('force') ? { force: true } : {}),
    ...(strategy === undefined ? {} : { strategy: checkStrategy(strategy) }),
  };
}

/** Picks the update of the deploy branch and says of each other one why it does not deploy. */
export function judge(push: Proposal, deployBranch: string, refsPerPush: number): Judgement {
  if (push.updates.length > refsPerPush) {
    const reason = `${push.updates.length} refs in one push, the limit is ${refsPerPush}`;
    return { refused: push.updates.map(({ ref }) => refuse(ref, reason)) };
  }
  const deployRef = `refs/heads/${deployBranch}`;
  const candidates = push.updates.filter(({ ref, newOid }) => ref === deployRef && !NO_OID.test(newOid));
  const [deploy] = candidates.length === 1 ? candidates : [];
  const refused = push.updates
    .filter((update) => update !== deploy)
    .map((update) => refuse(update.ref, whyNot(update, deployBranch)));
  if (deploy === undefined || refused.length === 0 || !push.isAtomic) {
    return deploy === undefined ? { refused } : { deploy, refused };
  }
  return { refused: [refuse(deploy.ref, 'the push is atomic and its other refs are refused'), ...refused] };
}

function whyNot({ ref, newOid }: RefUpdate, deployBranch: string): string {
  const branch = ref.startsWith('refs/heads/') ? ref.slice('refs/heads/'.length) : undefined;
  if (branch === deployBranch) {
    return NO_OID.test(newOid)
      ? `${branch} is what deploys and cannot be deleted`
      : `${branch} is pushed more than once`;
  }
  if (NO_OID.test(newOid)) return `only ${deployBranch} is kept here; there is nothing to delete`;
  if (ref.startsWith('refs/tags/')) {
    const tag = ref.slice('refs/tags/'.length);
    return `tags do not deploy, only ${deployBranch} does; try: git push <remote> '${tag}^{commit}:${deployRefOf(deployBranch)}'`;
  }
  return `only ${deployBranch} deploys; try: git push <remote> ${branch === undefined ? 'HEAD' : branch}:${deployBranch}`;
}

/** A tag's name does not tell git which kind of ref is meant on the other side, so it is spelt out. */
function deployRefOf(branch: string): string {
  return `refs/heads/${branch}`;
}
