import { buildRouteMap } from "@stricli/core";
import { actCommand, approveCommand, finishCommand, rejectCommand, undoCommand } from "./incident-actions.ts";
import {
  ackCommand,
  cancelCommand,
  closeCommand,
  judgeCommand,
  mergeCommand,
  mitigateCommand,
  noteCommand,
  resolveCommand,
  statusCommand,
} from "./incident-commands.ts";
import { listCommand } from "./incident-list.ts";
import { showCommand } from "./incident-show.ts";
import { undeliveredCommand } from "./incident-undelivered.ts";

export const incidentRoutes = buildRouteMap({
  routes: {
    list: listCommand,
    show: showCommand,
    ack: ackCommand,
    mitigate: mitigateCommand,
    status: statusCommand,
    note: noteCommand,
    judge: judgeCommand,
    resolve: resolveCommand,
    cancel: cancelCommand,
    merge: mergeCommand,
    close: closeCommand,
    act: actCommand,
    approve: approveCommand,
    reject: rejectCommand,
    finish: finishCommand,
    undo: undoCommand,
    undelivered: undeliveredCommand,
  },
  docs: { brief: "Incidents: how they stand, and what people do about them" },
});
