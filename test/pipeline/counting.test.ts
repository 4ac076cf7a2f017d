import { counters } from "@tooltrail/core/follow/counters";
import type { FollowPorts } from "@tooltrail/core/follow/follow";
import type { Projections } from "@tooltrail/core/follow/ports";
import { startRebuild } from "@tooltrail/core/follow/rebuild";
import type { StoredBatch } from "@tooltrail/core/ports";
import { readFor, readSelection } from "@tooltrail/core/slo/counting";
import { standardRules } from "@tooltrail/core/slo/rules";
import { openCatalogue } from "@tooltrail/core/slo/selection";
import { collectionOf } from "@tooltrail/core/slo/series";
import type { Indicator, Selector, Slo } from "@tooltrail/core/slo/slo";
import { countIn, lastMinutes, type Span } from "@tooltrail/core/slo/spans";
import { levels, slotOf } from "@tooltrail/core/slo/time";
import { describe, expect, test } from "vitest";
import { aCall } from "../support/batches.ts";
import { aSignedBatch } from "../support/fleets.ts";
import {
  aLog,
  faults,
  faultyAt,
  followAll,
  interleaved,
  memoryProjections,
  projectionStores,
} from "../support/followed.ts";
import { aMeteredFleet, firstDay, scanned } from "../support/metered.ts";
import { randomFrom } from "../support/pieces.ts";
import { recordsIn, rowsOf } from "../support/recomputed.ts";

const day = 1_440;
const first = firstDay * day;

const indicators: readonly Omit<Indicator, "selector">[] = [
  { sli: "availability" },
  { sli: "schema" },
  { sli: "latency", threshold: { asked: 1_000_000, edge: 1_000_000 } },
  { sli: "freshness", threshold: { asked: 50_000, edge: 50_000 } },
  { sli: "quality", threshold: { asked: 700, edge: 700 } },
];
const selectors: readonly Selector[] = [
  {},
  { server: "server-1" },
  { environment: "", server: "server-0" },
  { environment: "production", tool: "write" },
  { server: "server-1", version: "2" },
  { server: "server-1", version: "1", tool: "__proto__" },
];

async function counted(
  projections: Projections,
  { sli, threshold }: Omit<Indicator, "selector">,
  selector: Selector,
  span: Span,
) {
  const generation = (await projections.cursor(counters.name))?.current.number ?? 1;
  const selection = await openCatalogue(projections, generation).select({ selector });
  const rows = await readSelection(projections, generation, selection, [span]);
  return countIn(rows, selection, { sli, ...(threshold && { threshold }) }, span);
}

/** Spans of any length anywhere in the fleet's days, from a minute to all of it. */
function spansFrom(seed: number): Span[] {
  const random = randomFrom(seed);
  const some = Array.from({ length: 12 }, () => {
    const from = first + Math.floor((random() * 4 - 1) * day);
    return { from, to: from + 1 + Math.floor(random() ** 3 * 3 * day) };
  });
  return [{ from: first - 2 * day, to: first + 5 * day }, ...some];
}

async function expectExact(projections: Projections, batches: readonly StoredBatch[], seed: number): Promise<void> {
  const records = recordsIn(batches);
  for (const indicator of indicators)
    for (const selector of selectors)
      for (const span of spansFrom(seed)) {
        const what = JSON.stringify({ indicator, selector, span });
        expect(await counted(projections, indicator, selector, span), what).toEqual(
          scanned(records, indicator.sli, selector, span),
        );
      }
}

/** Every row of cells that there is, as it lies there. */
async function allRows(projections: Projections): Promise<{ [collection: string]: { [id: string]: unknown } }> {
  const generation = (await projections.cursor(counters.name))?.current.number ?? 1;
  const catalogue = openCatalogue(projections, generation);
  const scopes = ["servers", "tools"] as const;
  const series = [
    ...(await catalogue.select({ selector: {} })).series,
    ...(await catalogue.select({ selector: { tool: "*" } })).series,
  ];
  const lists = [...scopes, "failed", "definitions", "bad"];
  return rowsOf(projections, counters.name, [...lists, ...series.map(collectionOf)], generation);
}

const all = [counters];

describe.each(projectionStores)("counting on %s", (_, open) => {
  test.each([1, 2])(
    "any span of any selection holds what a plain scan of the records counts (seed %i)",
    async (seed) => {
      const { projections, close } = await open();
      const batches = await aMeteredFleet(seed, 150);
      const log = aLog();
      for (let from = 0; from < batches.length; from += 40) {
        await log.append(batches.slice(from, from + 40));
        await followAll({ ...log, projections }, all);
      }
      const whole = scanned(recordsIn(batches), "availability", {}, { from: 0, to: Number.POSITIVE_INFINITY });
      expect(whole.bad).toBeGreaterThan(100);
      await expectExact(projections, batches, seed);
      await close();
    },
  );

  test("made anew, every row is the same", async () => {
    const { projections, close } = await open();
    const batches = await aMeteredFleet(3, 60);
    const log = aLog();
    await log.append(batches);
    await followAll({ ...log, projections }, all);
    const before = await allRows(projections);
    expect(Object.keys(before).length).toBeGreaterThan(20);
    await startRebuild(projections, counters);
    await followAll({ ...log, projections }, all);
    expect((await projections.cursor(counters.name))?.current.number).toBe(2);
    expect(await allRows(projections)).toEqual(before);
    await close();
  });
});

