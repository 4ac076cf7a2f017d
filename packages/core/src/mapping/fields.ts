import { sha256 } from "@tooltrail/format";
import type { RecordView } from "../query.ts";

/**
 * How our words are said elsewhere: OpenTelemetry's MCP and GenAI conventions, OCSF's API Activity (6003), and the IETF draft of an agent audit
 * trail (draft-sharif-agent-audit-trail-00; names alone, nothing is exported to a draft).
 *
 * One row a field of `RecordView`. A name alone takes the value as it is; a `Cell` says how it is converted. A value of `undefined` is left out.
 */
export interface Field {
  readonly field: string;
  readonly read: (record: RecordView) => unknown;
  /** A span attribute. With `resource`, an attribute of the resource; with `span`, a member of the span itself. */
  readonly otel?: Cell;
  /** A path of members, with dots; `0` is the only element of a list. What OCSF has no place for lies under `unmapped`. */
  readonly ocsf?: Cell | readonly Cell[];
  readonly ietf?: string;
}

export type Cell = string | Converted;
export interface Converted {
  readonly to: string;
  readonly in?: "resource" | "span";
  readonly as?: (value: never, record: RecordView) => unknown;
}

export const fields: readonly Field[] = [
  { field: "id", read: (r) => r.id, otel: "tooltrail.record.id", ocsf: "metadata.uid", ietf: "record_id" },
  {
    field: "kind",
    read: (r) => r.kind,
    otel: { to: "mcp.method.name", as: () => "tools/call" },
    ocsf: { to: "activity_name", as: (kind: string) => (kind === "call" ? "tools/call" : kind) },
    ietf: "action_type",
  },
  {
    field: "at",
    read: (r) => r.at,
    otel: { to: "endTimeUnixNano", in: "span", as: nanos },
    ocsf: ["time", "end_time"],
    ietf: "timestamp",
  },
  {
    field: "durationUs",
    read: (r) => ("durationUs" in r ? r.durationUs : undefined),
    otel: {
      to: "startTimeUnixNano",
      in: "span",
      as: (us: number, { at }) => fromMicroseconds(at * 1_000 - us),
    },
    ocsf: [
      { to: "duration", as: milliseconds },
      { to: "start_time", as: (_: number, record) => beganAt(record) },
    ],
    ietf: "action_detail.duration",
  },
  { field: "receivedAt", read: (r) => r.receivedAt, otel: "tooltrail.received_at", ocsf: "metadata.logged_time" },
  {
    field: "server.id",
    read: (r) => r.server.id,
    otel: { to: "service.name", in: "resource" },
    ocsf: ["api.service.name", "dst_endpoint.svc_name"],
    ietf: "agent_id",
  },
  {
    field: "server.version",
    read: (r) => r.server.version,
    otel: { to: "service.version", in: "resource" },
    ocsf: "api.service.version",
    ietf: "agent_version",
  },
  {
    field: "server.environment",
    read: (r) => r.server.environment,
    otel: { to: "deployment.environment.name", in: "resource" },
    ocsf: "unmapped.environment",
  },
  { field: "principal.ref", read: (r) => r.principal?.ref, otel: "enduser.pseudo.id", ocsf: "actor.user.uid" },
  { field: "principal.subject", read: (r) => r.principal?.subject, otel: "enduser.id", ocsf: "actor.user.name" },
  {
    field: "principal.method",
    read: (r) => r.principal?.method,
    otel: "tooltrail.principal.method",
    ocsf: "unmapped.principal_method",
  },
  {
    field: "principal.verified",
    read: (r) => r.principal?.verified,
    otel: "tooltrail.principal.verified",
    ocsf: "unmapped.principal_verified",
    ietf: "trust_level",
  },
  {
    field: "tenant",
    read: (r) => ("tenant" in r ? r.tenant : undefined),
    otel: "tooltrail.tenant",
    ocsf: "metadata.tenant_uid",
  },
  {
    field: "client.name",
    read: (r) => ("client" in r ? r.client?.name : undefined),
    otel: "user_agent.name",
    ocsf: ["actor.app_name", "src_endpoint.name"],
  },
  {
    field: "client.version",
    read: (r) => ("client" in r ? r.client?.version : undefined),
    otel: "user_agent.version",
    ocsf: "unmapped.client_version",
  },
  {
    field: "tool",
    read: (r) => ("tool" in r ? r.tool : undefined),
    otel: "gen_ai.tool.name",
    ocsf: "api.operation",
    ietf: "action_detail.tool",
  },
  {
    field: "action",
    read: (r) => ("action" in r ? r.action : undefined),
    ocsf: "api.operation",
    ietf: "action_detail.action",
  },
  { field: "params", read: (r) => ("params" in r ? r.params : undefined), ocsf: "unmapped.params" },
  {
    field: "definition",
    read: (r) => ("definition" in r ? r.definition : undefined),
    otel: "tooltrail.tool.definition_sha256",
    ocsf: "unmapped.tool_definition_sha256",
  },
  {
    field: "callId",
    read: (r) => ("callId" in r ? r.callId : undefined),
    otel: "tooltrail.call.id",
    ocsf: "metadata.correlation_uid",
    ietf: "parent_record_id",
  },
  {
    field: "attempt",
    read: (r) => ("attempt" in r ? r.attempt : undefined),
    otel: "tooltrail.call.attempt",
    ocsf: "unmapped.attempt",
  },
  {
    field: "final",
    read: (r) => ("final" in r ? r.final : undefined),
    otel: "tooltrail.call.final",
    ocsf: "unmapped.final",
    ietf: "record_phase",
  },
  {
    field: "links.requestId",
    read: (r) => linksOf(r)?.requestId,
    otel: "jsonrpc.request.id",
    ocsf: "api.request.uid",
  },
  {
    field: "links.traceparent",
    read: (r) => linksOf(r)?.traceparent,
    otel: { to: "parentSpanId", in: "span", as: parentOf },
    ocsf: [
      { to: "trace.uid", as: traceOf },
      { to: "trace.span.parent_uid", as: parentOf },
      { to: "trace.span.uid", as: (_: string, record) => spanIdOf(record) },
      { to: "trace.span.start_time", as: (_: string, record) => beganAt(record) },
      { to: "trace.span.end_time", as: (_: string, { at }) => at },
    ],
  },
  {
    field: "links.sessionId",
    read: (r) => linksOf(r)?.sessionId,
    otel: "mcp.session.id",
    ocsf: "actor.session.uid",
    ietf: "session_id",
  },
  { field: "links.protocol", read: (r) => linksOf(r)?.protocol, otel: "mcp.protocol.version", ocsf: "api.version" },
  {
    field: "args.digest",
    read: (r) => ("args" in r ? r.args?.digest : undefined),
    otel: "tooltrail.args.digest",
    ocsf: "unmapped.args_digest",
    ietf: "input_hash",
  },
  {
    field: "args.bytes",
    read: (r) => ("args" in r ? r.args?.bytes : undefined),
    otel: "tooltrail.args.bytes",
    ocsf: "unmapped.args_bytes",
  },
  {
    field: "result.digest",
    read: (r) => ("result" in r ? r.result?.digest : undefined),
    otel: "tooltrail.result.digest",
    ocsf: "unmapped.result_digest",
    ietf: "output_hash",
  },
  {
    field: "result.bytes",
    read: (r) => ("result" in r ? r.result?.bytes : undefined),
    otel: "tooltrail.result.bytes",
    ocsf: "unmapped.result_bytes",
  },
  {
    field: "dataAgeMs",
    read: (r) => ("dataAgeMs" in r ? r.dataAgeMs : undefined),
    otel: "tooltrail.data_age_ms",
    ocsf: "unmapped.data_age_ms",
  },
  {
    field: "outcome.class",
    read: (r) => outcomeOf(r)?.class,
    // The convention: for a tool's own error `tool_error`, for JSON-RPC's its code, for any other what identifies it.
    otel: { to: "error.type", as: (said: string, r) => (failed(said) ? (rpcCodeOf(r) ?? said) : undefined) },
    ocsf: [
      { to: "status_id", as: (said: string) => (failed(said) ? 2 : (statusIds[said] ?? 99)) },
      { to: "status", as: (said: string) => (said === "ok" ? "Success" : failed(said) ? "Failure" : said) },
      { to: "unmapped.outcome_class" },
    ],
    ietf: "outcome",
  },
  {
    field: "outcome.reason",
    read: (r) => outcomeOf(r)?.reason,
    otel: "tooltrail.outcome.reason",
    ocsf: "status_detail",
  },
  {
    field: "outcome.code",
    read: (r) => outcomeOf(r)?.code,
    otel: { to: "rpc.response.status_code", as: (_: unknown, r) => rpcCodeOf(r) },
    ocsf: [
      { to: "status_code", as: String },
      { to: "api.response.code", as: (code: unknown) => (Number.isInteger(code) ? code : undefined) },
    ],
  },
  {
    field: "decision.effect",
    read: (r) => decisionOf(r)?.effect,
    otel: "tooltrail.decision.effect",
    ocsf: "actor.authorizations.0.decision",
  },
  {
    field: "decision.rule",
    read: (r) => decisionOf(r)?.rule,
    otel: "tooltrail.decision.rule",
    ocsf: "actor.authorizations.0.policy.uid",
  },
  {
    field: "decision.policyVersion",
    read: (r) => decisionOf(r)?.policyVersion,
    otel: "tooltrail.decision.policy_version",
    ocsf: [
      // A policy with nothing but a version is none to OCSF.
      { to: "actor.authorizations.0.policy.version", as: (version: string, r) => decisionOf(r)?.rule && version },
      { to: "unmapped.decision_policy_version" },
    ],
  },
  {
    field: "decision.approver",
    read: (r) => decisionOf(r)?.approver,
    otel: "tooltrail.decision.approver",
    ocsf: "unmapped.decision_approver",
  },
  { field: "sealed", read: (r) => r.sealed, otel: "tooltrail.sealed", ocsf: "unmapped.sealed" },
  { field: "enrolled", read: (r) => r.enrolled, otel: "tooltrail.enrolled", ocsf: "unmapped.enrolled" },
  {
    field: "account",
    read: (r) => r.account,
    otel: { to: "cloud.account.id", in: "resource" },
    ocsf: "unmapped.account",
  },
];

