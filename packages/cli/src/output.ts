import type { RecordKind, RecordView } from "@tooltrail/api/types";
import { toOcsf } from "@tooltrail/core/mapping/ocsf";
import { toOtel } from "@tooltrail/core/mapping/otel";
import { fit, plain } from "./table.ts";

export type Format = "table" | "ndjson" | "csv" | "ocsf" | "otel";
export const formats = ["table", "ndjson", "csv", "ocsf", "otel"] as const satisfies Format[];

/** How one record is printed, and what comes before the first. */
export interface Printer {
  readonly head: string | undefined;
  /** The kinds of record that it has words for; absent where it prints them all. */
  readonly kinds?: readonly RecordKind[];
  line(record: RecordView): string;
}

interface Column {
  readonly name: string;
  readonly width: number;
  readonly of: (record: RecordView) => string | number | undefined;
}

const columns: readonly Column[] = [
  { name: "at", width: 24, of: (r) => new Date(r.at).toISOString() },
  { name: "server", width: 24, of: (r) => r.server.id },
  {
    name: "tool",
    width: 24,
    of: (r) => ("tool" in r ? r.tool : "action" in r ? r.action : "event" in r ? r.event : ""),
  },
  { name: "outcome", width: 32, of: (r) => outcome(r) },
  {
    name: "ms",
    width: 10,
    of: (r) => ("durationUs" in r && r.durationUs !== undefined ? (r.durationUs / 1_000).toFixed(1) : ""),
  },
  { name: "principal", width: 32, of: (r) => r.principal?.subject ?? r.principal?.ref },
  { name: "id", width: 0, of: (r) => r.id },
];

const csvColumns: readonly {
  readonly name: string;
  readonly of: (record: RecordView) => string | number | boolean | undefined;
}[] = [
  { name: "id", of: (r) => r.id },
  { name: "kind", of: (r) => r.kind },
  { name: "at", of: (r) => new Date(r.at).toISOString() },
  { name: "server", of: (r) => r.server.id },
  { name: "version", of: (r) => r.server.version },
  { name: "environment", of: (r) => r.server.environment },
  { name: "principal", of: (r) => r.principal?.ref },
  { name: "subject", of: (r) => r.principal?.subject },
  { name: "verified", of: (r) => r.principal?.verified },
  { name: "tool", of: (r) => ("tool" in r ? r.tool : "") },
  { name: "class", of: (r) => ("outcome" in r ? r.outcome.class : "") },
  { name: "reason", of: (r) => ("outcome" in r ? r.outcome.reason : "") },
  { name: "code", of: (r) => ("outcome" in r ? r.outcome.code : "") },
  { name: "durationUs", of: (r) => ("durationUs" in r ? r.durationUs : "") },
  { name: "argsDigest", of: (r) => ("args" in r ? r.args?.digest : "") },
  { name: "resultDigest", of: (r) => ("result" in r ? r.result?.digest : "") },
  { name: "callId", of: (r) => ("callId" in r ? r.callId : "") },
  { name: "attempt", of: (r) => ("attempt" in r ? r.attempt : "") },
  { name: "final", of: (r) => ("final" in r ? r.final : "") },
  { name: "sealed", of: (r) => r.sealed },
  { name: "suite", of: (r) => ("suite" in r ? r.suite : "") },
  { name: "case", of: (r) => ("case" in r ? r.case : "") },
  { name: "runId", of: (r) => ("runId" in r ? r.runId : "") },
  { name: "scorePermille", of: (r) => ("scorePermille" in r ? r.scorePermille : "") },
];

const outcome = (r: RecordView): string => {
  if (r.kind === "score") return `${r.scorePermille}‰`;
  if (!("outcome" in r)) return "";
  const { class: layer, reason } = r.outcome;
  return reason === undefined ? layer : `${layer}/${reason}`;
};

export const printers: { readonly [format in Format]: Printer } = {
  table: {
    head: columns
      .map(({ name, width }) => name.padEnd(width))
      .join(" ")
      .trimEnd(),
    line: (record) =>
      columns
        .map(({ width, of }) => fit(plain(of(record)), width))
        .join(" ")
        .trimEnd(),
  },
  ndjson: { head: undefined, line: (record) => JSON.stringify(record) },
  csv: {
    head: csvColumns.map(({ name }) => name).join(","),
    line: (record) => csvColumns.map(({ of }) => cell(of(record))).join(","),
  },
  ocsf: { head: undefined, kinds: ["call", "intent", "control"], line: (record) => JSON.stringify(toOcsf(record)) },
  otel: { head: undefined, kinds: ["call"], line: (record) => JSON.stringify(toOtel(record)) },
};

/** RFC 4180. A text that a spreadsheet would take for a formula gets an apostrophe before it. */
function cell(value: string | number | boolean | undefined): string {
  const text = String(value ?? "").replace(/\p{Cc}/gu, "?");
  const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
