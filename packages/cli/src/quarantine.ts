import { buildCommand, buildRouteMap, type CommandContext } from "@stricli/core";
import type { QuarantinePage, QuarantineView, ReplayAnswer } from "@tooltrail/api/types";
import { type ConnectFlags, connect, connectFlags } from "./connect.ts";

interface Flags extends ConnectFlags {
  readonly json: boolean;
}

const flags = { ...connectFlags, json: { kind: "boolean", brief: "print one JSON document", default: false } } as const;

const oneEntry = {
  flags,
  positional: { kind: "tuple", parameters: [{ parse: String, brief: "its id (qua_…)", placeholder: "ID" }] },
} as const;

const listCommand = buildCommand<Flags, [], CommandContext>({
  docs: { brief: "List what could not become a record, and why" },
  parameters: { flags },
  async func({ data, json }) {
    const { get } = connect({ ...(data && { data }) });
    const entries: QuarantineView[] = [];
    for (let cursor: string | null | undefined; cursor !== null; ) {
      const page: QuarantinePage = await get<QuarantinePage>("/v1/quarantine", { cursor });
      entries.push(...page.entries);
      cursor = page.next;
    }
    if (json) this.process.stdout.write(`${JSON.stringify({ entries }, undefined, 2)}\n`);
    else for (const entry of entries) this.process.stdout.write(`${lineOf(entry)}\n`);
  },
});

const lineOf = ({ id, receivedAt, reason, detail }: QuarantineView): string =>
  `${id} ${new Date(receivedAt).toISOString()} ${reason}: ${detail.replace(/\p{C}/gu, "?")}`;

const replayCommand = buildCommand<Flags, [string], CommandContext>({
  docs: { brief: "Do again what one of them was for: after an upgrade, say" },
  parameters: oneEntry,
  async func({ data, json }, id) {
    const answer = await connect({ ...(data && { data }) }).post<ReplayAnswer>(
      `/v1/quarantine/${encodeURIComponent(id)}/replay`,
    );
    const said = answer.outcome === "quarantined" ? `still in quarantine (${answer.reason})` : answer.outcome;
    this.process.stdout.write(json ? `${JSON.stringify(answer)}\n` : `${id}: ${said}\n`);
    if (answer.outcome === "quarantined") process.exitCode = 1;
  },
});

const discardCommand = buildCommand<Flags, [string], CommandContext>({
  docs: { brief: "Forget one of them for good: what should never have been sent" },
  parameters: oneEntry,
  async func({ data, json }, id) {
    const answer = await connect({ ...(data && { data }) }).delete(`/v1/quarantine/${encodeURIComponent(id)}`);
    this.process.stdout.write(json ? `${JSON.stringify(answer)}\n` : `${id}: discarded\n`);
  },
});

export const quarantineRoutes = buildRouteMap({
  routes: { list: listCommand, replay: replayCommand, discard: discardCommand },
  docs: { brief: "Inputs that were refused" },
});
