import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { CallRecord } from "@tooltrail/format";
import { openDatabase } from "@tooltrail/local/sqlite";
import { type Figure, ofRounds } from "./figures.ts";
import { detailOf, type OneMachine, startOneMachine } from "./one-machine.ts";
import { source, startAnswering, stop } from "./processes.ts";
import { sampleCalls } from "./sample-calls.ts";
import type { Scale } from "./scale.ts";
import { inScratch } from "./scratch.ts";
import { aCaller, createTrafficEmitter, timesFrom } from "./traffic.ts";

const emitters = 8;
const entriesPerRequest = 10;
/** Senders that wait for an answer at the same time. */
const senders = 4;

/** PutEvents to durable ledger, against a bare loop that parses, hashes and inserts the same bytes. */
export const benchPipeline = ({ pipeline: { rounds, records } }: Scale): Promise<Figure[]> =>
  inScratch(async (dir) => {
    const samples = await sampleCalls();
    const pipeline = await startOneMachine(dir);
    const bare = startAnswering([source("test/bench/servers/bare-loop.ts"), join(dir, "bare.db")]);
    const figures: Figure[] = [];
    let batches = 0;
    for (const perBatch of [1, 50] as const) {
      const cells: { pipeline: number; bare: number }[] = [];
      // The first round warms both, and does not count.
      for (let round = 0; round <= rounds; round += 1) {
        const load = await makeLoad(samples, records[perBatch] / perBatch, perBatch);
        batches += load.details.length;
        const file = join(dir, "load.ndjson");
        writeFileSync(file, load.details.join("\n"));
        const measure = {
          pipeline: () => storeAll(pipeline, load),
          bare: async () => Number(await bare.ask(file)),
        };
        const cell = { pipeline: 0, bare: 0 };
        for (const variant of round % 2 === 0 ? (["pipeline", "bare"] as const) : (["bare", "pipeline"] as const))
          cell[variant] = records[perBatch] / (await measure[variant]());
        if (round > 0) cells.push(cell);
      }
      figures.push(...figuresOf(perBatch, cells));
    }
    await stop(bare.started);
    await pipeline.stop();
    expectAll(join(dir, "data"), batches);
    return figures;
  });

interface Load {
  readonly details: readonly string[];
  /** The last record of each emitter. */
  readonly last: readonly string[];
}

async function makeLoad(samples: readonly CallRecord[], batches: number, perBatch: number): Promise<Load> {
  const some = Array.from({ length: Math.min(emitters, batches) }, (_, i) =>
    createTrafficEmitter(`server-${i}`, samples),
  );
  const details: string[] = [];
  const now = Date.now();
  for (let i = 0; i < batches; i += 1) {
    const envelope = await some[i % some.length]?.next(timesFrom(now + i, perBatch), [aCaller(i % 100)]);
    if (envelope) details.push(detailOf(envelope));
  }
  return { details, last: some.map((emitter) => emitter.lastId()) };
}

/** @returns seconds from the first byte sent until all is in the ledger. */
async function storeAll(pipeline: OneMachine, { details, last }: Load): Promise<number> {
  const began = performance.now();
  let next = 0;
  const sendOn = async (): Promise<void> => {
    while (next < details.length) {
      const entries = details.slice(next, next + entriesPerRequest);
      next += entries.length;
      await pipeline.put(entries);
    }
  };
  await Promise.all(Array.from({ length: senders }, sendOn));
  for (const id of last) await pipeline.untilReadable(id);
  return (performance.now() - began) / 1_000;
}

/** Speed is worth nothing where anything was refused. */
function expectAll(dataDir: string, batches: number): void {
  const db = openDatabase(dataDir, false);
  const count = (query: string): number => Number(Object.values(db.prepare(query).get() ?? {})[0]);
  const stored = count("SELECT count(*) FROM ledger WHERE server <> 'tooltrail'");
  const refused = count("SELECT count(*) FROM quarantine");
  db.close();
  if (stored !== batches || refused !== 0)
    throw new Error(`Of ${batches} batches ${stored} are in the ledger, ${refused} in quarantine.`);
}

function figuresOf(perBatch: 1 | 50, cells: readonly { pipeline: number; bare: number }[]): Figure[] {
  const ratios = cells.map(({ pipeline, bare }) => pipeline / bare);
  const name = `${perBatch} a batch`;
  return [
    ofRounds(
      `${name}, PutEvents to ledger`,
      cells.map(({ pipeline }) => pipeline),
      "records/s",
    ),
    ofRounds(
      `${name}, bare loop`,
      cells.map(({ bare }) => bare),
      "records/s",
    ),
    ofRounds(`${name}, pipeline to bare loop`, ratios, "x", perBatch === 50 ? { atLeast: 0.4 } : undefined),
  ];
}
