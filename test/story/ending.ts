import type { IncidentAnswer, IncidentEventsAnswer, RecordPage, UndeliveredAnswer } from "@tooltrail/api/types";
import { evolve } from "@tooltrail/core/incidents/evolve";
import type { Incident, IncidentEvent, Status } from "@tooltrail/core/incidents/incident";
import { isOwnAct, ownActRecord } from "@tooltrail/core/own-acts";
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
  /** Ids of the records of what the pipeline did by itself: those that there must be, and those that there are. */
  readonly ownActs: { readonly done: readonly string[]; readonly onRecord: readonly string[] };
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
  const show = () => person.json<IncidentAnswer & IncidentEventsAnswer>("incident", "show", id, "--events");
  const { shown, ownActs } = await until("what the pipeline did by itself is on record", 10, async () => {
    const now = await show();
    const done = now.events.flatMap((event, i) =>
      isOwnAct(event) ? [ownActRecord({ incident: id, version: i + 1, type: event.type, at: event.at })] : [],
    );
    const wanted = ["--kind", "control", "--principal", "pipeline", "--limit", "1000"];
    const onRecord = (await person.json<RecordPage>("records", ...wanted)).records.flatMap((record) =>
      record.kind === "control" && record.params.incident === id ? [record.id] : [],
    );
    return onRecord.length === done.length && { shown: now, ownActs: { done: done.sort(), onRecord: onRecord.sort() } };
  });
  const { asked, failed } = traffic.last();
  return {
    incident: shown.incident,
    events: shown.events,
    statuses: statusesOf(shown.events),
    told: toldBy(listeners),
    proven,
    ownActs,
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
