import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually, makePlace, node, type Ran, root, startPipeline, tooltrail } from "../support/pipeline.ts";

interface Said {
  readonly minute: string | number;
  readonly rule: string;
  readonly state: "firing" | "cleared";
  readonly burnLong: number;
  readonly burnShort: number;
  readonly budgetSpent: number;
}

const place = makePlace();
afterAll(() => place.remove());

const put = (name: string, text: string): string => {
  writeFileSync(join(place.dir, name), text);
  return name;
};

const definition = (days: number, indicator = "") => `
apiVersion: openslo/v1
kind: SLO
metadata: {name: within-${days}-days}
spec:
  ${indicator}
  budgetingMethod: Occurrences
  timeWindow: [{duration: ${days}d, isRolling: true}]
  objectives: [{target: 0.999}]
`;

/** Of constant traffic: calls in a minute, of which so many are bad. */
type Minute = readonly [total: number, bad: number];

const healthy: readonly Minute[] = Array.from({ length: 73 * 60 }, () => [1_000, 0]);
const bad = (minutes: number, perMille: number): Minute[] => Array.from({ length: minutes }, () => [1_000, perMille]);

/** How minutes are written, the first of them being minute 0 of the series. */
const forms = [
  { form: "numbers", at: (minute: number): string | number => 29_000_000 + minute },
  {
    form: "ISO times",
    at: (minute: number): string | number =>
      new Date(Date.parse("2026-01-31T12:00:00Z") + minute * 60_000).toISOString().replace(".000Z", "Z"),
  },
];

const csv = (minutes: readonly (Minute | undefined)[], at: (minute: number) => string | number): string =>
  minutes.flatMap((count, minute) => (count ? [`${[at(minute), ...count].join(",")}\n`] : [])).join("");

async function replayed(...args: string[]): Promise<Said[]> {
  const { code, stdout, stderr } = await tooltrail(place, "http://127.0.0.1:1", "slo", "replay", ...args, "--json");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return JSON.parse(stdout) as Said[];
}

beforeAll(() => void put("slos.yaml", `${definition(28)}---${definition(30)}`));

describe.each(forms)(
  "the worked points of the SRE Workbook, 99.9 % after 73 healthy hours, minutes as $form",
  ({ form, at }) => {
    /** In which bad minute, counted from 1, each rule begins to fire. */
    test.each([
      [30, 1_000, { "page-1h": 1, "page-6h": 3, "ticket-1d": 5, "ticket-3d": 5 }],
      [30, 100, { "page-1h": 9, "page-6h": 22, "ticket-1d": 44, "ticket-3d": 44 }],
      [28, 1_000, { "page-1h": 1, "page-6h": 3, "ticket-1d": 5, "ticket-3d": 5 }],
      [28, 100, { "page-1h": 9, "page-6h": 21, "ticket-1d": 41, "ticket-3d": 41 }],
    ])("over %d days, of %d ‰ errors", async (days, perMille, fires) => {
      const file = put("errors.csv", `minute,total,bad\n${csv([...healthy, ...bad(60, perMille)], at)}`);
      const said = await replayed("slos.yaml", "--slo", `within-${days}-days`, "--series", file, "--plain");
      expect(said.filter(({ state }) => state === "cleared")).toEqual([]);
      expect(Object.fromEntries(said.map(({ rule, minute }) => [rule, minute]))).toEqual(
        Object.fromEntries(Object.entries(fires).map(([rule, minute]) => [rule, at(healthy.length + minute - 1)])),
      );
      expect(said.every(({ minute }) => typeof minute === (form === "numbers" ? "number" : "string"))).toBe(true);
    });

    test.each([28, 30])(
      "over %d days, errors of 150 ‰ for ten minutes page in the sixth, until five minutes after the last",
      async (days) => {
        const file = put("burst.csv", csv([...healthy, ...bad(10, 150), ...bad(30, 0)], at));
        const said = await replayed("slos.yaml", "--slo", `within-${days}-days`, "--series", file, "--plain");
        const [fired, cleared, ...more] = said.filter(({ rule }) => rule === "page-1h");
        expect(more).toEqual([]);
        expect(fired).toEqual({
          minute: at(healthy.length + 5),
          rule: "page-1h",
          state: "firing",
          burnLong: expect.closeTo(15, 9),
          burnShort: expect.closeTo(150, 9),
          // Of all that there is: 900 of 4,386,000 calls, and a thousandth may be bad.
          budgetSpent: expect.closeTo(900 / 4_386, 9),
        });
        expect(cleared).toMatchObject({ minute: at(healthy.length + 14), state: "cleared", burnShort: 0 });
      },
    );
  },
);

