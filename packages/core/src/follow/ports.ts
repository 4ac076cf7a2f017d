/** A row of a projection: JSON data under (collection, id). `collection` and `id` are texts of at most 1,000 bytes. */
export interface Row {
  readonly collection: string;
  readonly id: string;
  readonly value: { readonly [name: string]: unknown };
}
export type RowKey = Pick<Row, "collection" | "id">;

/** How far a generation of a projection has read: the next leaf. `version` is that of the code which made its rows. */
export interface Generation {
  readonly number: number;
  readonly version: number;
  readonly leaf: number;
}

/**
 * The generation that is read, and the one that is being built beside it, if any.
 *
 * `followed` is the largest checkpoint that leaves were taken from (root in base64): a log that does not extend it is another one. `dropping` is a
 * generation that is no more in use, until its rows are gone. `edits` counts the commits that changed rows and took no leaf: a follower that read rows before one
 * loses its own commit, and reads again.
 */
export interface Cursor {
  readonly current: Generation;
  readonly next?: Generation;
  readonly followed?: { readonly size: number; readonly root: string };
  readonly dropping?: number;
  readonly edits?: number;
}

/** At most so many rows in one commit, the cursor's own not among them. */
export const maxRowsPerCommit = 99;

/**
 * The rows of projections, and their cursors.
 *
 * `commit` writes rows of one generation (undefined removes) and the cursor in one transaction, on condition that the cursor still is `from`, as a whole
 * (undefined where there is none yet): all of it or nothing, so of several followers exactly one goes on from a place. False: another one did. After an error with outcome "unknown" it
 * may be committed: read the cursor again. `invalid`: more rows, or more bytes, than one commit takes. `read` and `cursor` see every answered commit.
 *
 * `list` is by id, ascending after `after`, or descending from `upTo` (included) with `newestFirst`. `drop` removes all rows of a generation that is no more in use; idempotent.
 */
export interface Projections {
  cursor(projection: string): Promise<Cursor | undefined>;
  commit(
    projection: string,
    change: {
      readonly from: Cursor | undefined;
      readonly to: Cursor;
      readonly generation: number;
      readonly rows: readonly (RowKey & { readonly value: Row["value"] | undefined })[];
    },
  ): Promise<boolean>;
  read(projection: string, generation: number, keys: readonly RowKey[]): Promise<(Row | undefined)[]>;
  list(
    projection: string,
    generation: number,
    query: {
      readonly collection: string;
      readonly after?: string;
      readonly upTo?: string;
      readonly newestFirst?: boolean;
      readonly limit: number;
    },
  ): Promise<Row[]>;
  drop(projection: string, generation: number): Promise<void>;
}
