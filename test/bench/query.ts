import type { RecordPage } from "@tooltrail/api/types";
import { randomFrom } from "../support/pieces.ts";
import { type Figure, figure } from "./figures.ts";
import { createLedgerFiller, type LedgerFiller } from "./filled-ledger.ts";
import { type OneMachine, startOneMachine } from "./one-machine.ts";
import { sampleCalls } from "./sample-calls.ts";
import type { Scale } from "./scale.ts";
import { inScratch } from "./scratch.ts";
import { median, quantile } from "./statistics.ts";

/** Typical questions over HTTP, audit record included, on a growing ledger. One client, one question at a time. */
export const benchQuery = ({ query: { sizes, requests } }: Scale): Promise<Figure[]> =>
  inScratch(async (dir) => {
    const filler = createLedgerFiller(dir, await sampleCalls(), sizes.at(-1) ?? 0);
    const figures: Figure[] = [];
    for (const size of sizes) {
      await filler.growTo(size);
      const pipeline = await startOneMachine(dir);
      figures.push(...(await askAll(pipeline, filler.asked, size, requests, size === sizes.at(-1))));
      await pipeline.stop();
    }
    return figures;
  });

type Asked = LedgerFiller["asked"];

async function askAll(
  pipeline: OneMachine,
  asked: Asked,
  size: number,
  requests: number,
  judged: boolean,
): Promise<Figure[]> {
  const random = randomFrom(size);
  const one = <T>(list: readonly T[]): string => encodeURIComponent(String(list[Math.floor(random() * list.length)]));
  const deep = await deepCursor(pipeline);
  const questions: { readonly [name: string]: () => string } = {
    "newest page": () => "/v1/records",
    "one server": () => `/v1/records?server=${one(asked.servers)}`,
    "one server and tool": () => `/v1/records?server=${one(asked.servers)}&tool=read_text_file`,
    "one person": () => `/v1/records?principal=${one(asked.principals)}`,
    "one outcome": () => "/v1/records?outcome=timeout",
    "since 15m": () => "/v1/records?since=15m",
    "one record": () => `/v1/records/${one(asked.ids)}`,
    "a page deep inside": () => deep,
  };
  const figures: Figure[] = [];
  for (const [name, path] of Object.entries(questions)) {
    const latenciesMs: number[] = [];
    // The first few warm it up.
    for (let i = -Math.ceil(requests / 10); i < requests; i += 1) {
      const ms = await ask(pipeline, path());
      if (i >= 0) latenciesMs.push(ms);
    }
    const target = judged ? { target: { atMost: 50 } } : {};
    const of = `${size.toLocaleString("en-US")} records, ${name}`;
    figures.push(figure(`${of}, p50`, median(latenciesMs), "ms"));
    figures.push(figure(`${of}, p99`, quantile(latenciesMs, 0.99), "ms", target));
  }
  return figures;
}

async function ask(pipeline: OneMachine, path: string): Promise<number> {
  const began = performance.now();
  const { status, body } = await pipeline.get(path);
  if (status !== 200) throw new Error(`${path} was answered ${status}: ${body.slice(0, 500)}`);
  return performance.now() - began;
}

/** The second page of everything that is older than twelve hours. */
async function deepCursor(pipeline: OneMachine): Promise<string> {
  const path = `/v1/records?until=${new Date(Date.now() - 43_200_000).toISOString()}`;
  const { next } = JSON.parse((await pipeline.get(path)).body) as RecordPage;
  if (next === null) throw new Error("There is no second page.");
  return `${path}&cursor=${next}`;
}
