import {
  type ControlRecord,
  ownActTypes,
  pipelineSource,
  plainEmitterId,
  pseudonym,
  recordId,
  recordSchema,
} from "@tooltrail/format";
import { pipelineEvent } from "@tooltrail/format/schema";
import { type Accepted, type BusEvent, invalid, type Refusal } from "./ingest.ts";
import { ownServer } from "./own-server.ts";
import { batchOfOne } from "./plain.ts";
import type { Surroundings } from "./ports.ts";

/** Whose name is on the record of what nobody asked for. */
const pipeline = { issuer: "tooltrail", subject: "pipeline" };

export const isOwnActType = (type: string): boolean => (ownActTypes as readonly string[]).includes(type);

/** Whether an event says what the pipeline did about an incident by itself. What a person asked for is a record before it is done, which the event names. */
export const isOwnAct = ({
  source,
  "detail-type": type,
  detail,
}: Pick<BusEvent, "source" | "detail-type" | "detail">) =>
  source === pipelineSource && isOwnActType(type) && (detail as { record?: string } | null)?.record === undefined;

/** The record of an incident's event, by the event's number, where it was the pipeline's own. */
export const ownActRecord = (incident: string, version: number): string =>
  recordId({ emitter: emitterOf(incident, version), seq: 0, index: 0 });

const emitterOf = (incident: string, version: number): string =>
  plainEmitterId("", pipelineSource, `${incident}/${version}`);

/** Members of events that stay as they are, whenever it is said; the others tell of the incident as it is by then. */
const lasting = [
  "incident",
  "version",
  "episode",
  "status",
  "severity",
  "environment",
  "server",
  "tool",
  "signal",
  "startedAt",
  "level",
  "round",
  "rounds",
  "why",
  "dueAt",
  "into",
  "children",
  "result",
  "from",
  "to",
  "consecutive",
  "measured",
  "action",
  "approval",
  "isDone",
  "detail",
  "destination",
  "ticket",
  "revision",
];
const maxText = 1_024;

/** What the pipeline did by itself, as a batch of one with a `control` record. */
export async function ownActBatch(surroundings: Surroundings, event: BusEvent): Promise<Accepted | Refusal> {
  const { source, "detail-type": type, detail } = event;
  const parsed = pipelineEvent.safeParse({ source, "detail-type": type, detail });
  if (!parsed.success) return invalid("event", parsed.error);
  const said = parsed.data.detail as { readonly [name: string]: unknown };
  const { incident, version, at } = said as { incident: string; version: number; at: number };
  const params = Object.fromEntries(
    lasting.flatMap((name) => (said[name] === undefined ? [] : [[name, textOf(said[name])]])),
  );
  const ref = pseudonym(surroundings.digestKey, pipeline.issuer, pipeline.subject);
  const record: ControlRecord = {
    schema: recordSchema,
    kind: "control",
    at,
    principal: { ref, method: "none", verified: false }, // the bus alone vouches for it
    action: type,
    params,
  };
  const stays = { ...event, detail: { type, at, params } };
  const emitter = emitterOf(incident, version);
  return batchOfOne(surroundings, stays, {
    server: ownServer,
    at,
    emitter,
    record: () => record,
    names: { [ref]: pipeline },
  });
}

const textOf = (value: unknown): string =>
  (typeof value === "object" ? JSON.stringify(value) : String(value)).slice(0, maxText).toWellFormed();
