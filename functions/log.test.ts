import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AppError } from "@tooltrail/core/errors";
import { halt } from "@tooltrail/core/log/halt";
import { contextOf } from "@tooltrail/local/poller";
import type { Context } from "aws-lambda";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { aCall, aStoredBatch } from "../test/support/batches.ts";

/** The functions of the log as one machine runs them, on a folder of their own. */
let dir: string;
let aheadMs = 0;
let run: (name: "follow" | "reconcile", event: object) => Promise<unknown>;
let parts: typeof import("./lib/ports-local.ts");
let said: () => string[];
let eachArrival: typeof import("./lib/arrivals.ts").eachArrival;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "tooltrail-functions-"));
  vi.stubEnv("TOOLTRAIL_DATA", join(dir, "data"));
  vi.stubEnv("TOOLTRAIL_SPOOL", join(dir, "spool"));
  vi.stubEnv("POWERTOOLS_LOG_LEVEL", "SILENT");
  vi.stubEnv("POWERTOOLS_METRICS_DISABLED", "true");
  const { now } = Date;
  vi.spyOn(Date, "now").mockImplementation(() => now() + aheadMs);
  parts = await import("./lib/ports-local.ts");
  const { metrics } = await import("./lib/handler.ts");
  const added = vi.spyOn(metrics, "addMetric");
  said = () => added.mock.calls.map(([name]) => name);
  const functions = {
    follow: (await import("./follow.ts")).handler as (event: object, context: Context) => Promise<unknown>,
    reconcile: (await import("./reconcile.ts")).handler as (event: object, context: Context) => Promise<unknown>,
  };
  run = (name, event) => {
    added.mockClear();
    return functions[name](event, contextOf(name));
  };
  ({ eachArrival } = await import("./lib/arrivals.ts"));
});
afterAll(() => {
  parts.database().close();
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  rmSync(dir, { recursive: true, force: true });
});

const clock = { "detail-type": "Scheduled Event" };
const advanced = { "detail-type": "log.advanced" };

test("what is late is looked for each minute, whatever wakes the follower, and whenever the clock does", async () => {
  const sweeps = async (event: object, afterMs: number): Promise<boolean> => {
    aheadMs += afterMs;
    await run("follow", event);
    return said().includes("EmitterGaps");
  };
  expect(await sweeps(advanced, 0)).toBe(true);
  expect(await sweeps(advanced, 50_000)).toBe(false);
  expect(await sweeps(advanced, 10_001)).toBe(true);
  expect(await sweeps(clock, 1_000)).toBe(true);
  expect(await sweeps(advanced, 50_000)).toBe(false);
  for (let n = 0; n < 5; n += 1) expect(await sweeps(advanced, 60_000)).toBe(true);
});

test("on one machine the hourly look finds what arrived with a time long past", async () => {
  const batch = await aStoredBatch({ records: [aCall({ at: 1_000 })] });
  await parts.ports().ledger.append({ ...batch, receivedAtMs: Date.now() - 600_000 });
  expect(await run("reconcile", clock)).toMatchObject({ found: 1 });
  expect(await run("reconcile", clock)).toMatchObject({ found: 0 });
});

test("an input that could not be sequenced is counted as one to try again, unless the log stands still", async () => {
  const { imageOf } = await import("./lib/arrivals.ts");
  const { loggerOf, metrics } = await import("./lib/handler.ts");
  const { item } = imageOf(await aStoredBatch());
  const event = { Records: [{ dynamodb: { NewImage: item, SequenceNumber: "7" } }] } as never;
  const failing = async (error: Error): Promise<string[]> => {
    vi.mocked(metrics.addMetric).mockClear();
    const { batchItemFailures } = await eachArrival(loggerOf("sequence"), event, () => Promise.reject(error));
    expect(batchItemFailures).toEqual([{ itemIdentifier: "7" }]);
    return said();
  };
  expect(await failing(new AppError("unavailable", "S3 is slow."))).toEqual(["SequenceRetry"]);
  expect(await failing(new TypeError("a mistake of ours"))).toEqual(["SequenceRetry"]);
  expect(await failing(halt("tile/0/000", "it has other bytes"))).toEqual([]);
});