describe("as in a running pipeline", () => {
  const { at } = forms[0] as (typeof forms)[number];
  const replay = (minutes: readonly (Minute | undefined)[], ...flags: string[]) =>
    replayed(put("30.yaml", definition(30)), "--series", put("minutes.csv", csv(minutes, at)), ...flags);

  test("a tie, exactly 14.4 times the budget, does not fire", async () => {
    const tie = Array.from({ length: 120 }, (): Minute => [10_000, 144]);
    expect((await replay(tie, "--plain")).map(({ rule }) => rule)).not.toContain("page-1h");
    expect((await replay([...tie, [10_000, 145]], "--plain")).map(({ rule }) => rule)).toContain("page-1h");
  });

  test("a gap is no data: what fires goes on, and clears when calls are good again", async () => {
    const gap: undefined[] = Array(120).fill(undefined);
    const said = await replay([...healthy, ...bad(10, 1_000), ...gap, ...bad(10, 0)], "--plain");
    const back = healthy.length + 10 + gap.length;
    expect(said.filter(({ rule }) => rule === "page-1h").map(({ minute, state }) => [minute, state])).toEqual([
      [at(healthy.length), "firing"],
      [at(back), "cleared"],
    ]);
  });

  test("without --plain, one call that fails among few pages nobody, and an alert stays until three minutes are quiet", async () => {
    const few: Minute[] = [...Array(60).fill([1, 0]), [1, 1], ...Array(60).fill([1, 0])];
    expect(await replay(few)).toEqual([]);
    expect((await replay(few, "--plain")).length).toBeGreaterThan(0);
    const burst = [...healthy, ...bad(10, 1_000), ...bad(30, 0)];
    const clears = async (...flags: string[]) =>
      (await replay(burst, ...flags)).find(({ rule, state }) => rule === "page-1h" && state === "cleared")?.minute;
    expect([await clears("--plain"), await clears()]).toEqual([healthy.length + 14, healthy.length + 16].map(at));
  });

  test("rows in any order, with CRLF and a header, from stdin, are the same series", async () => {
    const rows = csv([...healthy, ...bad(10, 1_000)], at)
      .split("\n")
      .filter(Boolean);
    const shuffled = rows.map((row, i) => [(i * 7_919) % rows.length, row] as const).sort(([a], [b]) => a - b);
    const input = ["minute,total,bad", ...shuffled.map(([, row]) => row), "", ""].join("\r\n");
    const args = ["slo", "replay", "30.yaml", "--series", "-", "--json"];
    const { status, stdout } = spawnSync(node, [join(root, "packages/cli/bin/tooltrail.js"), ...args], {
      cwd: place.dir,
      env: place.env(),
      input,
      encoding: "utf8",
    });
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toEqual(await replay([...healthy, ...bad(10, 1_000)]));
  });

  test("people read a line for each transition, and that there is none", async () => {
    const run = (): Promise<Ran> =>
      tooltrail(place, "http://127.0.0.1:1", "slo", "replay", "30.yaml", "--series", "minutes.csv", "--plain");
    put("30.yaml", definition(30));
    put("minutes.csv", csv([...healthy, ...bad(10, 150)], (forms[1] as (typeof forms)[number]).at));
    expect((await run()).stdout.split("\n")[0]).toBe(
      "2026-02-03T13:05:00Z page-1h firing burn 15.0x over 1h, 150.0x over 5m, 20.5 % of the budget spent",
    );
    put("minutes.csv", csv(healthy, at));
    expect(await run()).toEqual({ code: 0, stdout: "", stderr: "Nothing fires from 29000000 to 29004379.\n" });
  });
});

