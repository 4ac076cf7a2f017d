import type { Projections, Row } from "./ports.ts";

export interface RowsPage {
  readonly rows: Row[];
  /** Give it to the next call as `after`. Undefined at the end. */
  readonly next?: string;
}

/** Rows of the generation that is read, by id, those alone whose id begins with `prefix`. Empty where nothing has been followed yet. */
export async function readRows(
  projections: Pick<Projections, "cursor" | "list">,
  name: string,
  {
    collection,
    prefix = "",
    after,
    limit,
  }: {
    readonly collection: string;
    readonly prefix?: string;
    readonly after?: string;
    readonly limit: number;
  },
): Promise<RowsPage> {
  const from = after !== undefined && after > prefix ? after : prefix;
  for (;;) {
    const current = (await projections.cursor(name))?.current.number;
    if (current === undefined) return { rows: [] };
    const rows = await projections.list(name, current, {
      collection,
      limit: limit + 1,
      ...(from !== "" && { after: from }),
    });
    // Rows of a generation that was replaced meanwhile may be gone.
    if ((await projections.cursor(name))?.current.number !== current) continue;
    const own = rows.filter(({ id }) => id.startsWith(prefix));
    const shown = own.slice(0, limit);
    const last = shown.at(-1)?.id;
    return { rows: shown, ...(own.length > limit && last !== undefined && { next: last }) };
  }
}
