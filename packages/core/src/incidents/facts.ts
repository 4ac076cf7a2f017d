import { counters } from "../follow/counters.ts";
import type { Projections } from "../follow/ports.ts";
import { readSelection } from "../slo/counting.ts";
import { type Catalogue, openCatalogue } from "../slo/selection.ts";
import type { ListedSeries } from "../slo/series.ts";
import { cellIn, lastMinutes } from "../slo/spans.ts";
import { minuteMs, minuteOf, minutesPerHour } from "../slo/time.ts";
import { isAbout, wantedOf } from "./cause.ts";
import type { Cause } from "./incident.ts";

/** What is known of a server when something befalls it: what playbooks are picked by. */
export interface Facts {
  /** The newest version that has been seen. */
  readonly serverVersion?: string;
  /** Since that version was first seen; absent where it is the only one. */
  readonly minutesSinceRelease?: number;
  /** Calls a minute of the last ten minutes, to those of the hour before them. */
  readonly volumeRatio?: number;
  /** The newest versions of its environments are not the same. */
  readonly environmentsDiffer: boolean;
}

export async function readFacts(
  projections: Pick<Projections, "cursor" | "list" | "read">,
  cause: Cause,
  nowMs: number,
): Promise<Facts> {
  const generation = (await projections.cursor(counters.name))?.current.number ?? 1;
  const catalogue = openCatalogue(projections, generation);
  const everywhere = { ...cause, environment: "*", tool: "" };
  // Of all servers together nothing of this can be said.
  const servers = (await catalogue.servers()).filter((one) => cause.server !== "*" && isAbout(everywhere, one));
  const own = servers.filter((one) => isAbout({ ...cause, tool: "" }, one));
  const newest = newestVersion(own);
  const versions = new Set(servers.map((server) => newestVersion([server])?.version));
  return {
    ...(newest && { serverVersion: newest.version }),
    ...(newest &&
      !newest.isOnly && { minutesSinceRelease: Math.max(0, Math.floor((nowMs - newest.firstAt) / minuteMs)) }),
    ...(await volumeOf(projections, catalogue, generation, cause, nowMs)),
    environmentsDiffer: versions.size > 1,
  };
}

function newestVersion(servers: readonly ListedSeries[]) {
  const versions = servers
    .flatMap((server) => Object.entries(server.versions ?? {}))
    .filter(([version]) => version !== "");
  const [newest] = versions.sort(([, a], [, b]) => b - a);
  if (newest === undefined) return undefined;
  const [version, firstAt] = newest;
  return { version, firstAt, isOnly: versions.every(([other]) => other === version) };
}

const lately = 10;

async function volumeOf(
  projections: Pick<Projections, "read">,
  catalogue: Catalogue,
  generation: number,
  cause: Cause,
  nowMs: number,
): Promise<Pick<Facts, "volumeRatio">> {
  // Of all servers together it is not asked: whoever has ten thousand of them has other signs.
  if (cause.server === "*") return {};
  const selection = await catalogue.select(wantedOf(cause));
  const now = lastMinutes(minuteOf(nowMs) - 1, lately);
  const before = { from: now.from - minutesPerHour, to: now.from };
  const rows = await readSelection(projections, generation, selection, [now, before]);
  const calls = (span: typeof now): number => cellIn(rows, selection, span).attempts ?? 0;
  const usual = calls(before) / minutesPerHour;
  return usual === 0 ? {} : { volumeRatio: calls(now) / lately / usual };
}
