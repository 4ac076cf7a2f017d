import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { toOcsf } from "@tooltrail/core/mapping/ocsf";
import { toOtel } from "@tooltrail/core/mapping/otel";
import type { RecordView } from "@tooltrail/core/query";
import { describe, expect, test } from "vitest";
import { aCall } from "../support/batches.ts";
import { root } from "../support/pipeline.ts";
import { needs } from "../support/requirements.ts";

type CallView = Extract<RecordView, { kind: "call" }>;

const aView = (more: object = {}): RecordView => ({
  ...aCall({ durationUs: 12_345, client: { name: "inspector", version: "1" } }),
  id: `rec_${"e".repeat(26)}_0_0`,
  server: { id: "files", version: "2.0.1", environment: "production" },
  principal: { ...aCall().principal, subject: "os:ada@workstation" },
  sealed: true,
  enrolled: true,
  receivedAt: 1_800_000_000_500,
  account: "000000000000",
  ...more,
});

/** Made by `.ci/run`: a Python with `requirements.txt`. */
const python = process.env.TOOLTRAIL_PYTHON ?? join(root, "node_modules/.cache/tooltrail/python/bin/python");
const there = needs("Python with test/interop/requirements.txt (see CONTRIBUTING)", existsSync(python));

const readers = { ocsf: toOcsf, otel: toOtel } as const;

/** What somebody else's reader makes of the lines. @throws where it refuses one. */
function readBack(format: keyof typeof readers, records: readonly RecordView[]): Record<string, unknown>[] {
  const lines = records.map((record) => `${JSON.stringify(readers[format](record))}\n`).join("");
  const said = execFileSync(python, [join(root, "test/interop/check_formats.py"), format], { input: lines });
  return said
    .toString()
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

const records: readonly RecordView[] = [
  aView({ outcome: { class: "ok" } }),
  aView({ outcome: { class: "tool_error", reason: "rate_limited", code: 429 } }),
  aView({ outcome: { class: "protocol_error", reason: "unknown_tool", code: -32602 } }),
  aView({ outcome: { class: "transport_error", reason: "server_exited", code: "SIGKILL" } }),
  aView({ outcome: { class: "unknown", reason: "emitter_died" } }),
  aView({ outcome: { class: "input_required" }, final: false }),
  aView({ durationUs: Number.MAX_SAFE_INTEGER }),
  aView({ decision: { effect: "allow", policyVersion: "7" } }),
  aView({ decision: { effect: "require_approval", rule: "r1", policyVersion: "7", approver: `p_${"a".repeat(26)}` } }),
  aView({ links: { traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01`, requestId: "7", sessionId: "s" } }),
];

describe.skipIf(!there)("exported records are read by others", () => {
  test("OCSF: each is a valid API Activity of 1.8.0, calls, intents and control records", () => {
    const { final: _, outcome: __, ...begun } = aView() as CallView;
    const control = {
      ...begun,
      kind: "control",
      action: "records.query",
      params: { limit: "1" },
    } as unknown as RecordView;
    const events = readBack("ocsf", [...records, { ...begun, kind: "intent" } as unknown as RecordView, control]);
    expect(events.map(({ status_id }) => status_id)).toEqual([1, 2, 2, 2, 0, 99, 1, 1, 1, 1, 0, 0]);
    expect(events[1]).toMatchObject({
      api: { operation: "echo", service: { name: "files" }, response: { code: 429 } },
      actor: { user: { uid: expect.stringMatching(/^p_/), name: "os:ada@workstation" } },
      status_detail: "rate_limited",
      duration: 12,
    });
    expect(events[8]).toMatchObject({
      actor: { authorizations: [{ decision: "require_approval", policy: { uid: "r1", version: "7" } }] },
    });
    expect(events[9]).toMatchObject({
      trace: { uid: "a".repeat(32), span: { parent_uid: "b".repeat(16) } },
      actor: { session: { uid: "s" } },
    });
    expect(events.at(-1)).toMatchObject({ api: { operation: "records.query" }, activity_name: "control" });
  });

  test("OTel: each is a span of the MCP conventions, in its caller's trace where there is one", () => {
    const spans = readBack("otel", records).map(
      (data) => (data as unknown as Traces).resourceSpans[0]?.scopeSpans[0]?.spans[0],
    );
    const errorTypes = spans.map((span) => span?.attributes.find(({ key }) => key === "error.type")?.value.stringValue);
    expect(errorTypes).toEqual([
      undefined,
      "tool_error",
      "-32602",
      "transport_error",
      undefined,
      undefined,
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
    expect(spans.map((span) => span?.status.code)).toEqual(
      errorTypes.map((type) => (type === undefined ? undefined : "STATUS_CODE_ERROR")),
    );
    expect(spans[9]?.attributes).toEqual(
      expect.arrayContaining([
        { key: "mcp.method.name", value: { stringValue: "tools/call" } },
        { key: "gen_ai.operation.name", value: { stringValue: "execute_tool" } },
        { key: "gen_ai.tool.name", value: { stringValue: "echo" } },
        { key: "mcp.session.id", value: { stringValue: "s" } },
        { key: "jsonrpc.request.id", value: { stringValue: "7" } },
      ]),
    );
    // Protobuf's JSON has bytes in base64, where OTLP has hex: the same text, read by two alphabets.
    expect(spans[9]).toMatchObject({ name: "tools/call echo", traceId: "a".repeat(32), parentSpanId: "b".repeat(16) });
  });
});

interface Traces {
  readonly resourceSpans: {
    readonly scopeSpans: {
      readonly spans: {
        readonly name: string;
        readonly status: { readonly code?: string };
        readonly attributes: { readonly key: string; readonly value: { readonly stringValue?: string } }[];
      }[];
    }[];
  }[];
}
