import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { RecordPage } from "@tooltrail/api/types";
import { parseRecordId } from "@tooltrail/format";
import type { ChaosPlace } from "./place.ts";
import type { Problems } from "./problems.ts";

/** Reads all records of a kind by small pages, as a client would. @returns their ids */
export async function pageThrough(
  { data, endpoint }: ChaosPlace,
  kind: "call" | "intent" | "lifecycle",
  limit: number,
  problems: Problems,
): Promise<Set<string>> {
  const headers = { authorization: `Bearer ${readFileSync(join(data, "token"), "utf8").trim()}` };
  const seen = new Set<string>();
  let last: Place | undefined;
  let cursor: string | null = "";
  do {
    const query: string = new URLSearchParams({ kind, limit: String(limit), ...(cursor && { cursor }) }).toString();
    const response = await fetch(`${endpoint}/v1/records?${query}`, { headers, signal: AbortSignal.timeout(60_000) });
    if (!response.ok) throw new Error(`/v1/records answered ${response.status}: ${await response.text()}`);
    const page = (await response.json()) as RecordPage;
    if (page.records.length > limit) problems.add("a page is larger than its limit", query);
    for (const { id, at } of page.records) {
      if (seen.has(id)) problems.add("paging repeated a record", id);
      seen.add(id);
      const place = { at, ...(parseRecordId(id) ?? { emitter: "", seq: -1, index: -1 }) };
      if (last !== undefined && !isOlder(place, last)) problems.add("paging is out of order", id);
      last = place;
    }
    cursor = page.next;
  } while (cursor !== null);
  return seen;
}

interface Place {
  readonly at: number;
  readonly emitter: string;
  readonly seq: number;
  readonly index: number;
}

function isOlder(a: Place, b: Place): boolean {
  if (a.at !== b.at) return a.at < b.at;
  if (a.emitter !== b.emitter) return a.emitter < b.emitter;
  return a.seq === b.seq ? a.index < b.index : a.seq < b.seq;
}
