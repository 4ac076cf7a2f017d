import type { AuditRecord, ServerRef } from "@tooltrail/format";
import { isAbout, wantedOf } from "../incidents/cause.ts";
import type { Cause } from "../incidents/incident.ts";
import { ownServer } from "../own-server.ts";

/** Whether a record is of what an incident is about, by the rules that counters count by: a tool that does not exist is nobody's, and tooltrail's own records are no server's. */
export function isInScope(cause: Cause, { id: server, environment = "" }: ServerRef, record: AuditRecord): boolean {
  const isMade = "outcome" in record && record.outcome.reason === "unknown_tool";
  const tool = !isMade && "tool" in record ? record.tool : undefined;
  return server !== ownServer && isAbout(cause, { environment, server, tool });
}

/** The ledger lists one server's batches, or all: it knows no patterns. */
export function ledgerServer(cause: Cause): { server?: string } {
  const { server } = wantedOf(cause).selector;
  return server === undefined || cause.server.includes("*") ? {} : { server };
}

/** The cause in words, with names and patterns as a person would write them. */
export function scopeText(cause: Cause): string {
  const { environment = "", server = "all servers", tool } = wantedOf(cause).selector;
  return `${tool === undefined ? "" : `${tool} of `}${server}${environment === "" ? "" : ` in ${environment}`}`;
}
