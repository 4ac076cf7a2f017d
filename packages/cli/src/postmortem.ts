import { buildRouteMap } from "@stricli/core";
import { editCommand } from "./postmortem-edit.ts";
import { receiptsCommand, testsCommand } from "./postmortem-out.ts";
import { showCommand } from "./postmortem-show.ts";

export const postmortemRoutes = buildRouteMap({
  routes: { show: showCommand, edit: editCommand, tests: testsCommand, receipts: receiptsCommand },
  docs: { brief: "Postmortems: what the records say of an incident, and what people do" },
});
