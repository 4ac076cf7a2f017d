import { dynamo } from "@tooltrail/aws/dynamo";
import { dynamoLedger } from "@tooltrail/aws/dynamo-ledger";
import { dynamoProjections } from "@tooltrail/aws/dynamo-projections";
import { eventBridgeEvents } from "@tooltrail/aws/event-bridge-events";
import type { Projections } from "@tooltrail/core/follow/ports";
import { lastChangeAt } from "@tooltrail/core/incidents/last-change";
import { busConfig, demand, ledgerConfig, stateConfig } from "./config.ts";
import type { Triager } from "./incident-parts.ts";
import { once } from "./once.ts";

const database = once(() => dynamo());
const events = once(() => eventBridgeEvents(busConfig().bus));
const ledger = once(() => dynamoLedger(database(), { ...ledgerConfig(), ...stateConfig() }));

export const incidentRows = once((): Projections => dynamoProjections(database(), stateConfig().stateTable));

export async function triager(): Promise<Triager> {
  demand(stateConfig, ledgerConfig, busConfig);
  return {
    projections: incidentRows(),
    tickets: [],
    changedAt: (nowMs) => lastChangeAt(ledger(), nowMs),
    events: events(),
    now: Date.now,
  };
}
