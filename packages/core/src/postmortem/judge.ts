import type { AuditRecord, CallRecord } from "@tooltrail/format";
import type { Signal } from "../response/response.ts";
import { blameOf, isMisfit, isRefusal } from "../slo/blame.ts";
import { bucketOf, scoreBucketOf } from "../slo/buckets.ts";
import { type Cell, countOf } from "../slo/cell.ts";
import { type Count, type Indicator, type Sli, slis } from "../slo/slo.ts";

/** What an incident's signal makes of records, and of what was counted of them. */
export interface Judge {
  readonly kind: "call" | "score";
  /** No call that went well is bad. */
  readonly skipsOk: boolean;
  isBad(record: AuditRecord): boolean;
  count(cell: Cell): Count;
}

/**
 * Bad is what counts against the server (`slo/blame.ts`), or whatever else the signal is about.
 *
 * @param threshold the objective's; where latency, freshness or quality have none any more, nothing is bad. In a silent regression no record is: scores sank on average.
 */
export function judgeOf(signal: Signal, threshold: Indicator["threshold"]): Judge {
  const sli = sliOf(signal);
  if (sli !== undefined) return ofSli(sli, threshold);
  switch (signal) {
    case "auth_mismatch":
      return ofCalls(
        (call) => call.final && isRefusal(call.outcome),
        ({ attempts = 0, refused = 0 }) => ({ total: attempts, bad: refused }),
      );
    case "retry_storm":
    case "retry_amplification":
      return ofCalls(
        ({ outcome }) => blameOf(outcome) === "server",
        ({ attempts = 0, retries = 0 }) => ({ total: attempts, bad: retries }),
      );
    case "policy_drift":
      return {
        ...ofCalls(
          ({ outcome, decision }) =>
            outcome.class !== "denied" && decision !== undefined && decision.effect !== "allow",
          ({ attempts = 0, drifted = 0 }) => ({ total: attempts, bad: drifted }),
        ),
        skipsOk: false,
      };
    case "silent_regression":
      return { kind: "score", skipsOk: false, isBad: () => false, count: (cell) => ({ ...all(cell.scores), bad: 0 }) };
    default:
      return ofCalls(
        (call) => call.final && blameOf(call.outcome) === "not known",
        ({ valid = 0, unknown = 0 }) => ({ total: valid + unknown, bad: unknown }),
      );
  }
}

/** What a signal measures of calls, where it is an SLI or watches one. */
const sliOf = (signal: Signal): Sli | undefined =>
  signal === "schema_breakage" ? "schema" : slis.find((sli) => sli === signal);

function ofSli(sli: Sli, threshold: Indicator["threshold"]): Judge {
  const count = (cell: Cell): Count => countOf({ sli, ...(threshold && { threshold }) }, cell);
  const unknownLimit = (cell: Cell): Count => ({ ...count(cell), bad: 0 });
  const edge = threshold?.edge;
  const isOver = (value: number | undefined): boolean =>
    edge !== undefined && value !== undefined && bucketOf(value) > bucketOf(edge);
  switch (sli) {
    case "availability":
      return ofCalls((call) => call.final && blameOf(call.outcome) === "server", count);
    case "schema":
      return ofCalls((call) => call.final && isMisfit(call.outcome), count);
    case "latency":
    case "freshness": {
      const isBad = (call: CallRecord): boolean =>
        call.final && call.outcome.class === "ok" && isOver(sli === "latency" ? call.durationUs : call.dataAgeMs);
      return { ...ofCalls(isBad, edge === undefined ? unknownLimit : count), skipsOk: false };
    }
    case "quality":
      return {
        kind: "score",
        skipsOk: false,
        isBad: (record) =>
          record.kind === "score" && edge !== undefined && scoreBucketOf(record.scorePermille) < scoreBucketOf(edge),
        count: edge === undefined ? unknownLimit : count,
      };
  }
}

const ofCalls = (isBad: (call: CallRecord) => boolean, count: Judge["count"]): Judge => ({
  kind: "call",
  skipsOk: true,
  isBad: (record) => record.kind === "call" && isBad(record),
  count,
});

const all = (histogram: Cell["scores"]): { total: number } => ({
  total: Object.values(histogram ?? {}).reduce((sum, count) => sum + count, 0),
});
