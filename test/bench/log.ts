import { rmSync } from "node:fs";
import { join } from "node:path";
import type { InventoryPage, ServerRow } from "@tooltrail/api/types";
import { sleep, start } from "../chaos/processes.ts";
import { randomFrom } from "../support/pieces.ts";
import { type Figure, figure, ofRounds } from "./figures.ts";
import { createLedgerFiller } from "./filled-ledger.ts";
import { type LogBuilder, openLog } from "./filled-log.ts";
import { logCost } from "./log-cost.ts";
import { detailOf, type OneMachine, startOneMachine } from "./one-machine.ts";
import { source, startAnswering, stop } from "./processes.ts";
import { residentMb } from "./resident.ts";
import { sampleCalls } from "./sample-calls.ts";
import type { Scale } from "./scale.ts";
import { inScratch } from "./scratch.ts";
import { median, quantile } from "./statistics.ts";
import { aCaller, createTrafficEmitter, timesFrom } from "./traffic.ts";

/** The log: how fast it grows, is checked, proves and is signed, and what its requests cost. */
export const benchLog = ({ log: { records, rounds, proofs, waits } }: Scale): Promise<Figure[]> =>
  inScratch(async (dir) => {
    const samples = await sampleCalls();
    const filler = createLedgerFiller(dir, samples, records);
    const dataDir = join(dir, "data");
    let log: LogBuilder | undefined;
    let seconds = 0;
    await filler.growTo(records, async (db, batches) => {
      log ??= openLog(db, dataDir);
      const began = performance.now();
      await log.sequence(batches);
      seconds += (performance.now() - began) / 1_000;
      await log.sign(Date.now());
    });
    const figures = [figure("sequenced, 200 batches of 50 at a time", records / seconds, "records/s")];
    figures.push(...(await verifyAll(dir, records, rounds)));

    const pipeline = await startOneMachine(dir);
    figures.push(figure("followed, all projections", records / (await untilFollowed(pipeline, records)), "records/s"));
    const emitter = createTrafficEmitter("server-0", samples);
    const waited: number[] = [];
    for (let i = 0; i < waits; i += 1)
      waited.push(await untilSigned(pipeline, await emitter.next(timesFrom(Date.now(), 50, 0), [aCaller(i)])));
    figures.push(
      figure("PutEvents to signed checkpoint, slowest", Math.max(...waited), "s", { target: { atMost: 10 } }),
    );
    figures.push(figure("PutEvents to signed checkpoint, p50", median(waited), "s"));
    // After a start over a full ledger there is still something to look through, which by now is done.
    figures.push(...(await proveSome(pipeline, filler.asked.ids, proofs)));
    await pipeline.stop();
    return [...figures, ...(await logCost(samples))];
  });

/** `verify` of the whole folder, ledger too, as a person runs it, against a bare loop over the same entries; by turns. */
async function verifyAll(dir: string, records: number, rounds: number): Promise<Figure[]> {
  const bare = startAnswering([source("test/bench/servers/bare-verify.ts")]);
  const pairs: { verify: Verified; bareSeconds: number }[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const bareFirst = async () => Number((await bare.ask(join(dir, "data/log"))).split(" ")[0]);
    const before = round % 2 === 0 ? await bareFirst() : undefined;
    const verify = await verifyOnce(dir);
    pairs.push({ verify, bareSeconds: before ?? (await bareFirst()) });
  }
  await stop(bare.started);
  const of = `${records.toLocaleString("en-US")} records`;
  return [
    ofRounds(
      `verify, ${of}`,
      pairs.map(({ verify }) => verify.seconds),
      "s",
    ),
    ofRounds(
      "verify to a bare loop that parses, canonicalises and hashes",
      pairs.map(({ verify, bareSeconds }) => bareSeconds / verify.seconds),
      "x",
      { atLeast: 0.5 },
    ),
    figure(`verify, most memory over ${of}`, Math.max(...pairs.map(({ verify }) => verify.mostMb)), "MB", {
      target: { atMost: 300 },
    }),
  ];
}

interface Verified {
  readonly seconds: number;
  readonly mostMb: number;
}

async function verifyOnce(dir: string): Promise<Verified> {
  const pins = join(dir, "pins");
  rmSync(pins, { recursive: true, force: true });
  const env = { ...process.env, TOOLTRAIL_PINS: pins };
  const began = performance.now();
  const args = [source("packages/cli/bin/tooltrail.js"), "verify", "--from", join(dir, "data"), "--json"];
  const running = start(args, { env, stdio: ["ignore", "ignore", "inherit"] });
  let ended = false;
  const end = running.ended.then(() => {
    ended = true;
  });
  let mostMb = 0;
  while (!ended) {
    mostMb = Math.max(mostMb, residentMb(running.pid) ?? 0);
    await Promise.race([end, sleep(50)]);
  }
  const seconds = (performance.now() - began) / 1_000;
  if (running.child.exitCode !== 0) throw new Error(`verify ended with ${running.child.exitCode}.`);
  return { seconds, mostMb };
}

/** @returns seconds from the start until the inventory counts every call. */
async function untilFollowed(pipeline: OneMachine, calls: number): Promise<number> {
  const began = performance.now();
  for (;;) {
    const { body } = await pipeline.get("/v1/inventory/servers?limit=1000");
    const counted = (JSON.parse(body) as InventoryPage<ServerRow>).entries.reduce(
      (sum, { calls: some }) => sum + some,
      0,
    );
    const seconds = (performance.now() - began) / 1_000;
    if (counted >= calls) return seconds;
    if (seconds > 1_800) throw new Error(`After ${seconds} s the inventory counts ${counted} calls of ${calls}.`);
    await sleep(500);
  }
}

/** Receipts over HTTP, audit record included, one client, one question at a time. */
async function proveSome(pipeline: OneMachine, ids: readonly string[], proofs: number): Promise<Figure[]> {
  const random = randomFrom(7);
  const latenciesMs: number[] = [];
  for (let i = -Math.ceil(proofs / 10); i < proofs; i += 1) {
    const id = ids[Math.floor(random() * ids.length)];
    const began = performance.now();
    const { status, body } = await pipeline.get(`/v1/records/${id}/proof`);
    if (status !== 200) throw new Error(`The proof of ${id} was answered ${status}: ${body.slice(0, 500)}`);
    if (i >= 0) latenciesMs.push(performance.now() - began);
  }
  return [
    figure("a receipt, p50", median(latenciesMs), "ms"),
    figure("a receipt, p99", quantile(latenciesMs, 0.99), "ms", { target: { atMost: 20 } }),
  ];
}

/** @returns seconds from PutEvents until a checkpoint has the batch's last record. */
async function untilSigned(pipeline: OneMachine, envelope: Parameters<typeof detailOf>[0]): Promise<number> {
  const { emitter, seq, count } = envelope.headers;
  const began = performance.now();
  await pipeline.put([detailOf(envelope)]);
  for (;;) {
    const { status } = await pipeline.get(`/v1/records/rec_${emitter}_${seq}_${count - 1}/proof`);
    const seconds = (performance.now() - began) / 1_000;
    if (status === 200) return seconds;
    if (seconds > 60) throw new Error(`After ${seconds} s the batch is in no signed checkpoint.`);
    await sleep(100);
  }
}