/** OCSF's: 0 unknown, 1 success, 2 failure, 99 other. */
const statusIds: { readonly [said: string]: number } = { ok: 1, unknown: 0 };

/** Neither a success nor a round that waits for input nor an end that nobody saw. */
const failed = (said: string): boolean => !["ok", "input_required", "unknown"].includes(said);

const outcomeOf = (r: RecordView) => ("outcome" in r ? r.outcome : undefined);
/** Only a JSON-RPC error has one; elsewhere the code is an exit status, a signal, or what a tool said. */
function rpcCodeOf(r: RecordView): string | undefined {
  const outcome = outcomeOf(r);
  return outcome?.class === "protocol_error" && outcome.code !== undefined ? String(outcome.code) : undefined;
}
const decisionOf = (r: RecordView) => ("decision" in r ? r.decision : undefined);
const linksOf = (r: RecordView) => ("links" in r ? r.links : undefined);

/** The same record is the same span, however often it is exported. */
export const spanIdOf = ({ id }: RecordView): string => sha256(id).slice(0, 16);

/** A duration that somebody made up may reach back beyond all time. */
function beganAt(record: RecordView): number {
  const durationUs = ("durationUs" in record && record.durationUs) || 0;
  return Math.max(0, record.at - milliseconds(durationUs));
}
function fromMicroseconds(us: number): string {
  return `${BigInt(Math.max(0, us)) * 1_000n}`;
}

/** https://www.w3.org/TR/trace-context/: version, trace, parent, flags. */
export function traceOf(traceparent: string): string | undefined {
  return traceparent.split("-")[1];
}
function parentOf(traceparent: string): string | undefined {
  return traceparent.split("-")[2];
}
function milliseconds(us: number): number {
  return Math.round(us / 1_000);
}
export function nanos(ms: number): string {
  return `${BigInt(ms) * 1_000_000n}`;
}

export const cellsOf = (cell: Cell | readonly Cell[] | undefined): Converted[] =>
  (cell === undefined ? [] : Array.isArray(cell) ? cell : [cell]).map((one) =>
    typeof one === "string" ? { to: one } : one,
  );

/** What a target takes of a record: where it goes, and the value there. */
export function* valuesFor(record: RecordView, target: "otel" | "ocsf"): Iterable<{ cell: Converted; value: unknown }> {
  for (const field of fields) {
    const read = field.read(record);
    if (read === undefined) continue;
    for (const cell of cellsOf(field[target])) {
      const value = cell.as === undefined ? read : cell.as(read as never, record);
      if (value !== undefined) yield { cell, value };
    }
  }
}
