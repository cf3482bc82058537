/** Says why the steps of a stage are not cached, by what they were made of in the app's last build of that stage. */
import type { BuildContext } from '../context/context.js';
import type { Execution } from '../steps/execution.js';
import { type Difference, differences, previousOf, type StageHistory, type StepRecord } from './explain.js';
import type { StepCache } from './step-cache.js';

export interface StageId {
  /** Whose builds: the app. */
  readonly scope: string;
  readonly stage: string;
}

/** Differences beyond these are of little use to anybody. */
const TOLD = 4;

export class MissReasons {
  readonly #cache: StepCache;
  readonly #id: StageId;
  readonly #context: Pick<BuildContext, 'id' | 'firstChange'>;
  #history: StageHistory | undefined;
  readonly #now: Record<string, StepRecord> = {};

  constructor(cache: StepCache, id: StageId, context: Pick<BuildContext, 'id' | 'firstChange'>) {
    this.#cache = cache;
    this.#id = id;
    this.#context = context;
  }

  /** `index` is the instruction's place in the stage. */
  async why(index: number, { parts, pathOf }: Execution): Promise<string> {
    this.#history ??= (await this.#cache.history(this.#id)) ?? {};
    const previous = previousOf(this.#history, index, parts);
    if (previous === undefined) return 'it has not been built before';
    const found = differences(previous.parts, parts);
    if (found.length === 0) return 'its result is no longer in the cache';
    const told: string[] = [];
    for (const difference of found.slice(0, TOLD))
      told.push(await this.#named(difference, previous, pathOf?.get(difference.name)));
    return `${told.join(', ')}${found.length > TOLD ? ', and more' : ''}`;
  }

  built(index: number, { parts }: Execution): void {
    this.#now[String(index)] = { commit: this.#context.id, parts };
  }

  /** For the next build. Of a build that failed, what came later stays as it was. */
  async save(hasFailed: boolean): Promise<void> {
    if (Object.keys(this.#now).length === 0) return;
    const before = hasFailed ? (this.#history ?? (await this.#cache.history(this.#id))) : {};
    await this.#cache.remember(this.#id, { ...before, ...this.#now });
  }

  /** With the file, where it is the context's. */
  async #named({ name, how }: Difference, previous: StepRecord, path: string | undefined): Promise<string> {
    const file =
      path === undefined || how !== 'changed'
        ? undefined
        : await this.#context.firstChange(previous.commit, path);
    return file === undefined || `"${file}"` === name ? `${name} ${how}` : `${name} ${how}: ${file}`;
  }
}
