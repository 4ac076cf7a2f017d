import { median } from "./statistics.ts";

/** One measured number. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** The smallest and largest value of the rounds that it is the median of. */
  readonly spread?: readonly [least: number, most: number];
  readonly target?: Target;
  /** Whether the target is met; absent where there is none. */
  readonly met?: boolean;
}

export type Target = { readonly atMost: number } | { readonly atLeast: number };

/** @param more `target` is judged here, so that a figure and its verdict cannot part. */
export function figure(
  name: string,
  value: number,
  unit: string,
  more: Pick<Figure, "spread" | "target"> = {},
): Figure {
  const { target } = more;
  return { name, value, unit, ...more, ...(target && { met: meets(value, target) }) };
}

/** The median of one value a round, with its spread. */
export const ofRounds = (name: string, values: readonly number[], unit: string, target?: Target): Figure =>
  figure(name, median(values), unit, {
    spread: [Math.min(...values), Math.max(...values)],
    ...(target && { target }),
  });

const meets = (value: number, target: Target): boolean =>
  "atMost" in target ? value <= target.atMost : value >= target.atLeast;

const targetText = (target: Target): string => ("atMost" in target ? `<= ${target.atMost}` : `>= ${target.atLeast}`);

/** Three digits that count, so that noise is not printed. */
const numberText = (value: number): string =>
  Math.abs(value) >= 1_000 ? Math.round(value).toLocaleString("en-US") : String(Number(value.toPrecision(3)));

/** A part's figures as lines of text in columns. */
export function tableOf(title: string, figures: readonly Figure[]): string {
  const rows = figures.map(({ name, value, unit, spread, target, met }) => [
    name,
    `${numberText(value)} ${unit}`.trim(),
    spread ? `${numberText(spread[0])} to ${numberText(spread[1])}` : "",
    target ? targetText(target) : "",
    met === undefined ? "" : met ? "met" : "NOT MET",
  ]);
  const table = [[title, "value", "rounds", "target", ""], ...rows];
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  return table
    .map((row) =>
      row
        .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
