import type { IncidentAnswer, IncidentEventsAnswer, UndeliveredAnswer } from "@tooltrail/api/types";
import { evolve } from "@tooltrail/core/incidents/evolve";
import type { Incident, IncidentEvent, Status } from "@tooltrail/core/incidents/incident";
import { rootCause } from "./learn.ts";
import type { Proven } from "./prove.ts";
import { mustBeOne } from "./respond.ts";
import type { Teller } from "./tell.ts";
import { type Told, toldBy } from "./told.ts";

/** How a story ended. */
export interface Ending {
  readonly incident: Incident;
  readonly events: readonly IncidentEvent[];
  readonly statuses: readonly Status[];
  readonly told: Told;
  readonly proven: Proven;
  readonly calls: { readonly asked: number; readonly failed: number };
  readonly kills: number;
  /** What pipelines said on stderr that was not to be expected. */
  readonly said: readonly string[];
}

/** Waits until everybody has been told of the end. @throws Error where somebody has not been, or there is more than one incident. */
export async function endingOf(teller: Teller, id: string, proven: Proven): Promise<Ending> {
  const { listeners, pipeline, person, traffic, until, quiet } = teller;
  await quiet();
  await until("everybody is told of the end", 10, () =>
    listeners.timeline.deliveries().some(({ type }) => type === "incident.closed"),
  );
  await until("the issue says what people wrote", 10, () =>
    listeners.issues.issues().some(({ body }) => body.includes(rootCause)),
  );
  await mustBeOne(person, "--status", "all");
  const { undelivered } = await person.json<UndeliveredAnswer>("incident", "undelivered");
  if (undelivered.length > 0) throw new Error(`Somebody was not told: ${JSON.stringify(undelivered)}`);
  const shown = await person.json<IncidentAnswer & IncidentEventsAnswer>("incident", "show", id, "--events");
  const { asked, failed } = traffic.last();
  return {
    incident: shown.incident,
    events: shown.events,
    statuses: statusesOf(shown.events),
    told: toldBy(listeners),
    proven,
    calls: { asked, failed },
    kills: pipeline.kills(),
    said: pipeline.said(),
  };
}

/** What it went through, in order. */
function statusesOf(events: readonly IncidentEvent[]): Status[] {
  const statuses: Status[] = [];
  let incident: Incident | undefined;
  for (const event of events) {
    incident = evolve(incident, event);
    if (incident.status !== statuses.at(-1)) statuses.push(incident.status);
  }
  return statuses;
}
