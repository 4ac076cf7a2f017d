import { mayPublish } from "./bus.ts";
import type { StageConfig } from "./config.ts";
import { createFunction } from "./functions.ts";
import { ledgerIndex } from "./ledger.ts";
import { type createLog, mayKnowKeys, mayReadLog } from "./log.ts";
import { objects } from "./log-bucket.ts";
import { onRows, rows } from "./state.ts";
import { callEach } from "./wakes.ts";

/** The clock calls in vain meanwhile, once. What one that is cut off has said and not remembered, the next says again. */
const evaluateTimeoutSeconds = 120;

/** Counters -> evaluate -> `slo.burn.*`, `detector.fired` on the bus. Woken by calls that went badly, and each minute. */
export function createBudgets(
  config: StageConfig,
  { bus, ledger, state, bucket, logKeys, environment }: Parameters<typeof createLog>[1],
) {
  const evaluate = createFunction(config, "evaluate", {
    memoryMb: 512,
    timeoutSeconds: evaluateTimeoutSeconds,
    // Of two at once one would find that it was overtaken, and fail for it.
    atOnce: 1,
    environment: {
      ...environment.place,
      ...environment.signers,
      TOOLTRAIL_LEDGER_TABLE: ledger.name,
      TOOLTRAIL_BUS: bus.name,
    },
    permissions: [
      // How far the log is signed, and no leaf of it.
      ...mayReadLog(bucket, objects.checkpoint),
      mayKnowKeys(logKeys),
      // The definitions that tell what a change breaks; and whether what is in the ledger is in the log.
      { actions: ["dynamodb:GetItem", "dynamodb:BatchGetItem"], resources: [ledger.arn] },
      { actions: ["dynamodb:Query"], resources: [$interpolate`${ledger.arn}/index/${ledgerIndex}`] },
      onRows(state, ["dynamodb:BatchGetItem"], rows.counted, rows.alerts, rows.measured, rows.leaves),
      // Of what was refused it reads the rows, which say when and why, and not the events themselves.
      onRows(state, ["dynamodb:Query"], rows.counted, rows.defined, rows.alerts, ["DAYS", "QUARANTINE"]),
      onRows(state, ["dynamodb:GetItem"], rows.cursors),
      onRows(state, ["dynamodb:PutItem"], rows.cursors, rows.alerts, rows.measured),
      onRows(state, ["dynamodb:DeleteItem"], rows.alerts),
      mayPublish(bus),
    ],
  });
  callEach(config, evaluate, "rate(1 minute)", { bus, type: "counters.advanced" });
  return { evaluate };
}
