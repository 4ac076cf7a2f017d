import { type AuditRecord, canonical, type DefinitionRecord, recordSchema, sha256 } from "@tooltrail/format";
import { aCall } from "./batches.ts";

/** What a server leaves behind that fails, and whose tool changes so that whoever called it rightly does so no more: an evaluation has all of its work with it. */
export const breakingRecords = (atMs: number): AuditRecord[] => [
  aDefinition(atMs, []),
  aDefinition(atMs, ["path"]),
  ...Array.from({ length: 40 }, (_, i) => aCall({ at: atMs + i, outcome: { class: "timeout" } })),
];

function aDefinition(at: number, required: readonly string[]): DefinitionRecord {
  const text = canonical({
    name: "echo",
    inputSchema: { type: "object", properties: { path: { type: "string" } }, required },
  });
  return {
    schema: recordSchema,
    kind: "definition",
    at,
    tool: "echo",
    digest: sha256(text),
    bytes: text.length,
    text,
  };
}

/** 99.9 % of a server's calls, over 30 days. */
export function anAvailability(name: string, server: string): { readonly [member: string]: unknown } {
  const calls = { metricSource: { type: "tooltrail", spec: { sli: "availability", server } } };
  return {
    apiVersion: "openslo/v1",
    kind: "SLO",
    metadata: { name },
    spec: {
      service: server,
      indicator: {
        metadata: { name: `${name}-calls` },
        spec: { ratioMetric: { counter: true, good: calls, total: calls } },
      },
      timeWindow: [{ duration: "30d", isRolling: true }],
      budgetingMethod: "Occurrences",
      objectives: [{ target: 0.999 }],
    },
  };
}
