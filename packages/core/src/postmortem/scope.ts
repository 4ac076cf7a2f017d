import type { AuditRecord, ServerRef } from "@tooltrail/format";
import type { Cause } from "../incidents/incident.ts";
import { ownServer } from "../own-server.ts";
import type { Indicator } from "../slo/slo.ts";

/** Whether a record is of what an incident is about, by the rules that counters count by: a tool that does not exist is nobody's, and tooltrail's own records are no server's. */
export function isInScope({ environment, server, tool }: Cause, of: ServerRef, record: AuditRecord): boolean {
  if (of.id === ownServer) return false;
  const isMade = "outcome" in record && record.outcome.reason === "unknown_tool";
  return (
    (environment === "*" || environment === (of.environment ?? "")) &&
    (isAll(server) || server === of.id) &&
    (isAll(tool) || (!isMade && "tool" in record && record.tool === tool))
  );
}

/** The same as counters are asked for it. */
export function selectedBy({ environment, server, tool }: Cause): Pick<Indicator, "selector" | "literal"> {
  const selector = {
    ...(environment !== "*" && { environment }),
    ...(!isAll(server) && { server }),
    ...(!isAll(tool) && { tool }),
  };
  return { selector, literal: true };
}

/** The ledger lists one server's batches, or all. */
export const ledgerServer = ({ server }: Cause): { server?: string } => (isAll(server) ? {} : { server });

const isAll = (name: string): boolean => name === "*" || name === "";

/** The cause in words. */
export function scopeText({ environment, server, tool }: Cause): string {
  const where = environment === "" || environment === "*" ? "" : ` in ${environment}`;
  const whole = isAll(server) ? "all servers" : server;
  return `${isAll(tool) ? whole : `${tool} of ${whole}`}${where}`;
}
