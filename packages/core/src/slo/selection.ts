import { counters } from "../follow/counters.ts";
import type { Projections } from "../follow/ports.ts";
import { type ListedSeries, type Scope, type Series, scopeOf, seriesList } from "./series.ts";
import type { Selector } from "./slo.ts";

/** Whether a text fits a pattern, in which `*` stands for any characters. Linear in what it is given, whatever the pattern. */
export function fits(pattern: string, text: string): boolean {
  const [first = "", ...rest] = pattern.split("*");
  if (rest.length === 0) return pattern === text;
  const last = rest.pop() ?? "";
  if (!text.startsWith(first) || text.length < first.length + last.length || !text.endsWith(last)) return false;
  const end = text.length - last.length;
  let from = first.length;
  for (const part of rest) {
    const at = text.indexOf(part, from);
    if (at === -1 || at + part.length > end) return false;
    from = at + part.length;
  }
  return true;
}

/** Which of a series' names a selector looks at decides in which scope it is counted: no call is counted twice. */
export const scopeOfSelector = ({ version, tool }: Selector): Scope =>
  scopeOf({ ...(version !== undefined && { version }), ...(tool !== undefined && { tool }) });

export const selects = (selector: Selector, series: Series): boolean =>
  (["environment", "server", "version", "tool"] as const).every(
    (name) => selector[name] === undefined || fits(selector[name], series[name] ?? ""),
  );

/** The one series that a selector without patterns means. */
function seriesMeant({ environment, server, version, tool }: Selector): Series | undefined {
  if (environment === undefined || server === undefined) return undefined;
  if ([environment, server, version, tool].some((name) => name?.includes("*"))) return undefined;
  return { environment, server, ...(version !== undefined && { version }), ...(tool !== undefined && { tool }) };
}

/** What there is to select from, each scope listed at most once, when it is first asked for. */
export interface Catalogue {
  listed(scope: Scope): Promise<readonly ListedSeries[]>;
  select(selector: Selector): Promise<readonly Series[]>;
}

const seriesPerRead = 1_000;

export function openCatalogue(projections: Pick<Projections, "list">, generation: number): Catalogue {
  const lists = new Map<Scope, Promise<readonly ListedSeries[]>>();
  const listed = (scope: Scope): Promise<readonly ListedSeries[]> => {
    const known = lists.get(scope) ?? listAll(projections, generation, scope);
    lists.set(scope, known);
    return known;
  };
  return {
    listed,
    async select(selector) {
      const meant = seriesMeant(selector);
      if (meant) return [meant];
      return (await listed(scopeOfSelector(selector))).filter((series) => selects(selector, series));
    },
  };
}

async function listAll(
  projections: Pick<Projections, "list">,
  generation: number,
  scope: Scope,
): Promise<ListedSeries[]> {
  const all: ListedSeries[] = [];
  for (let after: string | undefined; ; ) {
    const rows = await projections.list(counters.name, generation, {
      collection: seriesList(scope),
      limit: seriesPerRead,
      ...(after !== undefined && { after }),
    });
    all.push(...rows.map(({ value }) => value as ListedSeries));
    after = rows.at(-1)?.id;
    if (rows.length < seriesPerRead) return all;
  }
}
