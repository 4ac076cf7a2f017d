import { mkdirSync, writeFileSync } from "node:fs";
import type { SlosPage } from "@tooltrail/api/types";
import { counters } from "@tooltrail/core/follow/counters";
import type { Projections } from "@tooltrail/core/follow/ports";
import type { LogLeaf } from "@tooltrail/core/follow/projection";
import { evaluateSlos } from "@tooltrail/core/slo/alerts";
import { readSlos } from "@tooltrail/core/slo/slos";
import { openDatabase } from "@tooltrail/local/sqlite";
import { sqliteProjections } from "@tooltrail/local/sqlite-projections";
import { sleep } from "../chaos/processes.ts";
import { aCall } from "../support/batches.ts";
import { type PagerDuty, startPagerDuty } from "../support/destinations/pagerduty.ts";
import { countersCost } from "./budgets-cost.ts";
import { type Figure, figure, ofRounds } from "./figures.ts";
import { type OneMachine, startOneMachine } from "./one-machine.ts";
import type { Scale } from "./scale.ts";
import { inScratch } from "./scratch.ts";
import { median } from "./statistics.ts";

const minuteMs = 60_000;

/** Error budgets: how long a look at many SLOs takes, and how soon what burns is said. */
export const benchBudgets = ({ budgets: { servers, rounds, waits, counted } }: Scale): Promise<Figure[]> =>
  inScratch(async (dir) => {
    const nowMs = Math.floor(Date.now() / minuteMs) * minuteMs;
    const looks: { burning: number; healthy: number }[] = [];
    for (let round = -1; round < rounds; round += 1) {
      const [burning, healthy] = [
        await lookAt(`${dir}/burning-${round}`, servers, nowMs, true),
        await lookAt(`${dir}/healthy-${round}`, servers, nowMs, false),
      ];
      if (round >= 0) looks.push({ burning, healthy }); // the first is a warm-up
    }
    const of = `${(2 * servers).toLocaleString("en-US")} SLOs`;
    const figures = [
      ofRounds(
        `${of}, every one with something bad: a look`,
        looks.map(({ burning }) => burning),
        "s",
        { atMost: 2 },
      ),
      ofRounds(
        `${of}, healthy: a look`,
        looks.map(({ healthy }) => healthy),
        "s",
      ),
    ];
    const pager = await startPagerDuty();
    tellPager(`${dir}/data/response`, pager);
    const pipeline = await startOneMachine(dir, { TOOLTRAIL_SECRET_PAGER: pager.routingKey });
    const waited: number[] = [];
    const told: number[] = [];
    for (let i = 0; i < waits; i += 1) {
      const began = performance.now();
      waited.push(await untilSaid(pipeline, `server-${i}`, began));
      told.push(await untilTold(pager, `server-${i}`, began));
    }
    await pipeline.stop();
    await pager.stop();
    return [
      ...figures,
      figure("PutEvents to slo.burn.started, slowest", Math.max(...waited), "s", { target: { atMost: 15 } }),
      figure("PutEvents to slo.burn.started, p50", median(waited), "s"),
      figure("PutEvents to a page at PagerDuty, slowest", Math.max(...told), "s", { target: { atMost: 20 } }),
      figure("PutEvents to a page at PagerDuty, p50", median(told), "s"),
      ...countersCost(counted),
    ];
  });

/** Three days of calls of each server, an hour apart, with slow ones and failures among them, or neither. @returns seconds of processor time of an evaluation of all. */
async function lookAt(dataDir: string, servers: number, nowMs: number, burning: boolean): Promise<number> {
  const db = openDatabase(dataDir, false);
  const projections = sqliteProjections(db);
  for (let server = 0; server < servers; server += 1) await fill(projections, `server-${server}`, nowMs, burning);
  const events = { publish: async () => undefined };
  const began = process.cpuUsage();
  const evaluation = await evaluateSlos({ projections, events }, await readSlos(projections, nowMs), nowMs, undefined);
  const { user, system } = process.cpuUsage(began);
  if (evaluation.looked !== (burning ? 2 * servers : 0)) throw new Error(`${evaluation.looked} SLOs were looked at.`);
  db.close();
  return (user + system) / 1_000_000;
}

/** As the follower would fill them, a server's rows in one commit. */
async function fill(projections: Projections, server: string, nowMs: number, burning: boolean): Promise<void> {
  const rows = new Map<string, { collection: string; id: string; value: ReturnType<typeof counters.fold>[number] }>();
  for (let hour = 71; hour >= 0; hour -= 1)
    for (const bad of [false, true]) {
      const at = nowMs - hour * 3_600_000;
      const record = aCall({ at, durationUs: bad && burning ? 20_000_000 : 1_000, outcome: { class: "ok" } });
      const failed = aCall({ at, outcome: { class: bad && burning ? "timeout" : "ok" } });
      for (const call of [record, failed]) {
        const leaf: LogLeaf = {
          number: 0,
          emitter: "e",
          seq: 0,
          index: 1,
          count: 2,
          server: { id: server },
          receivedAtMs: at,
          lastAt: at,
          record: call,
        };
        const keys = counters.rowsOf(leaf);
        const values = counters.fold(
          keys.map(({ collection, id }) => rows.get(`${collection}\n${id}`)?.value),
          leaf,
        );
        for (const [i, key] of keys.entries()) rows.set(`${key.collection}\n${key.id}`, { ...key, value: values[i] });
      }
    }
  const all = [...rows.values()];
  for (let from = 0; from < all.length; from += 99) {
    const before = await projections.cursor(counters.name);
    const to = { current: { number: 1, version: counters.version, leaf: (before?.current.leaf ?? 0) + 1 } };
    await projections.commit(counters.name, { from: before, to, generation: 1, rows: all.slice(from, from + 99) });
  }
}

function tellPager(folder: string, { url }: PagerDuty): void {
  mkdirSync(folder, { recursive: true });
  const documents = [
    `{kind: Destination, name: pager, type: pagerduty, url: "${url}", routingKey: {secret: pager}}`,
    "{kind: ResponsePolicy, name: all, levels: [{targets: [pager], waitMinutes: 5}], rounds: 1, acknowledgedForMinutes: 30, tickets: [], executors: []}",
  ];
  writeFileSync(`${folder}/all.yaml`, documents.join("\n---\n"));
}

/** @returns seconds from the first of ten failing calls until an alert of the server fires. Each is in an environment of its own, or they were one incident. */
async function untilSaid(pipeline: OneMachine, server: string, began: number): Promise<number> {
  const call = JSON.stringify({ server, environment: server, tool: "read", outcome: "timeout" });
  await pipeline.put(
    Array.from({ length: 10 }, () => call),
    "MCP Tool Call",
  );
  for (;;) {
    const { body } = await pipeline.get(`/v1/slos?server=${server}&firing=true`);
    const seconds = (performance.now() - began) / 1_000;
    if ((JSON.parse(body) as SlosPage).slos.length > 0) return seconds;
    if (seconds > 60) throw new Error(`After ${seconds} s nothing fires.`);
    await sleep(100);
  }
}

async function untilTold(pager: PagerDuty, server: string, began: number): Promise<number> {
  for (;;) {
    const seconds = (performance.now() - began) / 1_000;
    if (pager.incidents().some(({ payload }) => payload.source === server)) return seconds;
    if (seconds > 60) throw new Error(`After ${seconds} s nobody was paged.`);
    await sleep(20);
  }
}
