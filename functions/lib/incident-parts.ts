import type { Logger } from "@aws-lambda-powertools/logger";
import type { RespondPorts } from "@tooltrail/core/incidents/respond";
import type { TriagePorts } from "@tooltrail/core/incidents/triage";
import type { Events } from "@tooltrail/core/ports";

/** The parts of the adapters that deal with incidents, one for each function. */
export type Triager = TriagePorts & { readonly events: Events; now(): number };
export type Responder = RespondPorts;

/** There may be something to do. Unsaid, the clock's call comes in its time. */
export const wakeResponder = (logger: Logger, events: Events): Promise<void> =>
  events
    .publish({ type: "incidents.advanced" })
    .catch((error: Error) => logger.warn("incidents.advanced was not said", error));
