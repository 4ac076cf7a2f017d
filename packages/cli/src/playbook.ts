import { buildRouteMap } from "@stricli/core";
import { applyCommand, removeCommand } from "./playbook-change.ts";
import { lintCommand } from "./playbook-lint.ts";
import { missingCommand } from "./playbook-missing.ts";
import { listCommand, showCommand } from "./playbook-show.ts";

export const playbookRoutes = buildRouteMap({
  routes: {
    list: listCommand,
    show: showCommand,
    lint: lintCommand,
    apply: applyCommand,
    remove: removeCommand,
    missing: missingCommand,
  },
  docs: { brief: "How the team responds: playbooks, runbooks, who is told, and by which way" },
});
