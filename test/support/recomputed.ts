import type { Projections } from "@tooltrail/core/follow/ports";
import type { StoredBatch } from "@tooltrail/core/ports";
import { type AuditRecord, bodyLines } from "@tooltrail/format";

/** Everything in a projection, by collection and id. */
export async function rowsOf(
  projections: Projections,
  name: string,
  collections: readonly string[],
  generation?: number,
): Promise<{ [collection: string]: { [id: string]: unknown } }> {
  const current = generation ?? (await projections.cursor(name))?.current.number ?? 1;
  const all: { [collection: string]: { [id: string]: unknown } } = {};
  for (const collection of collections) {
    const rows = await projections.list(name, current, { collection, limit: 10_000 });
    if (rows.length > 0) all[collection] = Object.fromEntries(rows.map(({ id, value }) => [id, value]));
  }
  return all;
}

interface Placed {
  readonly batch: StoredBatch;
  readonly record: AuditRecord;
}

export const recordsIn = (batches: readonly StoredBatch[]): Placed[] =>
  batches.flatMap((batch) =>
    (bodyLines(batch.body) ?? []).map((line) => ({ batch, record: JSON.parse(line) as AuditRecord })),
  );

/** Counts of the inventory, told from all records at once: by what is counted, how often. */
export function countedAtOnce(batches: readonly StoredBatch[]): { [what: string]: object } {
  const groups = new Map<string, AuditRecord[]>();
  for (const { batch, record } of recordsIn(batches)) {
    const { id, version } = batch.headers.server;
    const digest =
      record.kind === "definition" ? record.digest : "definition" in record ? record.definition : undefined;
    const keys = [
      JSON.stringify(["servers", id, version ?? null]),
      ...("tool" in record ? [JSON.stringify(["tools", id, record.tool])] : []),
      ...("tool" in record && digest !== undefined ? [JSON.stringify(["definitions", id, record.tool, digest])] : []),
      ...("principal" in record ? [JSON.stringify(["principals", id, record.principal.ref])] : []),
    ];
    for (const key of keys) groups.set(key, [...(groups.get(key) ?? []), record]);
  }
  return Object.fromEntries(
    [...groups].map(([key, records]) => {
      const calls = records.filter((record) => record.kind === "call");
      const final = calls.filter((call) => call.final);
      const layers = [...new Set(final.map(({ outcome }) => outcome.class))];
      return [
        key,
        {
          firstSeen: Math.min(...records.map(({ at }) => at)),
          lastSeen: Math.max(...records.map(({ at }) => at)),
          calls: final.length,
          attempts: calls.length,
          outcomes: Object.fromEntries(
            layers.map((layer) => [layer, final.filter(({ outcome }) => outcome.class === layer).length]),
          ),
        },
      ];
    }),
  );
}

/** The same, as rows of the inventory say it. */
export function countedInRows(rows: { [collection: string]: { [id: string]: unknown } }): { [what: string]: object } {
  return Object.fromEntries(
    Object.entries(rows).flatMap(([collection, byId]) =>
      Object.values(byId).map((value) => {
        const row = value as { [name: string]: unknown };
        const names = {
          servers: [row.version ?? null],
          tools: [row.tool],
          definitions: [row.tool, row.digest],
          principals: [row.ref],
        }[collection];
        const { firstSeen, lastSeen, calls, attempts, outcomes } = row;
        return [
          JSON.stringify([collection, row.server, ...(names ?? [])]),
          { firstSeen, lastSeen, calls, attempts, outcomes },
        ];
      }),
    ),
  );
}

/** How many batches there are of each signed emitter, and which numbers are missing, told from all batches at once. */
export function missingAtOnce(batches: readonly StoredBatch[]): { [emitter: string]: number[] } {
  const seen = new Map<string, Set<number>>();
  for (const { headers } of batches) {
    if (!("key" in headers)) continue;
    seen.set(headers.emitter, (seen.get(headers.emitter) ?? new Set()).add(headers.seq));
  }
  return Object.fromEntries(
    [...seen].map(([emitter, numbers]) => [
      `${emitter}: ${numbers.size}`,
      Array.from({ length: Math.max(...numbers) + 1 }, (_, seq) => seq).filter((seq) => !numbers.has(seq)),
    ]),
  );
}

/** Batches by what is looked up, told from all records at once. */
export function postedAtOnce(batches: readonly StoredBatch[]): { [term: string]: string[] } {
  const posted = new Map<string, Set<string>>();
  for (const { batch, record } of recordsIn(batches)) {
    const { emitter, seq } = batch.headers;
    const outcome = "outcome" in record ? record.outcome : undefined;
    const trace = "links" in record ? record.links?.traceparent?.split("-")[1] : undefined;
    const terms = [
      "tool" in record ? `tool ${record.tool}` : undefined,
      trace && `trace ${trace}`,
      outcome && outcome.class !== "ok" ? `outcome ${outcome.class}` : undefined,
      outcome?.reason && `outcome ${outcome.reason}`,
    ];
    for (const term of terms)
      if (term !== undefined) posted.set(term, (posted.get(term) ?? new Set()).add(`${emitter} ${seq}`));
  }
  return Object.fromEntries([...posted].map(([term, places]) => [term, [...places].sort()]));
}
