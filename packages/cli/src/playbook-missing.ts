import { buildCommand, type CommandContext } from "@stricli/core";
import type { MissingRunbooks, SeenVersion } from "@tooltrail/api/types";
import { connect } from "./connect.ts";
import { type ResponseFlags, responseFlags } from "./playbook-flags.ts";
import { plain, type TextColumn, table } from "./table.ts";

const time = (ms: number): string => new Date(ms).toISOString();

const columns: readonly TextColumn<SeenVersion>[] = [
  { name: "server", width: 28, of: ({ server }) => plain(server) },
  { name: "environment", width: 14, of: ({ environment }) => plain(environment) },
  { name: "version", width: 20, of: ({ version }) => plain(version) },
  { name: "first seen", width: 24, of: ({ firstSeen }) => time(firstSeen) },
  { name: "last seen", width: 0, of: ({ lastSeen }) => time(lastSeen) },
];

export const missingCommand = buildCommand<ResponseFlags, [], CommandContext>({
  docs: {
    brief: "List versions of servers that no runbook says how to go back from",
    fullDescription: "Of the last 30 days. Exits with 1 where there are any.",
  },
  parameters: { flags: responseFlags },
  async func({ data, json }) {
    const answer = await connect({ ...(data && { data }) }).get<MissingRunbooks>("/v1/runbooks/missing");
    const { missing, since } = answer;
    const none = `Every version that was seen since ${time(since)} has a runbook.\n`;
    const text = missing.length === 0 ? none : table(columns, missing);
    this.process.stdout.write(json ? `${JSON.stringify(answer, undefined, 2)}\n` : text);
    if (missing.length > 0) process.exitCode = 1;
  },
});
