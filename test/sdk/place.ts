import { join } from "node:path";
import type { RecordView } from "@tooltrail/api/types";
import type { CallRecord } from "@tooltrail/format";
import { eventually, node, type Place, records, root } from "../support/pipeline.ts";
import { plainEnv } from "../support/proxied.ts";
import type { Command } from "./sessions.ts";

export type CallView = RecordView & CallRecord & { readonly principal: { readonly subject?: string } };

/**
 * The environment of a server, by a name that tells its records from others'. Spools lie beside each other: none adopts another's records, and they
 * are of one installation, whose key the pipeline knows.
 */
export const envOf = (place: Place, endpoint: string, name: string): Record<string, string> =>
  plainEnv({
    ...place.env(endpoint),
    TOOLTRAIL_SPOOL: join(place.dir, `spool-${name}`),
    TOOLTRAIL_DIGEST_KEY: "ab".repeat(32),
    TOOLTRAIL_ENVIRONMENT: name,
  }) as Record<string, string>;

/** `v1` or `v2` of test/sdk/servers. */
export const serverOf = (env: Record<string, string>, version: "v1" | "v2", ...args: string[]): Command => ({
  command: node,
  args: [join(root, `test/sdk/servers/${version}.ts`), ...args],
  env,
});

/** The calls of one environment, oldest first, once there are so many. */
export async function callsOf(place: Place, endpoint: string, name: string, count: number): Promise<CallView[]> {
  const look = async () =>
    (await records(place, endpoint, "--server", "notes")).filter(({ server }) => server.environment === name);
  return (await eventually(look, (seen) => seen.length >= count, 20_000)).reverse() as CallView[];
}
