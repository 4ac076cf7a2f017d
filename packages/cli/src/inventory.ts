import { buildCommand, type CommandContext } from "@stricli/core";
import type { InventoryEntry, InventoryList, InventoryPage } from "@tooltrail/api/types";
import { type ConnectFlags, connect, connectFlags } from "./connect.ts";
import { plain, type TextColumn, table } from "./table.ts";

interface InventoryFlags extends ConnectFlags {
  readonly server?: string;
  readonly json: boolean;
}

const lists: readonly InventoryList[] = ["servers", "tools", "definitions", "principals"];

function list(text: string): InventoryList {
  const found = lists.find((name) => name === text);
  if (found) return found;
  throw new Error(`"${text}" is none of ${lists.join(", ")}`);
}

const time = (ms: number): string => new Date(ms).toISOString();

/** A row of the list that is shown has what its columns name. */
const of =
  (name: string) =>
  (entry: InventoryEntry): string =>
    plain((entry as { readonly [member: string]: unknown })[name]);

const names: { readonly [what in InventoryList]: readonly TextColumn<InventoryEntry>[] } = {
  servers: [
    { name: "server", width: 28, of: of("server") },
    { name: "version", width: 14, of: of("version") },
    { name: "environment", width: 14, of: of("environment") },
  ],
  tools: [
    { name: "server", width: 28, of: of("server") },
    { name: "tool", width: 28, of: of("tool") },
    { name: "definition", width: 12, of: (entry) => of("definition")(entry).slice(0, 12) },
  ],
  definitions: [
    { name: "server", width: 20, of: of("server") },
    { name: "tool", width: 20, of: of("tool") },
    { name: "digest", width: 64, of: of("digest") },
    { name: "bytes", width: 6, of: of("bytes") },
  ],
  principals: [
    { name: "server", width: 28, of: of("server") },
    { name: "principal", width: 32, of: (entry) => of("subject" in entry ? "subject" : "ref")(entry) },
    { name: "method", width: 8, of: of("method") },
  ],
};

const counts: readonly TextColumn<InventoryEntry>[] = [
  { name: "calls", width: 8, of: ({ calls }) => String(calls) },
  { name: "attempts", width: 8, of: ({ attempts }) => String(attempts) },
  { name: "ok", width: 8, of: ({ outcomes }) => String(outcomes.ok ?? 0) },
  { name: "first seen", width: 24, of: ({ firstSeen }) => time(firstSeen) },
  { name: "last seen", width: 24, of: ({ lastSeen }) => time(lastSeen) },
  {
    name: "not ok",
    width: 0,
    of: ({ outcomes }) =>
      Object.entries(outcomes)
        .filter(([layer]) => layer !== "ok")
        .map(([layer, count]) => `${layer} ${count}`)
        .join(", "),
  },
];

export const inventoryCommand = buildCommand<InventoryFlags, [InventoryList?], CommandContext>({
  docs: {
    brief: "List the servers, tools, definitions or principals that there are",
    fullDescription:
      "servers (the default), tools, definitions or principals: when they were first and last seen, and what came of the calls, as far as the log has been followed.",
  },
  parameters: {
    flags: {
      ...connectFlags,
      server: { kind: "parsed", parse: String, optional: true, brief: "of this server alone", placeholder: "ID" },
      json: { kind: "boolean", brief: 'print {"entries":[…]}', default: false },
    },
    positional: {
      kind: "tuple",
      parameters: [{ parse: list, brief: lists.join(", "), placeholder: "what", optional: true }],
    },
  },
  async func({ data, server, json }, what = "servers") {
    const { get } = connect({ ...(data && { data }) });
    const entries: InventoryEntry[] = [];
    for (let cursor: string | null | undefined; cursor !== null; ) {
      const page: InventoryPage = await get<InventoryPage>(`/v1/inventory/${what}`, { server, cursor, limit: "1000" });
      entries.push(...page.entries);
      cursor = page.next;
    }
    this.process.stdout.write(
      json ? `${JSON.stringify({ entries }, undefined, 2)}\n` : table([...names[what], ...counts], entries),
    );
  },
});
