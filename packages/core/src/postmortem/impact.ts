import type { Projections } from "../follow/ports.ts";
import { wantedOf } from "../incidents/cause.ts";
import type { Cause } from "../incidents/incident.ts";
import { countsFrom, readFor, readSelection } from "../slo/counting.ts";
import { evaluate } from "../slo/evaluate.ts";
import type { Slo } from "../slo/slo.ts";
import type { Known } from "../slo/slos.ts";
import { cellIn } from "../slo/spans.ts";
import { minuteMs, minuteOf } from "../slo/time.ts";
import type { Failing } from "./failing.ts";
import type { Judge } from "./judge.ts";
import type { Hit, Impact } from "./postmortem.ts";
import type { Span } from "./walk.ts";

const maxListed = 50;
const maxHits = 20;

/** Counters, as of one generation. */
export interface Counted {
  readonly projections: Projections;
  readonly known: Known;
}

/**
 * What an incident cost: calls and budget by the counters, and by the records whom and what it hit.
 *
 * @param span whole minutes.
 * @param slo whose budget it burnt, where it is an objective's.
 */
export async function impactOf(
  { projections, known }: Counted,
  { cause, judge, slo }: { readonly cause: Cause; readonly judge: Judge; readonly slo: Slo | undefined },
  { records, isCut }: Failing,
  { fromMs, toMs }: Span,
): Promise<Impact> {
  const minutes = { from: minuteOf(fromMs), to: minuteOf(toMs - 1) + 1 };
  const selection = await known.catalogue.select(wantedOf(cause));
  const rows = await readSelection(projections, known.generation, selection, [minutes]);
  const principals = new Set(records.flatMap(({ record }) => ("principal" in record ? [record.principal.ref] : [])));
  const versions = hits(records.map(({ server: { id, version = "" } }) => JSON.stringify([id, version])));
  return {
    from: minutes.from * minuteMs,
    to: minutes.to * minuteMs,
    calls: judge.count(cellIn(rows, selection, minutes)),
    ...(slo && { budget: await budgetOf({ projections, known }, slo, minutes) }),
    principals: { count: principals.size, atLeast: isCut, listed: [...principals].slice(0, maxListed) },
    tools: hits(records.flatMap(({ record }) => ("tool" in record ? [record.tool] : []))),
    versions: versions.map(({ name, bad }) => {
      const [server, version] = JSON.parse(name) as [string, string];
      return { server, name: version, bad };
    }),
  };
}

/** How often each name is there, the most frequent first. */
function hits(names: readonly string[]): Hit[] {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts]
    .map(([name, bad]) => ({ name, bad }))
    .sort((a, b) => b.bad - a.bad || (a.name < b.name ? -1 : 1))
    .slice(0, maxHits);
}

async function budgetOf(
  { projections, known }: Counted,
  slo: Slo,
  { from, to }: { readonly from: number; readonly to: number },
): Promise<NonNullable<Impact["budget"]>> {
  const selected = { slo, selection: await known.catalogue.select(slo.indicator) };
  const spentAt = async (minute: number): Promise<number | undefined> => {
    const rows = await readFor(projections, known.generation, [selected], minute);
    const { budget } = evaluate(slo, countsFrom(selected, rows), {}, minute);
    return budget.total === 0 ? undefined : budget.spent;
  };
  const before = await spentAt(from - 1);
  return { slo: slo.name, ...(before !== undefined && { spentBefore: before }), spent: (await spentAt(to - 1)) ?? 0 };
}
