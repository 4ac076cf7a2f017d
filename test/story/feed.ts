import { readFileSync } from "node:fs";
import { join } from "node:path";

/** What the pipeline said on its bus, as other automation reads it: each at least once. */
export interface Said {
  readonly type: string;
  readonly detail: { readonly [name: string]: unknown };
}

/** Of one server, oldest first. Reading it asks the pipeline nothing, so it costs nothing while that is dead. */
export function readFeed(data: string, server: string): Said[] {
  let text: string;
  try {
    text = readFileSync(join(data, "events.ndjson"), "utf8");
  } catch {
    return []; // nothing was said yet
  }
  return text
    .split("\n")
    .flatMap(parsed)
    .filter(({ detail }) => detail.server === server);
}

/** The last line may be half written. */
function parsed(line: string): Said[] {
  try {
    const { "detail-type": type, detail } = JSON.parse(line) as { "detail-type": string; detail: Said["detail"] };
    return [{ type, detail }];
  } catch {
    return [];
  }
}
