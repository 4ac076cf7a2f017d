import { buildCommand, buildRouteMap, type CommandContext } from "@stricli/core";
import type { Maintenance, MaintenancePage } from "@tooltrail/api/types";
import { fixedMinutes } from "@tooltrail/core/slo/duration";
import { Refused } from "./client.ts";
import { type ConnectFlags, connect, connectFlags } from "./connect.ts";
import { plain, type TextColumn, table } from "./table.ts";

interface Flags extends ConnectFlags {
  readonly json: boolean;
}

interface AddFlags extends Flags {
  readonly minutes?: number;
  readonly for?: number;
  readonly reason: string;
  readonly server?: string;
  readonly environment?: string;
  readonly tool?: string;
}

const flags = { ...connectFlags, json: { kind: "boolean", brief: "print one JSON document", default: false } } as const;

const time = (ms: number): string => new Date(ms).toISOString();

const columns = (nowMs: number): readonly TextColumn<Maintenance>[] => [
  { name: "id", width: 30, of: ({ id }) => plain(id) },
  { name: "", width: 5, of: ({ from, until }) => (nowMs < from ? "later" : nowMs < until ? "now" : "over") },
  { name: "from", width: 24, of: ({ from }) => time(from) },
  { name: "until", width: 24, of: ({ until }) => time(until) },
  { name: "what", width: 32, of: whatText },
  { name: "by", width: 20, of: ({ by }) => plain(by) },
  { name: "reason", width: 0, of: ({ reason }) => plain(reason) },
];

/** `tool refund of billing in production` */
function whatText({ tool, server, environment }: Pick<Maintenance, "tool" | "server" | "environment">): string {
  const whose = [
    ...(tool === undefined ? [] : [`tool ${tool}${server === undefined ? "" : " of"}`]),
    ...(server === undefined ? [] : [server]),
    ...(environment === undefined ? [] : [`in ${environment}`]),
  ];
  return plain(whose.join(" ") || "everything");
}

const listCommand = buildCommand<Flags, [], CommandContext>({
  docs: { brief: "List times in which no alerts open, and those that were, lately" },
  parameters: { flags },
  async func({ data, json }) {
    const { windows } = await connect({ ...(data && { data }) }).get<MaintenancePage>("/v1/maintenance");
    this.process.stdout.write(
      json ? `${JSON.stringify({ windows }, undefined, 2)}\n` : table(columns(Date.now()), windows),
    );
  },
});

function minutes(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new Error(`"${text}" is not a number of minutes`);
  return Number(text);
}

function span(text: string): number {
  const found = fixedMinutes(text);
  if (found === undefined) throw new Error(`"${text}" is not a span like 90m, 2h or 1d`);
  return found;
}

const pattern = (brief: string, placeholder: string) =>
  ({ kind: "parsed", parse: String, optional: true, brief, placeholder }) as const;

const addCommand = buildCommand<AddFlags, [], CommandContext>({
  docs: {
    brief: "From now on, for a while, let no alerts open",
    fullDescription:
      "Of SLOs that are about nothing else than what is named here. What fires already goes on, and may clear; budgets are spent as ever.",
  },
  parameters: {
    flags: {
      ...flags,
      minutes: { kind: "parsed", parse: minutes, optional: true, brief: "for so many minutes", placeholder: "N" },
      for: { kind: "parsed", parse: span, optional: true, brief: "for so long: 90m, 2h, 1d", placeholder: "SPAN" },
      reason: { kind: "parsed", parse: String, brief: "why", placeholder: "TEXT" },
      server: pattern("of this server alone; * stands for anything", "ID"),
      environment: pattern("in this environment alone", "NAME"),
      tool: pattern("of this tool alone", "NAME"),
    },
  },
  async func({ data, json, minutes: given, for: long, ...said }) {
    const length = given ?? long;
    if (length === undefined || (given !== undefined && long !== undefined))
      throw new Refused(400, "--minutes, or --for: one of the two tells how long.");
    const window = await connect({ ...(data && { data }) }).post<Maintenance>("/v1/maintenance", {
      minutes: length,
      ...said,
    });
    const { id, until } = window;
    this.process.stdout.write(
      json
        ? `${JSON.stringify(window)}\n`
        : `${plain(id)}: no alerts about ${whatText(window)} open until ${time(until)}\n`,
    );
  },
});

const removeCommand = buildCommand<Flags, [string], CommandContext>({
  docs: { brief: "End one" },
  parameters: {
    flags,
    positional: { kind: "tuple", parameters: [{ parse: String, brief: "its id (mnt_…)", placeholder: "ID" }] },
  },
  async func({ data, json }, id) {
    const client = connect({ ...(data && { data }) });
    const answer = await client.delete<{ readonly id: string }>(`/v1/maintenance/${encodeURIComponent(id)}`);
    this.process.stdout.write(json ? `${JSON.stringify(answer)}\n` : `${plain(id)}: removed\n`);
  },
});

export const maintenanceRoutes = buildRouteMap({
  routes: { list: listCommand, add: addCommand, remove: removeCommand },
  docs: { brief: "Times in which no alerts open" },
});
