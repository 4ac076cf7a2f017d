import {
  type ControlRecord,
  ownActTypes,
  pipelineSource,
  plainEmitterId,
  pseudonym,
  recordId,
  recordSchema,
  sha256,
} from "@tooltrail/format";
import { pipelineEvent } from "@tooltrail/format/schema";
import { type Accepted, type BusEvent, invalid, type Refusal } from "./ingest.ts";
import { ownServer } from "./own-server.ts";
import { batchOfOne } from "./plain.ts";
import type { Surroundings } from "./ports.ts";

/*
 * What the pipeline does about incidents by itself. It is said on the bus, comes to ingest by it like all else, and becomes a `control` record that nobody signed: that only the pipeline speaks in its name
 * is the bus's policy.
 */

/** Whose name is on the record. */
const pipeline = { issuer: "tooltrail", subject: "pipeline" };

/** As much of an incident's event as tells whether it was the pipeline's own. */
interface Said {
  readonly type: string;
  /** The record of the command, where a person gave one: it was written before the command was carried out. */
  readonly record?: string;
  /** Of alerts: they have made a page of a ticket. */
  readonly raised?: boolean;
}

export const isOwnAct = ({ type, record, raised }: Said): boolean =>
  record === undefined &&
  ((ownActTypes as readonly string[]).includes(type) || (type === "incident.alerted" && raised === true));

/** Whether an event of the bus tells of one. */
export const tellsOfOwnAct = ({
  source,
  "detail-type": type,
  detail,
}: Pick<BusEvent, "source" | "detail-type" | "detail">) =>
  source === pipelineSource && isOwnAct({ ...(detail as object), type });

/** Which event of which incident. `version` is the event's number. */
interface Which {
  readonly incident: string;
  readonly version: number;
  readonly type: string;
  readonly at: number;
}

/** What the bus says of one, as far as it is looked into here. */
interface Detail extends Omit<Which, "type"> {
  readonly runbook?: { readonly name: string; readonly rollbackTo?: string };
}

/** The id of its record. Not by number alone: after a restore of incidents another event may have the same. */
export const ownActRecord = (which: Which): string => recordId({ emitter: emitterOf(which), seq: 0, index: 0 });

const emitterOf = ({ incident, version, type, at }: Which): string =>
  plainEmitterId("", pipelineSource, `${incident}/${version}/${type}/${at}`);

/** Members that say what was done, and to what: of an action its parameters, as of a command. Titles, reasons and what an executor answered are left out: they may be anybody's words, and the log is for good. */
const told = [
  "incident",
  "version",
  "episode",
  "status",
  "severity",
  "environment",
  "server",
  "serverVersion",
  "tool",
  "signal",
  "playbook",
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
  "kind",
  "params",
  "approval",
  "isDone",
  "runbook",
  "rollbackTo",
  "destination",
  "ticket",
  "revision",
  "isComplete",
];
const maxText = 1_024;

/** One as a batch of one. However often it is said, it is one record. */
export async function ownActBatch(surroundings: Surroundings, event: BusEvent): Promise<Accepted | Refusal> {
  const { source, "detail-type": type, detail } = event;
  const parsed = pipelineEvent.safeParse({ source, "detail-type": type, detail });
  if (!parsed.success) return invalid("event", parsed.error);
  const said = parsed.data.detail as unknown as Detail;
  const which = { ...said, type };
  const { incident, version, at } = which;
  const ref = pseudonym(surroundings.digestKey, pipeline.issuer, pipeline.subject);
  const record: ControlRecord = {
    schema: recordSchema,
    kind: "control",
    at,
    principal: { ref, method: "none", verified: false },
    action: type,
    params: paramsOf(said),
  };
  // Which event it is says whether it is the same: what else is told of it may be another version's choice.
  const same = { ...event, detail: { incident, version, type, at } };
  return batchOfOne(surroundings, same, {
    server: ownServer,
    at,
    emitter: emitterOf(which),
    record: () => record,
    names: { [ref]: pipeline },
  });
}

/** Of a runbook only what it is called, and where it leads. */
function paramsOf({ runbook, ...detail }: Detail): ControlRecord["params"] {
  const said: { readonly [name: string]: unknown } = {
    ...detail,
    runbook: runbook?.name,
    rollbackTo: runbook?.rollbackTo,
  };
  return Object.fromEntries(told.flatMap((name) => (said[name] === undefined ? [] : [[name, textOf(said[name])]])));
}

/** What is too long to be told is known by its hash. */
function textOf(value: unknown): string {
  const text = (typeof value === "object" ? JSON.stringify(value) : String(value)).toWellFormed();
  return text.length <= maxText ? text : `sha256:${sha256(text)}`;
}
