import { buildCommand, type CommandContext } from "@stricli/core";
import type { IncidentSummary, IncidentsPage } from "@tooltrail/api/types";
import { statuses } from "@tooltrail/core/incidents/incident";
import { plainText } from "@tooltrail/core/telling/words";
import { type Client, Refused } from "./client.ts";
import { type ConnectFlags, connect, connectFlags } from "./connect.ts";
import { spanText } from "./incident-time.ts";
import { plain, type TextColumn, table } from "./table.ts";

const chosen = [...statuses, "live", "all"] as const;
type Chosen = (typeof chosen)[number];

interface ListFlags extends ConnectFlags {
  readonly live: boolean;
  readonly status?: Chosen;
  readonly server?: string;
  readonly limit: number;
  readonly cursor?: string;
  readonly json: boolean;
}

const maxPage = 200;
/** Incidents that one listing looks through: each page is a record, too. */
const maxPages = 10;

function parseLimit(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || value > 1_000) throw new Error(`"${text}" is not a number from 1 to 1000`);
  return value;
}

export const listCommand = buildCommand<ListFlags, [], CommandContext>({
  docs: {
    brief: "List incidents, the latest first: those that have not ended, unless --status says otherwise",
    fullDescription: "Exits with 0, whether there are any or not.",
  },
  parameters: {
    flags: {
      ...connectFlags,
      live: { kind: "boolean", brief: "those that have not ended, as without it", default: false },
      status: { kind: "enum", values: chosen, optional: true, brief: "in this one alone" },
      server: { kind: "parsed", parse: String, optional: true, brief: "about this server", placeholder: "ID" },
      limit: {
        kind: "parsed",
        parse: parseLimit,
        brief: "at most so many (1 to 1000)",
        default: "50",
        placeholder: "N",
      },
      cursor: { kind: "parsed", parse: String, optional: true, brief: "go on where a list ended", placeholder: "ID" },
      json: { kind: "boolean", brief: 'print {"incidents":[…],"next":cursor|null}', default: false },
    },
  },
  async func({ data, live, status = "live", json, ...asked }) {
    if (live && status !== "live") throw new Refused(400, "--live, or --status: one of the two says which.");
    const page = await readIncidents(connect({ ...(data && { data }) }), { ...asked, status });
    const { stdout, stderr } = this.process;
    if (json) {
      stdout.write(`${JSON.stringify(page, undefined, 2)}\n`);
      return;
    }
    stdout.write(incidentTable(page.incidents, Date.now()));
    if (page.next !== null) stderr.write(`There may be more: --cursor ${plain(page.next)}\n`);
  },
});

interface Query {
  readonly status: Chosen;
  readonly server?: string;
  readonly limit: number;
  readonly cursor?: string;
}

/** As many as are wanted, where there are so many among those that one listing looks through. */
async function readIncidents(
  { get }: Pick<Client, "get">,
  { status, server, limit, cursor }: Query,
): Promise<IncidentsPage> {
  const isSome = status !== "all" || server !== undefined;
  const incidents: IncidentSummary[] = [];
  let next: string | null = cursor ?? null;
  for (let pages = 0; pages < maxPages; pages += 1) {
    const page: IncidentsPage = await get<IncidentsPage>("/v1/incidents", {
      status: status === "all" ? undefined : status,
      server,
      cursor: next ?? undefined,
      limit: String(isSome ? maxPage : Math.min(maxPage, limit - incidents.length)),
    });
    incidents.push(...page.incidents);
    next = page.next;
    if (incidents.length > limit)
      return { incidents: incidents.slice(0, limit), next: incidents[limit - 1]?.id ?? null };
    if (next === null || incidents.length === limit) break;
  }
  return { incidents, next };
}

/** A line for each, under a head. */
export const incidentTable = (incidents: readonly IncidentSummary[], nowMs: number): string =>
  incidents.length === 0 ? "No incident.\n" : table(columnsAt(nowMs), incidents);

const columnsAt = (nowMs: number): readonly TextColumn<IncidentSummary>[] => [
  { name: "id", width: 30, of: ({ id }) => plain(id) },
  { name: "status", width: 12, of: ({ status }) => plain(status) },
  { name: "severity", width: 8, of: ({ severity }) => plain(severity) },
  { name: "level", width: 5, of: ({ level }) => plain(level) },
  { name: "age", width: 10, of: ({ openedAt }) => spanText(nowMs - openedAt) },
  { name: "title", width: 44, of: ({ title }) => plainText(title) },
  { name: "owner", width: 16, of: ({ owner = "-" }) => plainText(owner) },
  { name: "playbook", width: 0, of: ({ playbook }) => plain(playbook) },
];
