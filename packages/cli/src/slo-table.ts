import type { SloView } from "@tooltrail/api/types";
import { windowText } from "@tooltrail/core/slo/rules";
import { budgetText, burnText, type Paint, type Painted, percentText, sparkline, stateText } from "./slo-text.ts";
import { fit, plain } from "./table.ts";

interface Column {
  readonly name: string;
  readonly width: number;
  readonly of: (slo: SloView) => Painted;
}

const maxNameWidth = 60;

/** A line for each SLO under a head. Each long window that rules have is a column of its own. */
export function sloTable(slos: readonly SloView[], nowMs: number, paint: Paint): string {
  const columns = columnsFor(slos, nowMs);
  // Colours come last: to a terminal they have no width.
  const line = (cells: readonly Painted[]): string =>
    `${cells
      .map(({ text, colour }, i) => paint(colour, fit(text, columns[i]?.width ?? 0)))
      .join(" ")
      .trimEnd()}\n`;
  return [columns.map(({ name }) => ({ text: name })), ...slos.map((slo) => columns.map(({ of }) => of(slo)))]
    .map(line)
    .join("");
}

function columnsFor(slos: readonly SloView[], nowMs: number): Column[] {
  const longest = Math.max(4, ...slos.map(({ name }) => plain(name).length));
  const windows = [...new Set(slos.flatMap(({ rules }) => rules.map(({ longMinutes }) => longMinutes)))];
  return [
    { name: "name", width: Math.min(maxNameWidth, longest), of: ({ name }) => ({ text: plain(name) }) },
    { name: "target", width: 9, of: ({ target }) => ({ text: percentText(target) }) },
    { name: "budget left", width: 19, of: ({ budget }) => budgetText(budget.remaining) },
    ...windows
      .sort((a, b) => a - b)
      .map(
        (minutes, i): Column => ({
          name: `${i === 0 ? "burn " : ""}${windowText(minutes)}`,
          width: i === 0 ? 8 : 6,
          of: ({ rules }) => {
            const rule = rules.find(({ longMinutes }) => longMinutes === minutes);
            return { text: rule === undefined ? "" : burnText(rule.burnLong) };
          },
        }),
      ),
    { name: "last 24 hours", width: 24, of: ({ hours, target }) => ({ text: sparkline(hours, target) }) },
    { name: "state", width: 0, of: (slo) => stateText(slo, nowMs) },
  ];
}
