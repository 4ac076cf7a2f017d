import { counters } from "@tooltrail/core/follow/counters";
import { readSelection } from "@tooltrail/core/slo/counting";
import { openCatalogue } from "@tooltrail/core/slo/selection";
import { countIn } from "@tooltrail/core/slo/spans";
import type { AuditRecord } from "@tooltrail/format";
import type { Leaf } from "@tooltrail/format/log";
import { openDatabase } from "@tooltrail/local/sqlite";
import { sqliteProjections } from "@tooltrail/local/sqlite-projections";
import type { ChaosPlace } from "./place.ts";
import type { Problems } from "./problems.ts";

/**
 * Holds the counters against a plain scan of the log: of each tool of each server, and of each server, how many calls count and how many of them failed, in each minute. The pipeline must have stopped.
 *
 * @returns how many calls count.
 */
export async function auditCounters(place: ChaosPlace, leaves: readonly Leaf[], problems: Problems): Promise<number> {
  const scanned = scan(leaves);
  const db = openDatabase(place.data, false);
  let total = 0;
  try {
    const projections = sqliteProjections(db);
    const cursor = await projections.cursor(counters.name);
    if (cursor?.current.leaf !== leaves.length)
      problems.add("counters do not go as far as the log", `${cursor?.current.leaf} of ${leaves.length}`);
    const generation = cursor?.current.number ?? 1;
    const catalogue = openCatalogue(projections, generation);
    for (const selector of [{}, { tool: "*" }])
      for (const { environment, server, tool } of (await catalogue.select({ selector })).series) {
        const series = { environment, server, ...(tool !== undefined && { tool }) };
        if (series.server === "tooltrail") continue;
        const name = JSON.stringify([series.server, series.tool]);
        const minutes = scanned.get(name) ?? new Map<number, { total: number; bad: number }>();
        scanned.delete(name);
        for (const [minute, expected] of minutes) {
          const span = { from: minute, to: minute + 1 };
          const rows = await readSelection(projections, generation, { series: [series] }, [span]);
          const found = countIn(rows, { series: [series] }, { sli: "availability" }, span);
          if (found.total !== expected.total || found.bad !== expected.bad)
            problems.add(
              "a minute's counts are not the log's",
              `${name} ${minute}: ${JSON.stringify({ found, expected })}`,
            );
          if (tool === undefined) total += found.total;
        }
      }
  } finally {
    db.close();
  }
  for (const name of scanned.keys()) problems.add("calls of the log that are not counted", name);
  return total;
}

type Minutes = Map<number, { total: number; bad: number }>;

/** By server, and by server and tool, by minute. Calls that went well, and failures whose reason is no caller's. */
function scan(leaves: readonly Leaf[]): Map<string, Minutes> {
  const all = new Map<string, Minutes>();
  for (const leaf of leaves) {
    const record = leaf.record as unknown as AuditRecord;
    if (record.kind !== "call" || !record.final) continue;
    const { class: layer, reason } = record.outcome;
    if (layer !== "ok" && !(layer === "tool_error" && reason === undefined) && reason !== "server_exited") continue;
    const minute = Math.floor(record.at / 60_000);
    for (const tool of [undefined, record.tool]) {
      const name = JSON.stringify([leaf.server.id, tool]);
      const minutes = all.get(name) ?? new Map();
      all.set(name, minutes);
      const { total, bad } = minutes.get(minute) ?? { total: 0, bad: 0 };
      minutes.set(minute, { total: total + 1, bad: bad + (layer === "ok" ? 0 : 1) });
    }
  }
  return all;
}
