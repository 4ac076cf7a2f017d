import { join } from "node:path";
import { leftInSpool } from "../chaos/drain.ts";
import { sleep } from "../chaos/processes.ts";
import { node } from "../support/pipeline.ts";
import { type Figure, figure, ofRounds } from "./figures.ts";
import { type McpSession, openMcpSession } from "./mcp-session.ts";
import { source, startTakingBus } from "./processes.ts";
import type { Scale } from "./scale.ts";
import { inScratch } from "./scratch.ts";
import { median, quantile } from "./statistics.ts";

const echo = source("test/bench/servers/echo.ts");
const variants = ["direct", "relay", "proxy"] as const;
type Variant = (typeof variants)[number];

/** How to start an echo server behind tooltrail's proxy. */
export const proxied = (dir: string, endpoint: string): { args: string[]; env: NodeJS.ProcessEnv } => ({
  args: [source("packages/cli/bin/tooltrail.js"), "proxy", "--", node, echo],
  env: { ...process.env, TOOLTRAIL_SPOOL: join(dir, "spool"), TOOLTRAIL_ENDPOINT: endpoint },
});

/** What the proxy adds to a call, spool and sending included, against a bare byte relay and against nothing. */
export const benchProxy = ({ proxy: { rounds, calls } }: Scale): Promise<Figure[]> =>
  inScratch(async (dir) => {
    const bus = await startTakingBus();
    const { args, env } = proxied(dir, bus.endpoint);
    const sessions: { readonly [variant in Variant]: McpSession } = {
      direct: await openMcpSession([echo]),
      relay: await openMcpSession([source("test/bench/servers/bare-relay.ts"), node, echo]),
      proxy: await openMcpSession(args, env),
    };
    const figures: Figure[] = [];
    for (const callers of [1, 32]) {
      for (const variant of variants) await sessions[variant].call(callers, calls); // warm
      const cells: { [variant in Variant]: Cell }[] = [];
      for (let round = 0; round < rounds; round += 1) cells.push(await playRound(sessions, callers, calls, round, dir));
      figures.push(...figuresOf(callers, cells));
    }
    for (const variant of variants) await sessions[variant].end();
    const made = 2 * (rounds + 1) * calls;
    figures.push(
      figure("calls of the proxy not on record", made - (await bus.taken()), "calls", { target: { atMost: 0 } }),
    );
    await bus.stop();
    return figures;
  });

interface Cell {
  readonly p50: number;
  readonly p99: number;
  readonly perSecond: number;
}

/** Each variant once, a different one first each time, and none while another's work is still going on. */
async function playRound(
  sessions: { readonly [variant in Variant]: McpSession },
  callers: number,
  calls: number,
  round: number,
  dir: string,
): Promise<{ [variant in Variant]: Cell }> {
  const cells: { [variant in Variant]?: Cell } = {};
  for (const i of variants.keys()) {
    const variant = variants[(i + round) % variants.length] ?? "direct";
    const { latenciesUs, seconds } = await sessions[variant].call(callers, calls);
    cells[variant] = {
      p50: median(latenciesUs),
      p99: quantile(latenciesUs, 0.99),
      perSecond: calls / seconds,
    };
    if (variant === "proxy") await untilSent(join(dir, "spool"));
  }
  return cells as Required<typeof cells>;
}

/** Waits until nothing sealed is left in the spool: the open journal is always there. */
export async function untilSent(spool: string): Promise<void> {
  const waiting = (): boolean => leftInSpool(spool).some((path) => !path.endsWith(".journal"));
  for (const until = Date.now() + 10_000; waiting() && Date.now() < until; ) await sleep(5);
}

function figuresOf(callers: number, cells: readonly { readonly [variant in Variant]: Cell }[]): Figure[] {
  const who = callers === 1 ? "1 caller" : `${callers} callers`;
  const ratio = (quantity: "p50" | "p99", to: Variant): number[] =>
    cells.map((cell) => cell.proxy[quantity] / cell[to][quantity]);
  return [
    ...variants.flatMap((variant) => [
      ofRounds(
        `${who}, ${variant}, p50`,
        cells.map((cell) => cell[variant].p50),
        "us",
      ),
      ofRounds(
        `${who}, ${variant}, p99`,
        cells.map((cell) => cell[variant].p99),
        "us",
      ),
      ofRounds(
        `${who}, ${variant}, throughput`,
        cells.map((cell) => cell[variant].perSecond),
        "calls/s",
      ),
    ]),
    ofRounds(`${who}, proxy to nothing, p50`, ratio("p50", "direct"), "x"),
    ofRounds(`${who}, proxy to bare relay, p50`, ratio("p50", "relay"), "x", { atMost: 1.3 }),
    ofRounds(`${who}, proxy to bare relay, p99`, ratio("p99", "relay"), "x", { atMost: 2 }),
  ];
}
