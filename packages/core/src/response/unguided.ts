import { inventory, type ServerRow } from "../follow/inventory.ts";
import type { Projections } from "../follow/ports.ts";
import { readRows } from "../follow/read-rows.ts";
import { ownServer } from "../own-server.ts";
import { missingRunbooks } from "./pick.ts";
import { readResponse } from "./store.ts";

/** A version of a server that calls have named, in milliseconds since the epoch. An environment that has no name is the empty text. */
export interface SeenVersion {
  readonly environment: string;
  readonly server: string;
  readonly version: string;
  readonly firstSeen: number;
  readonly lastSeen: number;
}

/** Versions that no runbook says how to go back from, by server, environment and version. `since`: those that were seen later. */
export interface UnguidedVersions {
  readonly missing: readonly SeenVersion[];
  readonly since: number;
}

/** A version that nobody has called for so long is none to go back from. */
const seenMs = 30 * 86_400_000;
const rowsPerRead = 1_000;

export async function unguidedVersions(
  projections: Pick<Projections, "cursor" | "list">,
  nowMs: number,
): Promise<UnguidedVersions> {
  const since = nowMs - seenMs;
  const { runbooks } = await readResponse(projections);
  return { missing: missingRunbooks(runbooks, await versionsSince(projections, since)), since };
}

/** Servers that say no version are left out, and so is tooltrail itself. */
async function versionsSince(projections: Pick<Projections, "cursor" | "list">, since: number): Promise<SeenVersion[]> {
  const seen: SeenVersion[] = [];
  for (let after: string | undefined; ; ) {
    const place = { collection: "servers", limit: rowsPerRead, ...(after !== undefined && { after }) };
    const { rows, next } = await readRows(projections, inventory.name, place);
    for (const { value } of rows) {
      const { server, environment = "", version, firstSeen, lastSeen } = value as ServerRow;
      if (version !== undefined && lastSeen >= since && server !== ownServer)
        seen.push({ server, environment, version, firstSeen, lastSeen });
    }
    if (next === undefined) return seen;
    after = next;
  }
}
