import type { Ledger } from "../ports.ts";
import { commandBatches, isChange } from "../postmortem/candidates.ts";
import { kindNeedle } from "../postmortem/failing.ts";
import { boundsOf, recordsIn } from "../postmortem/walk.ts";

const withinMs = 2 * 3_600_000;
/** Somebody is waiting to be told. Most of tooltrail's own records say that something was read. */
const maxBatches = 200;

/** When something of the control plane was changed last, in milliseconds: an SLO, how to respond, a maintenance window. Undefined where that is over two hours ago, or many queries. */
export async function lastChangeAt(ledger: Pick<Ledger, "newestFirst">, nowMs: number): Promise<number | undefined> {
  const span = { fromMs: nowMs - withinMs, toMs: nowMs + 1 };
  for await (const batch of commandBatches(ledger, span, boundsOf(maxBatches)))
    for (const { record } of recordsIn(batch, span, [kindNeedle("control")]))
      if (record.kind === "control" && isChange(record)) return record.at;
  return undefined;
}
