import type { AuditRecord, ServerRef } from "@tooltrail/format";
import type { Row, RowKey } from "./ports.ts";

/** A leaf of the log as projections see it. `number` is its place, `lastAt` the latest time of all records in its batch. */
export interface LogLeaf {
  readonly number: number;
  readonly emitter: string;
  readonly seq: number;
  readonly index: number;
  readonly count: number;
  readonly server: ServerRef;
  /** The emitter's public key. Absent: nobody signed, a plain event. */
  readonly key?: string;
  readonly receivedAtMs: number;
  readonly record: AuditRecord;
  readonly lastAt: number;
}

export type RowValue = Row["value"];

/**
 * What is made of the log, leaf by leaf, and can be made again from leaf 0. Pure: leaf by leaf, rows depend on the rows before and the leaf alone.
 *
 * `rowsOf` names the rows that a leaf touches, each once, at most 99; `fold` gets them as they are (undefined: not there) and gives them as they shall be, in
 * the same order. A value that is given back as it was is not written. Where either changes its ways, `version` grows: then everything is made anew.
 */
export interface Projection {
  readonly name: string;
  readonly version: number;
  rowsOf(leaf: LogLeaf): readonly RowKey[];
  fold(rows: readonly (RowValue | undefined)[], leaf: LogLeaf): readonly (RowValue | undefined)[];
}