describe("whatever goes wrong", () => {
  test("each call of each port, failed or killed before or after it did something: every call counts once", async () => {
    const batches = await aMeteredFleet(11, 12);
    const log = aLog();
    await log.append(batches);
    const expected = memoryProjections();
    await followAll({ ...log, projections: expected }, all);
    const rehearsal = faultyAt({ ...log, projections: memoryProjections() }, Number.POSITIVE_INFINITY, "failed");
    await followAll(rehearsal, all);
    for (let n = 0; n < rehearsal.calls.made; n += 1)
      for (const fault of faults) {
        const projections = memoryProjections();
        await followAll(faultyAt({ ...log, projections }, n, fault), all).catch(() => undefined);
        await followAll({ ...log, projections }, all);
        expect(await allRows(projections), `${n} ${fault}`).toEqual(await allRows(expected));
      }
    expect(rehearsal.calls.made).toBeGreaterThan(5);
  });

  test.each(Array.from({ length: 10 }, (_, i) => i + 1))(
    "two at once, in any order, some calls failing (seed %i)",
    async (seed) => {
      const batches = await aMeteredFleet(seed, 15);
      const log = aLog();
      await log.append(batches);
      const projections = memoryProjections();
      const one = (ports: FollowPorts): Promise<unknown> => followAll(ports, all, 1);
      await interleaved(seed, { ...log, projections }, [one, one], { failing: 0.1, lives: 5 });
      await followAll({ ...log, projections }, all);
      await expectExact(projections, batches, seed);
    },
  );
});

test("what comes later than minutes are kept counts in hours and days, and spoils nothing", async () => {
  const now = (first + 100 * day) * 60_000;
  const log = aLog();
  const projections = memoryProjections();
  const server = { id: "files" };
  await log.append([
    await aSignedBatch({ server, records: [aCall({ at: now })] }),
    await aSignedBatch({ server, seq: 1, records: [aCall({ at: now - 40 * 86_400_000 })] }),
    await aSignedBatch({ server, seq: 2, records: [aCall({ at: now + 86_400_000 })] }), // a day ahead, as ingest lets it
  ]);
  await followAll({ ...log, projections }, all);
  const minute = first + 100 * day;
  const of = (span: Span) => counted(projections, { sli: "availability" }, { server: "files" }, span);
  expect(await of({ from: minute - 41 * day, to: minute + 1 })).toEqual({ total: 2, bad: 0 });
  expect(await of(lastMinutes(minute, 30 * day))).toEqual({ total: 1, bad: 0 });
  expect(await of({ from: minute, to: minute + 2 * day })).toEqual({ total: 2, bad: 0 });
});

test("a ring holds no more rows than it keeps", async () => {
  const log = aLog();
  const projections = memoryProjections();
  const records = Array.from({ length: 40 }, (_, i) => aCall({ at: (first + i * 7 * day) * 60_000 }));
  for (const [seq, record] of records.entries()) await log.append([await aSignedBatch({ seq, records: [record] })]);
  await followAll({ ...log, projections }, all);
  const rows = (await allRows(projections))[collectionOf({ environment: "", server: "files" })] ?? {};
  for (const level of levels) {
    const ids = Object.keys(rows).filter((id) => id.startsWith(`${level.name}/`));
    expect(ids.length).toBeLessThanOrEqual(level.kept);
    expect(ids).toContain(slotOf(level, Math.floor((first + 39 * 7 * day) / level.cellMinutes / level.cells)));
  }
});

test("an evaluation reads as many rows for a thousand calls as for a hundred thousand", async () => {
  const slo: Slo = {
    name: "files",
    indicator: { sli: "availability", selector: { environment: "", server: "files" } },
    budget: { numerator: 1, denominator: 1_000 },
    period: { kind: "rolling", minutes: 30 * day },
    rules: standardRules,
  };
  const reads = async (calls: number): Promise<number> => {
    const rows = new Map<string, unknown>();
    const leaf = {
      number: 0,
      emitter: "e",
      seq: 0,
      index: 1,
      count: 2,
      server: { id: "files" },
      receivedAtMs: 0,
      lastAt: 0,
    };
    for (let i = 0; i < calls; i += 1) {
      const record = aCall({
        at: (first + Math.floor((i / calls) * 30 * day)) * 60_000,
        outcome: { class: i % 7 ? "ok" : "tool_error" },
      });
      const keys = counters.rowsOf({ ...leaf, record });
      const values = counters.fold(
        keys.map(({ collection, id }) => rows.get(`${collection}\n${id}`) as never),
        { ...leaf, record },
      );
      for (const [j, { collection, id }] of keys.entries()) rows.set(`${collection}\n${id}`, values[j]);
    }
    let read = 0;
    const projections: Pick<Projections, "read"> = {
      async read(_name, _generation, keys) {
        read += keys.length;
        return keys.map(({ collection, id }) => {
          const value = rows.get(`${collection}\n${id}`);
          return value === undefined ? undefined : { collection, id, value: value as never };
        });
      },
    };
    const minute = first + 30 * day - 1;
    const series = [{ environment: "", server: "files" }];
    const selection = { series };
    const found = await readFor(projections, 1, [{ slo, selection }], minute);
    expect(countIn(found, selection, slo.indicator, lastMinutes(minute, 30 * day)).total).toBe(calls);
    return read;
  };
  const few = await reads(1_000);
  expect(few).toBeLessThanOrEqual(70);
  expect(await reads(100_000)).toBe(few);
});
