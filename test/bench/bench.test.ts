import { canonical, checkSeal, open } from "@tooltrail/format";
import { expect, test } from "vitest";
import { dynamoDbMissing } from "../support/dynamodb-local.ts";
import { itemBytes } from "./dynamo-recorder.ts";
import { figure, tableOf } from "./figures.ts";
import { type PartName, partNames, runBench } from "./run.ts";
import { sampleCalls } from "./sample-calls.ts";
import { scales } from "./scale.ts";
import { quantile, slope } from "./statistics.ts";
import { aCaller, createTrafficEmitter, timesFrom } from "./traffic.ts";

/** What each part must say whatever the machine: a figure by its name, and the bounds outside of which the measuring itself is broken. */
const sane: { readonly [part in PartName]: readonly (readonly [name: string, least: number, most: number])[] } = {
  proxy: [
    ["1 caller, proxy to bare relay, p50", 0.2, 200],
    ["32 callers, proxy, throughput", 10, 1_000_000],
    ["calls of the proxy not on record", 0, 0],
  ],
  pipeline: [
    ["50 a batch, PutEvents to ledger", 10, 1_000_000],
    ["50 a batch, pipeline to bare loop", 0.000_1, 2],
  ],
  cost: [
    ["1 a batch, EventBridge", 1, 1],
    ["50 a batch, EventBridge", 0.02, 0.02],
    ["50 a batch, all together", 0.05, 2],
  ],
  cold: [
    ["ingest to empty", 0.5, 50],
    ["api, bundle", 50_000, 5_000_000],
  ],
  query: [["1,000 records, one person, p99", 0.1, 5_000]],
  log: [
    ["sequenced, 200 batches of 50 at a time", 10, 1_000_000],
    ["verify to a bare loop that parses, canonicalises and hashes", 0.000_1, 2],
    ["a receipt, p99", 0.1, 5_000],
    ["PutEvents to signed checkpoint, slowest", 0.01, 60],
    ["KMS, an idle month", 0.05, 0.1],
  ],
  budgets: [
    ["20 SLOs, every one with something bad: a look", 0.000_1, 60],
    ["PutEvents to slo.burn.started, slowest", 0.01, 60],
  ],
  memory: [
    ["proxy, most over 1,000 calls", 20, 1_000],
    ["pipeline, most over 1,000 calls", 20, 1_000],
  ],
};

test.each(partNames)("%s measures what it says, and judges it", async (part) => {
  const { parts } = await runBench({ only: [part], scale: scales.tiny, say: () => undefined });
  const { figures, skipped } = parts[0] ?? { figures: [] };
  if (skipped !== undefined) {
    expect([part, skipped]).toEqual(["cost", dynamoDbMissing()]);
    return;
  }
  const named = new Map(figures.map((one) => [one.name, one.value]));
  expect(named.size).toBe(figures.length);
  for (const { name, value } of figures) expect([name, Number.isFinite(value)]).toEqual([name, true]);
  for (const [name, least, most] of sane[part]) {
    expect([name, named.get(name)]).toEqual([name, expect.any(Number)]);
    expect(named.get(name)).toBeGreaterThanOrEqual(least);
    expect(named.get(name)).toBeLessThanOrEqual(most);
  }
  expect(figures.some(({ met }) => met !== undefined)).toBe(true);
});

test("its traffic is sound: canonical records, signed in a chain", async () => {
  const emitter = createTrafficEmitter("server", await sampleCalls());
  const [first, second] = [
    await emitter.next(timesFrom(1_000, 9), [aCaller(1)]),
    await emitter.next(timesFrom(2_000, 9), [aCaller(1), aCaller(2)]),
  ];
  for (const { headers, sig, body, sides } of [first, second]) {
    expect(checkSeal({ headers, sig, body, sides })).toBeUndefined();
    const opened = open(headers, body);
    if ("fault" in opened) throw new Error(opened.fault);
    expect(opened.lines).toEqual(opened.records.map(canonical));
  }
  expect(second.headers).toMatchObject({ seq: 1, count: 9, firstAt: 2_000, lastAt: 2_008 });
});

test("a target is judged by what was measured, and said", () => {
  const figures = [
    figure("a", 1.3, "x", { target: { atMost: 1.3 } }),
    figure("b", 0.39, "x", { target: { atLeast: 0.4 } }),
    figure("c", 5, "ms"),
  ];
  expect(figures.map(({ met }) => met)).toEqual([true, false, undefined]);
  const [, a, b, c] = tableOf("part", figures).split("\n");
  expect(a).toMatch(/^a +1\.3 x +<= 1\.3 +met$/);
  expect(b).toMatch(/^b +0\.39 x +>= 0\.4 +NOT MET$/);
  expect(c).toMatch(/^c +5 ms$/);
});

test.each([
  [[3, 1, 2], 0.5, 2],
  [[1, 2, 3, 4], 0.5, 2],
  [Array.from({ length: 100 }, (_, i) => i + 1), 0.99, 99],
  [[7], 0.99, 7],
])("of %j the quantile %d is %d", (values, share, expected) => {
  expect(quantile(values, share)).toBe(expected);
});

test("a slope is what memory gains a call, and a flat line has none", () => {
  expect(slope([0, 1, 2].map((x) => [x, 10 + 2 * x] as const))).toBe(2);
  expect(slope([0, 1, 2].map((x) => [x, 10] as const))).toBe(0);
});

// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
test("an item is as large as DynamoDB says: names, texts in UTF-8, bytes, numbers by their digits", () => {
  expect(itemBytes({ pk: { S: "é" }, b: { B: Buffer.alloc(10).toString("base64") }, n: { N: "1234567" } })).toBe(
    2 + 2 + (1 + 10) + (1 + 5),
  );
});
