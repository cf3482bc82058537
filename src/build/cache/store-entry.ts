/** What the cleaning of the store knows of what it removes. Only types. */

/** One thing that can be removed by itself and made again when it is needed. */
export interface StoreEntry {
  /** ms since the epoch. */
  readonly lastUsedAt: number;
  readonly sizeBytes: number;
  /** False when it was used meanwhile, or somebody else has removed it. */
  remove(): Promise<boolean>;
}

export type StoreRoom = (signal: AbortSignal | undefined) => Promise<readonly StoreEntry[]>;
