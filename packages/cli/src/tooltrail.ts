import { buildApplication, buildRouteMap, type CommandContext, run, type StricliProcess, text_en } from "@stricli/core";
import { Refused } from "./client.ts";
import { emittersCommand } from "./emitters.ts";
import { incidentRoutes } from "./incident.ts";
import { inventoryCommand } from "./inventory.ts";
import { playbookRoutes } from "./playbook.ts";
import { postmortemRoutes } from "./postmortem.ts";
import { projectionsRoutes } from "./projections.ts";
import { proxyCommand } from "./proxy.ts";
import { quarantineRoutes } from "./quarantine.ts";
import { recordCommand, recordsCommand } from "./records.ts";
import { sloRoutes } from "./slo.ts";
import { verifyCommand } from "./verify.ts";
import { witnessCommand } from "./witness.ts";

/** Exit: 0 yes, 1 no, 2 could not tell, 64 usage. */
const statusOf = (error: unknown): number => {
  if (!(error instanceof Refused)) return 2;
  return ({ 400: 64, 404: 1, 409: 1 } as { readonly [status: number]: number })[error.status] ?? 2;
};

const app = buildApplication<CommandContext>(
  buildRouteMap({
    routes: {
      proxy: proxyCommand,
      records: recordsCommand,
      record: recordCommand,
      inventory: inventoryCommand,
      emitters: emittersCommand,
      incident: incidentRoutes,
      playbook: playbookRoutes,
      postmortem: postmortemRoutes,
      projections: projectionsRoutes,
      quarantine: quarantineRoutes,
      slo: sloRoutes,
      verify: verifyCommand,
      witness: witnessCommand,
    },
    docs: { brief: "CloudTrail for MCP tool calls" },
  }),
  {
    name: "tooltrail",
    scanner: { caseStyle: "allow-kebab-for-camel", allowArgumentEscapeSequence: true },
    determineExitCode: statusOf,
    localization: {
      text: {
        ...text_en,
        exceptionWhileRunningCommand: (error) => `tooltrail: ${error instanceof Error ? error.message : String(error)}`,
      },
    },
  },
);

await run(app, process.argv.slice(2), { process: process as StricliProcess });
// Stricli's own codes are negative: all of them mean that the words were not understood.
if (Number(process.exitCode) < 0) process.exitCode = 64;
