import { AppError } from "@tooltrail/core/errors";
import { type arrivalSeries, counters } from "@tooltrail/core/follow/counters";
import type { StoredBatch } from "@tooltrail/core/ports";
import { countsFrom, readFor } from "@tooltrail/core/slo/counting";
import { ownSlos } from "@tooltrail/core/slo/defaults";
import { measure } from "@tooltrail/core/slo/measure";
import { lastMinutes } from "@tooltrail/core/slo/spans";
import { watchBudgets } from "@tooltrail/core/slo/watch-budgets";
import { beforeEach, describe, expect, test } from "vitest";
import { aCall } from "../support/batches.ts";
import { aWatched, msOf, noon } from "../support/burning.ts";
import { aPlainBatch, aSignedBatch } from "../support/fleets.ts";
import { aLog, followAll, memoryProjections } from "../support/followed.ts";

describe("tooltrail measures itself", () => {
  let projections = memoryProjections();
  let log = aLog();
  let ledger: StoredBatch[] = [];
  const leaves = new Map<string, number>();
  let refused: number[] = [];
  beforeEach(() => {
    projections = memoryProjections();
    log = aLog();
    ledger = [];
    leaves.clear();
    refused = [];
  });

  const ports = () => ({
    projections,
    ledger: {
      newestFirst: async ({ from }: { from?: { lastAt: number } }) =>
        ledger
          .filter(({ headers }) => headers.lastAt <= (from?.lastAt ?? 0))
          .sort((a, b) => b.headers.lastAt - a.headers.lastAt),
    },
    index: {
      firstLeaves: async (places: readonly { emitter: string; seq: number }[]) =>
        places.map(({ seq }) => leaves.get(String(seq))),
    },
    quarantine: {
      count: async ({ sinceMs, untilMs }: { sinceMs: number; untilMs: number }) =>
        refused.filter((at) => sinceMs <= at && at < untilMs).length,
    },
  });

  async function figures(name: string, minute: number) {
    const slo = ownSlos.find((one) => one.name === `tooltrail:${name}`);
    if (slo === undefined) throw new Error(name);
    const selected = { slo, selection: { series: [slo.indicator.selector as typeof arrivalSeries] } };
    const rows = await readFor(projections, 1, [selected], minute);
    return countsFrom(selected, rows)(lastMinutes(minute, 60));
  }

  test("a batch that is in the ledger for a minute and not in the log is a bad look, once a minute", async () => {
    ledger = [await aSignedBatch({ records: [aCall({ at: msOf(noon) })], receivedAtMs: msOf(noon) })];
    await measure(ports(), 0, msOf(noon) + 30_000); // it has not waited yet
    expect(await figures("ledger-to-log", noon)).toEqual({ total: 0, bad: 0 });
    await measure(ports(), 0, msOf(noon + 3));
    await measure(ports(), 0, msOf(noon + 3) + 1_000);
    expect(await figures("ledger-to-log", noon + 3)).toEqual({ total: 1, bad: 1 });
    leaves.set("0", 0);
    await measure(ports(), 1, msOf(noon + 4));
    expect(await figures("ledger-to-log", noon + 4)).toEqual({ total: 2, bad: 1 });
  });

  test("counters that stay behind the log for a minute are a bad look", async () => {
    expect(await measure(ports(), 5, msOf(noon))).toBe(msOf(noon));
    expect(await measure(ports(), 5, msOf(noon + 1))).toBe(msOf(noon));
    expect(await figures("log-to-counters", noon + 1)).toEqual({ total: 2, bad: 1 });
    await log.append([await aSignedBatch({ records: Array.from({ length: 5 }, () => aCall({ at: msOf(noon) })) })]);
    await followAll({ ...log, projections }, [counters]);
    expect(await measure(ports(), 5, msOf(noon + 2))).toBeUndefined();
    expect(await figures("log-to-counters", noon + 2)).toEqual({ total: 3, bad: 1 });
  });

  test("counters that are always a moment behind are not", async () => {
    for (let minute = noon; minute < noon + 5; minute += 1) {
      await log.append([await aSignedBatch({ seq: minute - noon, records: [aCall({ at: msOf(minute) })] })]);
      await measure(ports(), minute - noon + 1, msOf(minute)); // before this one is counted
      await followAll({ ...log, projections }, [counters]);
    }
    expect(await figures("log-to-counters", noon + 5)).toEqual({ total: 5, bad: 0 });
  });

  test("what arrives counts by the minute of its arrival, plain events too, and what was refused is bad", async () => {
    await log.append([await aPlainBatch("one", aCall({ at: msOf(noon) - 7_200_000 }), msOf(noon))]);
    await followAll({ ...log, projections }, [counters]);
    refused = [msOf(noon) + 59_999, msOf(noon + 1)];
    for (let minute = noon; minute <= noon + 3; minute += 1) await measure(ports(), 1, msOf(minute));
    expect(await figures("quarantine", noon + 3)).toEqual({ total: 3, bad: 2 });
    // A pause, and the minutes within it are looked at all the same.
    refused.push(msOf(noon + 10));
    await measure(ports(), 1, msOf(noon + 30));
    expect(await figures("quarantine", noon + 30)).toEqual({ total: 4, bad: 3 });
  });

  test("how long batches were on their way is counted from the log; what an absent emitter sends later is none of it", async () => {
    const at = msOf(noon);
    await log.append([
      await aSignedBatch({ records: [aCall({ at })], receivedAtMs: at + 2_000 }),
      await aSignedBatch({ seq: 1, records: [aCall({ at })], receivedAtMs: at + 90_000 }),
      await aSignedBatch({ seq: 2, records: [aCall({ at })], receivedAtMs: at + 7_200_000 }),
    ]);
    await followAll({ ...log, projections }, [counters]);
    expect(await figures("bus-to-ledger", noon + 30)).toEqual({ total: 2, bad: 1 });
  });
});

test("a log that stands still, or a quarantine that cannot be counted, does not keep anybody from hearing what burns", async () => {
  const watched = aWatched();
  await watched.calls("files", noon, 20, "timeout");
  const broken = async (): Promise<never> => {
    throw new AppError("unavailable", "broken");
  };
  const ports = {
    ...watched.ports,
    blobs: { read: async () => undefined },
    checkpoints: { read: async () => "no checkpoint" },
    logKeys: [],
    ledger: { read: broken, newestFirst: broken },
    index: { firstLeaves: broken },
    quarantine: { count: broken },
  };
  await expect(watchBudgets(ports, msOf(noon))).rejects.toMatchObject({ code: "halted" });
  expect(watched.heard().map(({ type }) => type)).toContain("slo.burn.started");
});
