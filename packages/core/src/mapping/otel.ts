import { sha256 } from "@tooltrail/format";
import type { RecordView } from "../query.ts";
import { nanos, spanIdOf, traceOf, valuesFor } from "./fields.ts";

/** OTLP's JSON: 64-bit integers are texts. https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding */
type AnyValue = { readonly stringValue: string } | { readonly intValue: string } | { readonly boolValue: boolean };
interface KeyValue {
  readonly key: string;
  readonly value: AnyValue;
}

/**
 * A call as OTLP `TracesData` with one span: a line of the file format that the collector's `otlpjsonfile` receiver reads. Names follow the MCP and
 * GenAI conventions; what they lack is under `tooltrail.`.
 *
 * A call without a traceparent gets a trace of its own, from its id: the same call is the same span however often it is exported.
 */
export function toOtel(record: RecordView): object {
  const at = { resource: [] as KeyValue[], span: {} as { [name: string]: unknown }, attributes: [] as KeyValue[] };
  for (const { cell, value } of valuesFor(record, "otel")) {
    if (cell.in === "span") at.span[cell.to] = value;
    else (cell.in === "resource" ? at.resource : at.attributes).push({ key: cell.to, value: anyValue(value) });
  }
  at.attributes.push({ key: "gen_ai.operation.name", value: { stringValue: "execute_tool" } });
  const traceparent = "links" in record ? record.links?.traceparent : undefined;
  const callId = "callId" in record ? record.callId : record.id;
  const span = {
    traceId: (traceparent && traceOf(traceparent)) ?? sha256(callId).slice(0, 32),
    spanId: spanIdOf(record),
    name: `tools/call ${"tool" in record ? record.tool : ""}`.trim(),
    kind: 2, // SPAN_KIND_SERVER
    startTimeUnixNano: nanos(record.at),
    ...at.span,
    attributes: at.attributes,
    status: statusOf(record),
  };
  return {
    resourceSpans: [
      { resource: { attributes: at.resource }, scopeSpans: [{ scope: { name: "tooltrail" }, spans: [span] }] },
    ],
  };
}

/** STATUS_CODE_ERROR where an error.type is said, else unset: the convention leaves OK to the application. */
function statusOf(record: RecordView): { code?: 2; message?: string } {
  for (const { cell, value } of valuesFor(record, "otel")) {
    if (cell.to !== "error.type") continue;
    const reason = "outcome" in record ? record.outcome.reason : undefined;
    return { code: 2, message: reason ?? String(value) };
  }
  return {};
}

function anyValue(value: unknown): AnyValue {
  if (typeof value === "boolean") return { boolValue: value };
  return Number.isSafeInteger(value) ? { intValue: String(value) } : { stringValue: String(value) };
}
