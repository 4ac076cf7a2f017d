import { counters } from "../follow/counters.ts";
import type { Projections } from "../follow/ports.ts";
import { idPrefix } from "../follow/row-id.ts";
import type { ListedSeries, Scope, Series } from "./series.ts";
import type { Indicator, Selector } from "./slo.ts";

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

/** Series whose calls are meant, and which versions of them: a pattern; absent for all. */
export interface Selection {
  readonly series: readonly Series[];
  readonly version?: string;
}

const selects = (selector: Selector, series: Series): boolean =>
  (["environment", "server", "tool"] as const).every(
    (name) => selector[name] === undefined || fits(selector[name], series[name] ?? ""),
  );

/** The one series that a selector without patterns means. */
function seriesMeant({ selector: { environment, server, tool }, literal }: Wanted): Series | undefined {
  if (environment === undefined || server === undefined) return undefined;
  if (!literal && [environment, server, tool].some((name) => name?.includes("*"))) return undefined;
  return { environment, server, ...(tool !== undefined && { tool }) };
}

type Wanted = Pick<Indicator, "selector" | "literal">;

/** What there is to select from. Servers, and the tools of each, are listed at most once, when they are first asked for. */
export interface Catalogue {
  servers(): Promise<readonly ListedSeries[]>;
  /** Tools where the selector names one, else servers: no call is counted twice. */
  select(wanted: Wanted): Promise<Selection>;
  toolsOf(servers: readonly Series[]): Promise<readonly ListedSeries[]>;
}

const seriesPerRead = 1_000;
/** Of one scope, or one server: whoever makes names up shall not fill the memory of who looks at them. */
const maxListed = 10_000;

export function openCatalogue(projections: Pick<Projections, "list">, generation: number): Catalogue {
  const lists = new Map<string, Promise<readonly ListedSeries[]>>();
  const listed = (scope: Scope, prefix: string): Promise<readonly ListedSeries[]> => {
    const name = `${scope} ${prefix}`;
    const known = lists.get(name) ?? listAll(projections, generation, scope, prefix);
    lists.set(name, known);
    return known;
  };
  const servers = (): Promise<readonly ListedSeries[]> => listed("servers", "");
  async function toolsOf(some: readonly Series[]): Promise<ListedSeries[]> {
    const tools: ListedSeries[] = [];
    for (const { environment, server } of some) tools.push(...(await listed("tools", idPrefix(environment, server))));
    return tools;
  }
  return {
    servers,
    toolsOf,
    async select(wanted) {
      const { selector } = wanted;
      const version = selector.version === undefined ? {} : { version: selector.version };
      const meant = seriesMeant(wanted);
      if (meant) return { series: [meant], ...version };
      const { tool, ...place } = selector;
      const whole = (await servers()).filter((series) => selects(place, series));
      if (tool === undefined) return { series: whole, ...version };
      return { series: (await toolsOf(whole)).filter((series) => selects(selector, series)), ...version };
    },
  };
}

async function listAll(
  projections: Pick<Projections, "list">,
  generation: number,
  scope: Scope,
  prefix: string,
): Promise<readonly ListedSeries[]> {
  const all: ListedSeries[] = [];
  for (let after = prefix; all.length < maxListed; ) {
    const rows = await projections.list(counters.name, generation, {
      collection: scope,
      limit: seriesPerRead,
      ...(after !== "" && { after }),
    });
    const own = rows.filter(({ id }) => id.startsWith(prefix));
    all.push(...own.map(({ value }) => value as ListedSeries));
    after = rows.at(-1)?.id ?? after;
    if (own.length < seriesPerRead) break;
  }
  return all.slice(0, maxListed);
}
