import { join } from "node:path";
import { type Figure, figure } from "./figures.ts";
import { openMcpSession } from "./mcp-session.ts";
import { detailOf, startOneMachine } from "./one-machine.ts";
import { startTakingBus } from "./processes.ts";
import { proxied, untilSent } from "./proxy.ts";
import { residentMb } from "./resident.ts";
import { sampleCalls } from "./sample-calls.ts";
import type { Scale } from "./scale.ts";
import { inScratch } from "./scratch.ts";
import { median, slope } from "./statistics.ts";
import { aCaller, createTrafficEmitter, type TrafficEmitter, timesFrom } from "./traffic.ts";

const steps = 300;
const recordsPerBatch = 50;
const callers = 32;
const senders = 4;

/** Resident memory of proxy and pipeline while calls go through, sampled after each three-hundredth of them. */
export async function benchMemory({ memory: { calls } }: Scale): Promise<Figure[]> {
  const proxy = await proxyMemory(calls);
  return [
    ...figuresOf("proxy", calls, proxy.samples, 90),
    // Memory that is bounded by forgetting is no feat.
    figure("proxy, calls not on record", proxy.missing, "calls", { target: { atMost: 0 } }),
    ...figuresOf("pipeline", calls, await pipelineMemory(calls), 250),
  ];
}

/** How many calls had gone through, and the megabytes then. */
type Sample = readonly [calls: number, megabytes: number];

const proxyMemory = (calls: number): Promise<{ samples: Sample[]; missing: number }> =>
  inScratch(async (dir) => {
    const bus = await startTakingBus();
    const { args, env } = proxied(dir, bus.endpoint);
    const session = await openMcpSession(args, env);
    const samples: Sample[] = [];
    const perStep = Math.ceil(calls / steps);
    for (let step = 1; step <= steps; step += 1) {
      await session.call(callers, perStep);
      samples.push([perStep * step, residentMb(session.pid) ?? 0]);
    }
    await untilSent(join(dir, "spool"));
    await session.end();
    const missing = perStep * steps - (await bus.taken());
    await bus.stop();
    return { samples, missing };
  });

const pipelineMemory = (calls: number): Promise<Sample[]> =>
  inScratch(async (dir) => {
    const records = await sampleCalls();
    const pipeline = await startOneMachine(dir);
    const samples: Sample[] = [];
    const batches = Math.ceil(calls / recordsPerBatch);
    let begun = 0;
    let answered = 0;
    const sendOn = async (emitter: TrafficEmitter): Promise<void> => {
      while (begun < batches) {
        begun += 1;
        const times = timesFrom(Date.now(), recordsPerBatch, 0);
        await pipeline.put([detailOf(await emitter.next(times, [aCaller(begun % 1_000)]))]);
        answered += 1;
        if (answered % Math.ceil(batches / steps) === 0)
          samples.push([answered * recordsPerBatch, residentMb(pipeline.pid) ?? 0]);
      }
    };
    const emitters = Array.from({ length: senders }, (_, i) => createTrafficEmitter(`server-${i}`, records));
    await Promise.all(emitters.map(sendOn));
    for (const emitter of emitters) await pipeline.untilReadable(emitter.lastId());
    samples.push([calls, residentMb(pipeline.pid) ?? 0]);
    await pipeline.stop();
    return samples;
  });

/** Memory that grows with the calls shows in the last third against the second; the first is where the heap finds its size. */
function figuresOf(name: string, calls: number, samples: readonly Sample[], maxMb: number): Figure[] {
  const third = Math.ceil(samples.length / 3);
  const thirds = [0, 1, 2].map((i) => samples.slice(i * third, (i + 1) * third));
  const [first = 0, , last = 0] = thirds.map((some) => median(some.map(([, megabytes]) => megabytes)));
  const settled = samples.slice(third);
  const over = `over ${calls.toLocaleString("en-US")} calls`;
  return [
    figure(`${name}, most ${over}`, Math.max(...samples.map(([, megabytes]) => megabytes)), "MB", {
      target: { atMost: maxMb },
    }),
    figure(`${name}, last third to first third`, last / first, "x", { target: { atMost: 1.1 } }),
    figure(`${name}, slope after the first third`, slope(settled) * 1_000_000, "MB per million calls"),
  ];
}
