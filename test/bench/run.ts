import { benchBudgets } from "./budgets.ts";
import { benchCold } from "./cold.ts";
import { benchCost } from "./cost.ts";
import type { Figure } from "./figures.ts";
import { benchLog } from "./log.ts";
import { describeMachine, type Machine } from "./machine.ts";
import { benchMemory } from "./memory.ts";
import { benchPipeline } from "./pipeline.ts";
import { benchProxy } from "./proxy.ts";
import { benchQuery } from "./query.ts";
import type { Scale } from "./scale.ts";

/** Each measures one thing and cleans up after itself. Skipping is a reason, never an absent figure. */
const parts = {
  proxy: benchProxy,
  pipeline: benchPipeline,
  cost: benchCost,
  cold: benchCold,
  query: benchQuery,
  log: benchLog,
  budgets: benchBudgets,
  memory: benchMemory,
} as const satisfies { readonly [name: string]: Part };

type Part = (scale: Scale) => Promise<Figure[] | Skipped>;
export interface Skipped {
  readonly skipped: string;
}

export type PartName = keyof typeof parts;
export const partNames = Object.keys(parts) as PartName[];
export const isPart = (name: string): name is PartName => name in parts;

export interface Report {
  readonly machine: Machine;
  readonly parts: readonly {
    readonly part: PartName;
    readonly seconds: number;
    readonly figures: readonly Figure[];
    readonly skipped?: string;
  }[];
}

/** One part after the other, since they share the machine. */
export async function runBench(options: {
  readonly only: readonly PartName[];
  readonly scale: Scale;
  readonly say: (line: string) => void;
}): Promise<Report> {
  const machine = await describeMachine();
  const done: Report["parts"][number][] = [];
  for (const part of options.only) {
    options.say(part);
    const began = performance.now();
    const measured = await (parts[part] as Part)(options.scale);
    const seconds = (performance.now() - began) / 1_000;
    done.push({ part, seconds, ...(Array.isArray(measured) ? { figures: measured } : { figures: [], ...measured }) });
  }
  return { machine, parts: done };
}
