import { buildCommand, buildRouteMap, type CommandContext } from "@stricli/core";
import type { RebuildAnswer } from "@tooltrail/api/types";
import { type ConnectFlags, connect, connectFlags } from "./connect.ts";

interface Flags extends ConnectFlags {
  readonly json: boolean;
}

const rebuildCommand = buildCommand<Flags, [string], CommandContext>({
  docs: { brief: "Make one anew from the log's first leaf; the present one is read until then" },
  parameters: {
    flags: { ...connectFlags, json: { kind: "boolean", brief: "print one JSON document", default: false } },
    positional: {
      kind: "tuple",
      parameters: [{ parse: String, brief: "inventory, continuity, postings or counters", placeholder: "NAME" }],
    },
  },
  async func({ data, json }, name) {
    const answer = await connect({ ...(data && { data }) }).post<RebuildAnswer>(
      `/v1/projections/${encodeURIComponent(name)}/rebuild`,
    );
    const said = `${answer.projection}: generation ${answer.generation} is being made from leaf ${answer.leaf} on`;
    this.process.stdout.write(json ? `${JSON.stringify(answer)}\n` : `${said}\n`);
  },
});

export const projectionsRoutes = buildRouteMap({
  routes: { rebuild: rebuildCommand },
  docs: { brief: "What is made of the log" },
});
