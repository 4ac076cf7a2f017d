import { AppError } from "../errors.ts";
import { type Cursor, maxRowsPerCommit, type Projections, type Row, type RowKey } from "../follow/ports.ts";

/** Rows that are kept beside those of the log: no leaf counts in them, and they are never made anew. */
export interface Keeping {
  readonly name: string;
  readonly generation: number;
}

/** What evaluations remember of SLOs, of detectors, and of themselves. */
export const alertsKept: Keeping = { name: "slo-alerts", generation: 1 };

type Change = RowKey & { readonly value: Row["value"] | undefined };

/** Rows that are to be written, in as few commits as they need. */
export interface Memory {
  /** Nothing where the row is as it was. `before` undefined: it was not there; `value` undefined: it is to go. */
  put(key: RowKey, before: Row["value"] | undefined, value: Row["value"] | undefined): Promise<void>;
  /** @throws AppError unavailable where somebody else has written since this memory was opened. */
  flush(): Promise<void>;
}

/** Opened before anything is read, so that whoever writes between reading and writing is noticed. */
export async function openMemory(projections: Projections, { name, generation }: Keeping): Promise<Memory> {
  let from = await projections.cursor(name);
  let rows: Change[] = [];

  async function flush(): Promise<void> {
    if (rows.length === 0) return;
    const to = after(from);
    if (!(await projections.commit(name, { from, to, generation, rows })))
      throw new AppError("unavailable", `Somebody else was faster at ${name}.`, { outcome: "not-applied" });
    from = to;
    rows = [];
  }

  return {
    async put(key, before, value) {
      if (before === value || JSON.stringify(before) === JSON.stringify(value)) return;
      rows.push({ ...key, value });
      if (rows.length >= maxRowsPerCommit) await flush();
    },
    flush,
  };
}

/** The number tells one state of the rows from the next. */
export const after = (from: Cursor | undefined): Cursor => ({
  current: { number: 1, version: 1, leaf: (from?.current.leaf ?? 0) + 1 },
});

const rowsPerRead = 500;

/** All rows of a collection. */
export async function listKept(
  projections: Pick<Projections, "list">,
  { name, generation }: Keeping,
  collection: string,
): Promise<Row[]> {
  const all: Row[] = [];
  for (;;) {
    const last = all.at(-1)?.id;
    const rows = await projections.list(name, generation, {
      collection,
      limit: rowsPerRead,
      ...(last !== undefined && { after: last }),
    });
    all.push(...rows);
    if (rows.length < rowsPerRead) return all;
  }
}
