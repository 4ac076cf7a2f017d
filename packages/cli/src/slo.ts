import { buildRouteMap } from "@stricli/core";
import { applyCommand, removeCommand } from "./slo-change.ts";
import { lintCommand } from "./slo-lint.ts";
import { maintenanceRoutes } from "./slo-maintenance.ts";
import { replayCommand } from "./slo-replay.ts";
import { statusCommand } from "./slo-status.ts";

export const sloRoutes = buildRouteMap({
  routes: {
    status: statusCommand,
    lint: lintCommand,
    replay: replayCommand,
    apply: applyCommand,
    remove: removeCommand,
    maintenance: maintenanceRoutes,
  },
  docs: { brief: "Error budgets: how they stand, their definitions, and what would have fired" },
});
