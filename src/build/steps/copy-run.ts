/** What a COPY or ADD does when its result is not known: planned from what differs from an earlier one, else from all of it. */
import type { CopyStep } from '../../dockerfile/step.js';
import { hashOf } from '../cache/keys.js';
import { inside, type Owner } from '../copy/copy.js';
import { Destination, EMPTY_TREE } from '../copy/destination.js';
import type { LayerPlan } from '../copy/layer-plan.js';
import { resolveChown } from '../sandbox/user.js';
import type { StageTree } from '../stage-tree.js';
import { thinChange } from '../thin/thin-copy.js';
import { openArchives, type SelectedSource } from './copy-sources.js';
import { entriesOf, planCopyLayer, writeLayer, writePlanned } from './copy-step.js';
import type { Executed, StepPlace, StepTools } from './execution.js';

export class CopyRun {
  readonly #step: CopyStep;
  readonly #selected: readonly SelectedSource[];
  readonly #tree: StageTree;
  readonly #isSeen: boolean;
  readonly #tools: StepTools;

  constructor(
    step: CopyStep,
    selected: readonly SelectedSource[],
    { tree, isSeen }: Pick<StepPlace, 'tree' | 'isSeen'>,
    tools: StepTools,
  ) {
    this.#step = step;
    this.#selected = selected;
    this.#tree = tree;
    this.#isSeen = isSeen;
    this.#tools = tools;
  }

  async run(): Promise<Executed> {
    const { link } = this.#step;
    const { thin, scope, noCache } = this.#tools;
    const onto = link ? new Destination(EMPTY_TREE, new Map()) : await this.#tree.destination();
    const owner = await this.#owner();
    const place = thin && !link ? placeOf(this.#step, this.#tree, scope) : undefined;
    const changed = place === undefined || noCache ? undefined : await this.#fromChange(place, onto, owner);
    return changed ?? this.#fromAll(place, onto, owner);
  }

  /** A thin layer, without a look at what is as in the source of the whole one; where that can be told. */
  async #fromChange(
    place: string,
    onto: Destination,
    owner: Owner | undefined,
  ): Promise<Executed | undefined> {
    const { store, signal } = this.#tools;
    const [one, ...others] = this.#selected;
    if (one?.selection.changedSince === undefined || others.length > 0) return undefined;
    const whole = await store.wholes.get(place);
    const change = whole?.tree === undefined ? undefined : await one.selection.changedSince(whole.tree);
    if (whole === undefined || change === undefined) return undefined;
    const selection = { ...one.selection, entries: async () => change.entries };
    const planned = (await this.#plan([{ ...one, selection }], onto, owner)).entries();
    const target = await onto.resolve(this.#step.destination);
    const paths = change.paths.map((path) => inside(target, path));
    const thin = await thinChange(whole, { paths, planned }, onto, store);
    if (thin === undefined) return undefined;
    const layer = await writeLayer(thin.entries, store, signal);
    const entries = async (): ReturnType<NonNullable<Executed['entries']>> =>
      entriesOf((await this.#plan([one], onto, owner)).entries());
    return { layer, under: thin.under, entries };
  }

  async #fromAll(place: string | undefined, onto: Destination, owner: Owner | undefined): Promise<Executed> {
    const { store, noCache, signal } = this.#tools;
    const scratches: string[] = [];
    const newScratch = async (): Promise<string> => {
      const scratch = await store.layers.newScratch();
      scratches.push(scratch);
      return scratch;
    };
    try {
      const plan = await this.#plan(await openArchives(this.#selected, this.#tools, newScratch), onto, owner);
      return await writePlanned(plan, {
        isLinked: this.#step.link,
        onto,
        place: plan.hides ? undefined : place,
        tree: this.#selected.length === 1 ? this.#selected[0]?.selection.tree : undefined,
        noCache,
        ...(this.#isSeen ? { layOutOn: this.#tree.layers } : {}),
        store,
        signal,
      });
    } finally {
      for (const scratch of scratches) await store.layers.removeScratch(scratch);
    }
  }

  #plan(
    selected: readonly SelectedSource[],
    onto: Destination,
    owner: Owner | undefined,
  ): Promise<LayerPlan> {
    return planCopyLayer(this.#step, selected, onto, owner, this.#tools.signal);
  }

  /** Names are looked up in the files below, which a linked layer does not know. */
  async #owner(): Promise<Owner | undefined> {
    const { chown, link } = this.#step;
    if (chown === undefined) return undefined;
    return resolveChown(async (path) => (link ? undefined : this.#tree.readFile(path)), chown);
  }
}

/** Names the COPY without what it copies: what it copied the last time is laid over if it is almost the same. */
function placeOf({ sources, ...step }: CopyStep, tree: StageTree, scope: string): string {
  const { destination, chown = null, chmod = null, from = null, parents, exclude } = step;
  return hashOf(['thin 1', scope, tree.identity, sources, destination, chown, chmod, from, parents, exclude]);
}
