import type { AuditRecord } from "@tooltrail/format";
import type { Cause } from "../incidents/incident.ts";
import type { Ledger } from "../ports.ts";
import { minuteMs } from "../slo/time.ts";
import type { Judge } from "./judge.ts";
import { isInScope, ledgerServer } from "./scope.ts";
import { type Bounds, batchesIn, boundsOf, type Found, oldestFirst, recordsIn, type Span } from "./walk.ts";

/** Bad records of an incident, oldest first. `isCut`: there are more than were looked at. */
export interface Failing {
  readonly records: readonly Found[];
  readonly isCut: boolean;
}

export const maxFailing = 2_000;
export const maxBatches = 1_000;
const maxFirstBatches = 300;
/** Emitters flush every two seconds. */
const usualSpreadMs = minuteMs;

interface Wanted {
  readonly cause: Cause;
  readonly judge: Judge;
}

/**
 * Looks for bad records in the ledger, from the end of a span back to its beginning. Where there are more than one looks at, the end would be all that is seen, and the beginning tells more: then its first minute is looked at, too.
 */
export async function findFailing(ledger: Pick<Ledger, "newestFirst">, wanted: Wanted, span: Span): Promise<Failing> {
  const whole = boundsOf(maxBatches);
  const found = await badIn(ledger, wanted, span, whole);
  if (!whole.isCut) return { records: [...found.values()].sort(oldestFirst), isCut: false };
  const first = { fromMs: span.fromMs, toMs: span.fromMs + minuteMs };
  for (const [id, one] of await badIn(ledger, wanted, first, boundsOf(maxFirstBatches), usualSpreadMs))
    found.set(id, one);
  return { records: [...found.values()].sort(oldestFirst), isCut: true };
}

async function badIn(
  ledger: Pick<Ledger, "newestFirst">,
  { cause, judge }: Wanted,
  span: Span,
  bounds: Bounds,
  spreadMs?: number,
): Promise<Map<string, Found>> {
  const found = new Map<string, Found>();
  const passedOver = judge.skipsOk ? wentWell : undefined;
  for await (const batch of batchesIn(ledger, ledgerServer(cause), span, bounds, spreadMs))
    for (const one of recordsIn(batch, span, [kindNeedle(judge.kind)], passedOver)) {
      if (!isInScope(cause, one.server, one.record) || !judge.isBad(one.record)) continue;
      if (found.size >= maxFailing) {
        bounds.isCut = true;
        return found;
      }
      found.set(one.id, one);
    }
  return found;
}

export const kindNeedle = (kind: AuditRecord["kind"]): string => `"kind":"${kind}"`;
export const wentWell = '"outcome":{"class":"ok"';
