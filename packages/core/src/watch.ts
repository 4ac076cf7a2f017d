import type { Events } from "./ports.ts";

/** Something that befell a row of the ledger. */
export interface LedgerChange {
  readonly what: "inserted" | "modified" | "removed";
  readonly emitter: string;
  readonly seq: number;
}

/**
 * The ledger only grows. Whoever changes or removes a row got past every permission, so it is said aloud.
 *
 * Said at least once: after an error the same change is to be watched again.
 *
 * @returns whether it was a breach.
 * @throws AppError where it cannot be said.
 */
export async function watch(events: Events, { what, emitter, seq }: LedgerChange): Promise<boolean> {
  if (what === "inserted") return false;
  await events.publish({
    type: "integrity.conflict",
    what: what === "modified" ? "ledger_modified" : "ledger_removed",
    emitter,
    seq,
  });
  return true;
}
