import { buildCommand, type CommandContext } from "@stricli/core";
import type { IncidentAnswer, IncidentEventsAnswer } from "@tooltrail/api/types";
import { type ConnectFlags, connect, connectFlags } from "./connect.ts";
import { findIncidentId, idParameter } from "./incident-id.ts";
import { jsonFlag } from "./incident-send.ts";
import { incidentText } from "./incident-text.ts";

interface ShowFlags extends ConnectFlags {
  readonly events: boolean;
  readonly json: boolean;
}

export const showCommand = buildCommand<ShowFlags, [string], CommandContext>({
  docs: { brief: "Show how an incident stands, what to do, what is due next, and what is possible" },
  parameters: {
    flags: {
      ...connectFlags,
      events: { kind: "boolean", brief: "with all that has happened, not the last alone", default: false },
      json: jsonFlag,
    },
    positional: { kind: "tuple", parameters: [idParameter] },
  },
  async func({ data, events: all, json }, text) {
    const { get } = connect({ ...(data && { data }) });
    const path = `/v1/incidents/${await findIncidentId({ get }, text)}`;
    const answer = await get<IncidentAnswer>(path);
    // Read after it, so that nothing it came to is missing.
    const told = json && !all ? undefined : await get<IncidentEventsAnswer>(`${path}/events`);
    const shown = { ...answer, events: told?.events ?? [], names: { ...answer.names, ...told?.names } };
    if (json) this.process.stdout.write(`${JSON.stringify(all ? shown : answer, undefined, 2)}\n`);
    else this.process.stdout.write(incidentText(shown, Date.now(), all));
  },
});
