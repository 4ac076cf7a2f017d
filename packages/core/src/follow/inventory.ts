import { type Annotations, type OutcomeClass, type Principal, recordId } from "@tooltrail/format";
import { given } from "../given.ts";
import type { RowKey } from "./ports.ts";
import type { LogLeaf, Projection, RowValue } from "./projection.ts";
import { rowId } from "./row-id.ts";

/** What there is: each list is a collection of rows. */
export const inventoryLists = ["servers", "tools", "definitions", "principals"] as const;
export type InventoryList = (typeof inventoryLists)[number];

/** Times of records in milliseconds. A call counts once, by its final record; `attempts` are all its records. `outcomes` counts calls by class. */
export type Seen = {
  readonly firstSeen: number;
  readonly lastSeen: number;
  readonly calls: number;
  readonly attempts: number;
  readonly outcomes: { readonly [name in OutcomeClass]?: number };
};

/** One version of a server in one environment. */
export type ServerRow = Seen & { readonly server: string; readonly version?: string; readonly environment?: string };
/** `definition` is the digest that it was last served or called with, at `definedAt`. */
export type ToolRow = Seen & {
  readonly server: string;
  readonly tool: string;
  readonly definition?: string;
  readonly definedAt?: number;
};
/** `record` is the first that carries the definition itself; without it, calls alone have named the digest. */
export type DefinitionRow = Seen & {
  readonly server: string;
  readonly tool: string;
  readonly digest: string;
  readonly bytes?: number;
  readonly annotations?: Annotations;
  readonly record?: string;
};
/** Who has used a server, by pseudonym; `method` as last recorded, at `recordedAt`. */
export type PrincipalRow = Seen & {
  readonly server: string;
  readonly ref: string;
  readonly method: Principal["method"];
  readonly recordedAt: number;
};

/** Servers, tools, definitions and principals: when they were seen, and what came of the calls. */
export const inventory: Projection = {
  name: "inventory",
  version: 1,
  rowsOf: ({ server, record }) => [
    row("servers", server.id, server.version ?? "", server.environment ?? ""),
    ...("tool" in record ? [row("tools", server.id, record.tool)] : []),
    ...("tool" in record && digestOf(record) !== undefined
      ? [row("definitions", server.id, record.tool, digestOf(record) ?? "")]
      : []),
    ...("principal" in record ? [row("principals", server.id, record.principal.ref)] : []),
  ],
  fold(rows, leaf) {
    const collections = inventory.rowsOf(leaf).map(({ collection }) => collection as InventoryList);
    return rows.map((value, i) => ({ ...more[collections[i] ?? "servers"](value, leaf), ...seen(value, leaf) }));
  },
};

const row = (collection: InventoryList, ...parts: string[]): RowKey => ({ collection, id: rowId(...parts) });

function digestOf(record: LogLeaf["record"]): string | undefined {
  if (record.kind === "definition") return record.digest;
  // Whoever scores a tool says what was scored, which may have been served long ago.
  if (record.kind === "score") return undefined;
  return "definition" in record ? record.definition : undefined;
}

/** What a row of each list says besides counts. */
const more: { readonly [list in InventoryList]: (value: RowValue | undefined, leaf: LogLeaf) => RowValue } = {
  servers: (_, { server }) => ({
    server: server.id,
    ...given({ version: server.version, environment: server.environment }),
  }),
  tools(value, { server, record }) {
    const before = value as ToolRow | undefined;
    const digest = digestOf(record);
    const tool = "tool" in record ? record.tool : "";
    const newer = digest !== undefined && record.at >= (before?.definedAt ?? 0);
    const last = newer
      ? { definition: digest, definedAt: record.at }
      : given({ definition: before?.definition, definedAt: before?.definedAt });
    return { server: server.id, tool, ...last };
  },
  definitions(value, { server, record, ...place }) {
    const before = value as DefinitionRow | undefined;
    const names = { server: server.id, tool: "tool" in record ? record.tool : "", digest: digestOf(record) };
    if (record.kind !== "definition" || before?.record !== undefined)
      return { ...names, ...given({ bytes: before?.bytes, annotations: before?.annotations, record: before?.record }) };
    return { ...names, bytes: record.bytes, record: recordId(place), ...given({ annotations: record.annotations }) };
  },
  principals(value, { server, record }) {
    const before = value as PrincipalRow | undefined;
    if (!("principal" in record) || (before !== undefined && record.at < before.recordedAt))
      return {
        server: server.id,
        ...given({ ref: before?.ref, method: before?.method, recordedAt: before?.recordedAt }),
      };
    const { ref, method } = record.principal;
    return { server: server.id, ref, method, recordedAt: record.at };
  },
};

function seen(value: RowValue | undefined, { record }: LogLeaf): Seen {
  const before = value as Seen | undefined;
  const times = {
    firstSeen: Math.min(before?.firstSeen ?? record.at, record.at),
    lastSeen: Math.max(before?.lastSeen ?? record.at, record.at),
  };
  const { calls, attempts, outcomes } = before ?? { calls: 0, attempts: 0, outcomes: {} };
  if (record.kind !== "call") return { ...times, calls, attempts, outcomes };
  if (!record.final) return { ...times, calls, attempts: attempts + 1, outcomes };
  const { class: layer } = record.outcome;
  const counted = { ...outcomes, [layer]: (outcomes[layer] ?? 0) + 1 };
  return { ...times, calls: calls + 1, attempts: attempts + 1, outcomes: counted };
}