describe("what is wrong is told with its place, and exits with 64", () => {
  test.each([
    ["minute,total,bad\n7,10,11\n", /^minutes\.csv:2: bad: 11 is more than the total, 10\. Write how many/],
    ["7,10,1\n8,ten,1\n", /^minutes\.csv:2: total: "ten" is no number of calls\. Write a whole number/],
    ["7,10,1\n9,10,1\n7,10,1\n", /^minutes\.csv:3: minute: 7 is in line 1 already\. Keep one of the two\.$/m],
    [
      "2026-01-31T12:05:01Z,10,1\n",
      /^minutes\.csv:1: minute: "2026-01-31T12:05:01Z" is within a minute\. Write its beginning/,
    ],
    [
      "7,10,1\n2026-01-31T12:05:00Z,10,1\n",
      /^minutes\.csv:2: minute: 2026-01-31T12:05:00Z is a time, and line 1 has a number/,
    ],
    [
      "0,10,1\n600000,10,1\n",
      /^minutes\.csv:2: minute: 600000 is too far from 0 in line 1\. Replay at most 600000 minutes/,
    ],
    ["", /^minutes\.csv:1: row: There is none\. Write minute,total,bad/],
  ])("%j", async (text, said) => {
    put("30.yaml", definition(30));
    put("minutes.csv", text);
    const ran = await tooltrail(place, "http://127.0.0.1:1", "slo", "replay", "30.yaml", "--series", "minutes.csv");
    expect(ran).toEqual({ code: 64, stdout: "", stderr: expect.stringMatching(said) });
  });

  test.each([
    [["slos.yaml", "--series", "one.csv"], /--slo: slos\.yaml has within-28-days, within-30-days\. Name one of them\./],
    [["slos.yaml", "--series", "one.csv", "--slo", "x"], /--slo: slos\.yaml has .*, and no x\./],
    [["30.yaml"], /--series, or --from-log: /],
    [["30.yaml", "--series", "nowhere.csv"], /nowhere\.csv cannot be read \(ENOENT\)/],
    [["faulty.yaml", "--series", "one.csv"], /^faulty\.yaml:9:17 objectives\[0\]\.target: 99\.9 is not a fraction/],
    [["30.yaml", "--from-log"], /^30\.yaml:5:1 indicator: is missing\./],
  ])("%j", async (args, said) => {
    put("30.yaml", definition(30));
    put("faulty.yaml", definition(30).replace("0.999", "99.9"));
    put("one.csv", "7,10,1\n");
    const ran = await tooltrail(place, "http://127.0.0.1:1", "slo", "replay", ...args);
    expect(ran).toEqual({ code: 64, stdout: "", stderr: expect.stringMatching(said) });
  });
});

test("what the pipeline has counted is replayed as the same minutes from a file would be", async () => {
  const pipeline = await startPipeline(place);
  try {
    const source = "metricSource: {type: tooltrail, spec: {sli: availability, server: billing}}";
    put("log.yaml", definition(30, `indicator: {spec: {ratioMetric: {good: {${source}}, total: {${source}}}}}`));
    const last = Math.floor(Date.now() / 60_000) - 1;
    // 40 minutes with ten calls each, of which all fail in ten minutes.
    const minutes = Array.from({ length: 40 }, (_, i) => ({ minute: last - 40 + i, bad: i >= 20 && i < 30 ? 10 : 0 }));
    for (const { minute, bad: failed } of minutes) {
      const Entries = Array.from({ length: 10 }, (_, i) => ({
        Source: "test",
        EventBusName: "tooltrail",
        DetailType: "MCP Tool Call",
        Detail: JSON.stringify({
          server: "billing",
          tool: "refund",
          outcome: i < failed ? "timeout" : "ok",
          id: `${minute}-${i}`,
          at: minute * 60_000 + i,
        }),
      }));
      const sent = await fetch(pipeline.endpoint, {
        method: "POST",
        headers: { "x-amz-target": "AWSEvents.PutEvents", "content-type": "application/x-amz-json-1.1" },
        body: JSON.stringify({ Entries }),
      });
      expect(await sent.json()).toMatchObject({ FailedEntryCount: 0 });
    }
    const iso = (minute: number): string => new Date(minute * 60_000).toISOString().replace(".000Z", "Z");
    put("log.csv", minutes.map(({ minute, bad: failed }) => `${iso(minute)},10,${failed}\n`).join(""));
    const expected = await replayed("log.yaml", "--series", "log.csv");
    expect(expected).toContainEqual(expect.objectContaining({ rule: "page-1h", state: "firing" }));
    const fromLog = (...flags: string[]): Promise<Ran> =>
      tooltrail(place, pipeline.endpoint, "slo", "replay", "log.yaml", "--from-log", "--json", ...flags);
    await eventually(fromLog, ({ stdout }) => JSON.stringify(JSON.parse(stdout)) === JSON.stringify(expected), 30_000);
    // None of it is as new as that.
    expect(await fromLog("--since", "1m")).toEqual({ code: 0, stdout: "[]\n", stderr: "" });
  } finally {
    await pipeline.stop();
  }
});
