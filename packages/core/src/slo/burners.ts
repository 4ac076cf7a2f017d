import { counters } from "../follow/counters.ts";
import type { Projections } from "../follow/ports.ts";
import { readSelection } from "./counting.ts";
import { type FailuresRow, failureLevels, failuresKey, spanOfFailures } from "./failures.ts";
import type { Catalogue, Selection } from "./selection.ts";
import type { Indicator } from "./slo.ts";
import { countIn, type Span } from "./spans.ts";
import { minutesPerDay } from "./time.ts";

/** What is bad in a window, by name, the most frequent first. */
export interface Burners {
  readonly tools: readonly Burner[];
  readonly versions: readonly Burner[];
  /** Of failures alone, to the hour, or in windows over a day to the day. */
  readonly principals: readonly Burner[];
}
export interface Burner {
  readonly name: string;
  readonly bad: number;
}

const maxShown = 5;
/** Series that are looked into, of each kind. */
const maxLooked = 200;
const rowsPerRead = 99;

/** Which tools, versions and principals burn a budget. Read where somebody is told of it, not with each evaluation. */
export async function burnersOf(
  projections: Pick<Projections, "read">,
  generation: number,
  catalogue: Catalogue,
  indicator: Indicator,
  span: Span,
): Promise<Burners> {
  const { sli, selector } = indicator;
  const whole = firstOf(await catalogue.select(indicator));
  const tools =
    selector.tool === undefined ? firstOf({ ...whole, series: await catalogue.toolsOf(whole.series) }) : whole;
  const servers = (await catalogue.servers()).filter(({ environment, server }) =>
    whole.series.some((one) => one.environment === environment && one.server === server),
  );
  const versions = [...new Set(servers.flatMap((one) => Object.keys(one.versions ?? {})))].slice(0, maxLooked);

  const wholeRows = await readSelection(projections, generation, whole, [span]);
  const toolRows = await readSelection(projections, generation, tools, [span]);
  const ofVersion = (version: string): Selection => ({ series: whole.series, version });
  return {
    tools: top(
      tools.series.map((one) => [one.tool ?? "", countIn(toolRows, { ...tools, series: [one] }, indicator, span).bad]),
    ),
    versions: top(
      (selector.version === undefined ? versions : []).map((version) => [
        version,
        countIn(wholeRows, ofVersion(version), indicator, span).bad,
      ]),
    ),
    principals: sli === "availability" ? await principalsOf(projections, generation, whole, span) : [],
  };
}

const firstOf = ({ series, ...selection }: Selection): Selection => ({
  ...selection,
  series: series.slice(0, maxLooked),
});

async function principalsOf(
  projections: Pick<Projections, "read">,
  generation: number,
  { series }: Selection,
  { from, to }: Span,
): Promise<Burner[]> {
  const level = to - from <= minutesPerDay ? failureLevels[0] : failureLevels[1];
  const first = spanOfFailures(level, from);
  const spans = Array.from({ length: spanOfFailures(level, to - 1) - first + 1 }, (_, i) => first + i);
  const wanted = series.flatMap((one) => spans.map((span) => ({ span, key: failuresKey(one, level, span) })));
  const found: [string, number][] = [];
  for (let at = 0; at < wanted.length; at += rowsPerRead) {
    const some = wanted.slice(at, at + rowsPerRead);
    const rows = await projections.read(
      counters.name,
      generation,
      some.map(({ key }) => key),
    );
    for (const [i, { span }] of some.entries()) {
      const row = rows[i]?.value as FailuresRow | undefined;
      if (row?.span === span) found.push(...Object.entries(row.failures));
    }
  }
  return top(found);
}

function top(found: readonly (readonly [string, number])[]): Burner[] {
  const sums = new Map<string, number>();
  for (const [name, bad] of found) if (bad > 0) sums.set(name, (sums.get(name) ?? 0) + bad);
  return [...sums]
    .map(([name, bad]) => ({ name, bad }))
    .sort((a, b) => b.bad - a.bad || (a.name < b.name ? -1 : 1))
    .slice(0, maxShown);
}
