import { buildCommand, type CommandContext } from "@stricli/core";
import type { EmitterState, EmittersPage, EmitterView } from "@tooltrail/api/types";
import { type ConnectFlags, connect, connectFlags } from "./connect.ts";
import { plain, type TextColumn, table } from "./table.ts";

interface EmittersFlags extends ConnectFlags {
  readonly server?: string;
  readonly state?: EmitterState;
  readonly json: boolean;
}

const states = ["live", "late", "gap", "silent", "stopped"] as const satisfies EmitterState[];

const columns: readonly TextColumn<EmitterView>[] = [
  { name: "emitter", width: 26, of: ({ emitter }) => emitter },
  { name: "server", width: 24, of: ({ server }) => plain(server) },
  { name: "state", width: 8, of: ({ state }) => state },
  { name: "batches", width: 8, of: ({ batches }) => String(batches) },
  { name: "last arrival", width: 24, of: ({ lastReceivedAt }) => new Date(lastReceivedAt).toISOString() },
  { name: "missing", width: 0, of: (view) => missing(view) },
];

const missing = ({ missing: ranges, unlisted }: EmitterView): string =>
  [
    ...ranges.map(({ from, to }) => (from === to ? String(from) : `${from}-${to}`)),
    ...(unlisted ? [`${unlisted.count} more from ${unlisted.from} to ${unlisted.to}`] : []),
  ].join(", ");

export const emittersCommand = buildCommand<EmittersFlags, [], CommandContext>({
  docs: {
    brief: "List emitters, and which of their batches are missing",
    fullDescription:
      "Emitters number their batches. A missing number is late for 15 minutes, then a gap, until it arrives. Silent: has not said that it stops, and has said nothing for 15 minutes.",
  },
  parameters: {
    flags: {
      ...connectFlags,
      server: { kind: "parsed", parse: String, optional: true, brief: "of this server alone", placeholder: "ID" },
      state: { kind: "enum", values: states, optional: true, brief: "in this state alone" },
      json: { kind: "boolean", brief: 'print {"emitters":[…]}', default: false },
    },
  },
  async func({ data, server, state, json }) {
    const { get } = connect({ ...(data && { data }) });
    const emitters: EmitterView[] = [];
    for (let cursor: string | null | undefined; cursor !== null; ) {
      const page: EmittersPage = await get<EmittersPage>("/v1/emitters", { server, state, cursor, limit: "1000" });
      emitters.push(...page.emitters);
      cursor = page.next;
    }
    this.process.stdout.write(json ? `${JSON.stringify({ emitters }, undefined, 2)}\n` : table(columns, emitters));
  },
});
