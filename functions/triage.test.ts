import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { listIncidents } from "@tooltrail/core/incidents/store";
import { contextOf } from "@tooltrail/local/poller";
import type { Context, SQSBatchResponse } from "aws-lambda";
import { afterAll, beforeAll, expect, test, vi } from "vitest";

/** The function as one machine runs it, on a folder of its own. */
let dir: string;
let handler: (event: object, context: Context) => Promise<SQSBatchResponse>;
let parts: typeof import("./lib/ports-local.ts");
let incidents: () => Promise<string[]>;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "tooltrail-triage-"));
  vi.stubEnv("TOOLTRAIL_DATA", join(dir, "data"));
  vi.stubEnv("TOOLTRAIL_SPOOL", join(dir, "spool"));
  vi.stubEnv("POWERTOOLS_LOG_LEVEL", "SILENT");
  vi.stubEnv("POWERTOOLS_METRICS_DISABLED", "true");
  parts = await import("./lib/ports-local.ts");
  const { incidentRows } = await import("./lib/incidents-local.ts");
  incidents = async () => (await listIncidents(incidentRows(), { limit: 10 })).map(({ cause }) => cause.server).sort();
  handler = (await import("./triage.ts")).handler as typeof handler;
});
afterAll(() => {
  parts.database().close();
  vi.unstubAllEnvs();
  rmSync(dir, { recursive: true, force: true });
});

const burns = (server: unknown): object => ({
  "detail-type": "slo.burn.started",
  detail: {
    slo: "availability",
    rule: "page-1h",
    severity: "page",
    sli: "availability",
    environment: "production",
    server,
    at: Date.now(),
    startedAt: Date.now(),
    burnLong: 20,
    longMinutes: 60,
  },
});
const message = (messageId: string, body: object | string) => ({
  messageId,
  body: typeof body === "string" ? body : JSON.stringify(body),
});

test("what cannot be triaged comes back alone, and holds up no other", async () => {
  const Records = [
    message("files", burns("files")),
    message("cut", '{"detail-type": "detector.fired"'),
    message("nameless", burns(7)),
    message("billing", burns("billing")),
  ];
  const { batchItemFailures } = await handler({ Records }, contextOf("triage"));
  expect(batchItemFailures).toEqual([{ itemIdentifier: "cut" }, { itemIdentifier: "nameless" }]);
  expect(await incidents()).toEqual(["billing", "files"]);
});
