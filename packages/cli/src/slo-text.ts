import { styleText } from "node:util";
import type { SloView } from "@tooltrail/api/types";
import type { Indicator } from "@tooltrail/core/slo/slo";
import { plain } from "./table.ts";

export type Colour = "red" | "yellow" | "green" | "gray";

/** Gives text a colour, or leaves it as it is. */
export type Paint = (colour: Colour | undefined, text: string) => string;

/** Colours are for people: on a terminal, unless NO_COLOR is set to anything (https://no-color.org). */
export const painterFor = (isTerminal: boolean, noColor: string | undefined): Paint =>
  isTerminal && !noColor
    ? (colour, text) => (colour === undefined ? text : styleText(colour, text, { validateStream: false }))
    : (_, text) => text;

export interface Painted {
  readonly text: string;
  readonly colour?: Colour;
}

/** `99.9 %`, to the nine digits that a target may have. */
export const percentText = (fraction: number): string => `${Number((fraction * 100).toFixed(7))} %`;

const barCells = 10;
const littleLeft = 0.25;

/** Ten cells and a percentage: what is left of a budget, 1 at most and below 0 where more than all is spent. Full only while nothing is spent, empty only when all is. */
export function budgetText(remaining: number): Painted {
  const rounded = Math.round(remaining * barCells);
  const full = remaining >= 1 ? barCells : remaining <= 0 ? 0 : Math.min(barCells - 1, Math.max(1, rounded));
  const percent = (remaining * 100).toFixed(Math.abs(remaining) < 10 ? 1 : 0);
  return {
    text: `${"█".repeat(full)}${"░".repeat(barCells - full)} ${percent} %`,
    colour: remaining <= 0 ? "red" : remaining < littleLeft ? "yellow" : "green",
  };
}

/** `16.7x`; `-` where there is no data. */
export const burnText = (burn: number | null): string =>
  burn === null ? "-" : `${burn.toFixed(Math.abs(burn) < 100 ? 1 : 0)}x`;

const levels = [..."▁▂▃▄▅▆▇█"];
/** Burnt for an hour, this pages by itself (Google SRE Workbook, table 5-8). */
const pagingBurn = 14.4;

/**
 * Bad ratios as burn: flat while they are within the budget, then in equal steps of the logarithm up to what pages, or to as much as can burn where that is less. An hour without data is blank.
 */
export function sparkline(hours: SloView["hours"], target: number): string {
  const budget = 1 - target;
  const top = Math.min(pagingBurn, 1 / budget);
  const steps = levels.length - 1;
  return hours
    .map(({ total, bad }) => {
      if (total === 0) return " ";
      // As burns are floats, one that is at an edge may lie a little below it.
      const burn = (bad / total / budget) * (1 + 1e-9);
      const level = burn < 1 ? 0 : 1 + Math.floor(((steps - 1) * Math.log(burn)) / Math.log(top));
      return levels[Math.min(level, steps)];
    })
    .join("");
}

type Standing = Pick<SloView, "budget" | "rules" | "degraded" | "maintenance">;

/** `ok`, `page-1h page-6h since 12:03Z`, `no data`, and why figures cannot be relied on. */
export function stateText({ budget, rules, degraded, maintenance }: Standing, nowMs: number): Painted {
  const firing = rules.filter((rule) => rule.firing);
  const bySince = Map.groupBy(firing, ({ since }) => (since === undefined ? "" : ` since ${timeText(since, nowMs)}`));
  const alerts = [...bySince].map(([since, some]) => `${some.map(({ name }) => plain(name)).join(" ")}${since}`);
  const doubts = degraded.map(({ what }) => `degraded: ${plain(what).replaceAll("_", " ")}`);
  const held = maintenance ? [`maintenance until ${timeText(maintenance.until, nowMs)}`] : [];
  const said = [...alerts, ...held, ...doubts].join(", ");
  if (said !== "") return { text: said, colour: firing.some(({ severity }) => severity === "page") ? "red" : "yellow" };
  if (budget.total === 0 && rules.every(({ burnLong }) => burnLong === null))
    return { text: "no data", colour: "gray" };
  return { text: "ok", colour: "green" };
}

const dayMs = 86_400_000;

/** To the minute: `12:03Z` of the last 24 hours, and else with the date. */
export function timeText(ms: number, nowMs: number): string {
  const time = `${new Date(ms).toISOString().slice(0, 16)}Z`;
  return Math.abs(nowMs - ms) < dayMs ? time.slice(11) : time;
}

/** `availability of tool refund of billing in production` */
export function indicatorText({ sli, threshold, selector }: Indicator): string {
  const { tool, server, version, environment } = selector;
  const named = (word: string, pattern: string | undefined): string[] =>
    pattern === undefined ? [] : [`${word}${pattern === "" ? '""' : plain(pattern)}`];
  const whose = [
    ...named("tool ", tool),
    ...named(tool === undefined ? "" : "of ", server),
    ...named("version ", version),
    ...(environment === "" ? ["without an environment"] : named("in ", environment)),
  ];
  return `${sli}${threshold ? thresholdText(sli, threshold.edge) : ""} of ${whose.join(" ") || "everything"}`;
}

function thresholdText(sli: SloView["sli"], edge: number): string {
  if (sli === "quality") return ` from ${edge / 1_000}`;
  return ` up to ${sli === "latency" ? edge / 1_000 : edge} ms`;
}

export const periodText = (period: SloView["period"]): string =>
  period.kind === "rolling"
    ? `over ${period.minutes / 1_440} days`
    : `over each ${period.unit} (${plain(period.timeZone)})`;
