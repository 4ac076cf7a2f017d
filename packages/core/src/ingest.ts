import {
  type AuditRecord,
  type BatchHeaders,
  checkSeal,
  detailTypes,
  type Envelope,
  type Fault,
  headersHash,
  maxBatchSpanMs,
  maxDefinitionRecordBytes,
  maxEnvelopeBytes,
  maxRecordBytes,
  open,
  quarantineId,
  type Sides,
} from "@tooltrail/format";
import { envelope as envelopeSchema, record as recordSchema } from "@tooltrail/format/schema";
import { ownActBatch, tellsOfOwnAct } from "./own-acts.ts";
import { ownServer } from "./own-server.ts";
import { plainCallBatch, plainScoreBatch } from "./plain.ts";
import type { Ports, StoredBatch, Surroundings } from "./ports.ts";

/** An EventBridge event as a queue delivers it. */
export interface BusEvent {
  readonly id: string;
  readonly source: string;
  readonly "detail-type": string;
  readonly account: string;
  readonly time: string;
  readonly detail: unknown;
}

export type Ingested = { readonly outcome: "stored" | "duplicate"; readonly batch: StoredBatch } | Refused;
export interface Refused {
  readonly outcome: "quarantined";
  readonly id: string;
  readonly reason: Reason;
}

/** Why an input was refused. `conflict` means that somebody wrote another batch under a number that is taken. */
export type Reason =
  | Fault
  | "not_json"
  | "unknown_type"
  | "invalid"
  | "too_large"
  | "times_wrong"
  | "not_enrolled"
  | "conflict"
  | "poison"
  /** An alert that triage failed on again and again: no record, but somebody is to hear of it. */
  | "untriaged";

export interface Refusal {
  readonly reason: Reason;
  readonly detail: string;
}

/** What a valid input comes to: a batch to append, and the names to keep beside it. */
export interface Accepted {
  readonly batch: StoredBatch;
  readonly sides: Sides;
  /** The identities that it would have had under digest keys from before a rotation. */
  readonly formerIdentities: readonly string[];
}

/**
 * Stores one message of the queue in the ledger, or in quarantine with the reason. Nothing is dropped, and doing it again is safe.
 *
 * Names go in before the batch: a record whose principal nobody can name would be found at once, a name without a record harms nobody.
 *
 * @param body the message: an EventBridge event as JSON.
 * @throws AppError, retryable, where a port cannot be reached: the message is to be delivered again.
 */
export async function ingest(ports: Ports, body: string): Promise<Ingested> {
  const accepted = await accept(ports, body).catch(unreadable);
  if ("reason" in accepted) return refuse(ports, body, accepted);
  await ports.principals.put(accepted.sides.principals);
  const appended = await ports.ledger.append(accepted.batch);
  if (appended === "appended") return { outcome: "stored", batch: accepted.batch };
  if (appended === "duplicate" || accepted.formerIdentities.includes(appended.conflict))
    return { outcome: "duplicate", batch: accepted.batch };
  return refuseConflict(ports, body, accepted.batch, appended.conflict);
}

/** Kept first, said second: killed in between, the next delivery finds the same conflict and says it. */
async function refuseConflict(ports: Ports, body: string, batch: StoredBatch, stored: string): Promise<Ingested> {
  const { emitter, seq } = batch.headers;
  const refused = await refuse(ports, body, {
    reason: "conflict",
    detail: `Emitter ${emitter} has another batch under number ${seq}: its identity is ${stored}, this one's ${batch.identity}.`,
  });
  await ports.events.publish({
    type: "integrity.conflict",
    what: "batch_refused",
    emitter,
    seq,
    stored,
    refused: batch.identity,
    quarantineId: refused.id,
    account: batch.account,
  });
  return refused;
}

/** Keeps a message that can never be stored as it is. Also for one that the queue gave up on. */
export async function refuse(ports: Ports, body: string, { reason, detail }: Refusal): Promise<Refused> {
  const id = quarantineId(body);
  const receivedAtMs = ports.surroundings.now();
  await ports.quarantine.put({ id, reason, detail: detail.slice(0, maxDetail).toWellFormed(), body, receivedAtMs });
  return { outcome: "quarantined", id, reason };
}

/** Characters. What is wrong with an input may quote it, and the input is kept whole anyway. */
const maxDetail = 4_000;

/** Reading an input asks no port, so what it throws (a lone surrogate, nesting without end) it will throw again: it is the input's fault. */
const unreadable = (error: Error): Refusal => ({
  reason: "invalid",
  detail: `The event cannot be read: ${error.message}`,
});

async function accept(ports: Ports, body: string): Promise<Accepted | Refusal> {
  const event = parseEvent(body);
  if ("reason" in event) return event;
  switch (event["detail-type"]) {
    case detailTypes.batch:
      return acceptBatch(ports, event);
    case detailTypes.plain:
      return plainCallBatch(ports.surroundings, event);
    case detailTypes.score:
      return plainScoreBatch(ports.surroundings, event);
    default:
      if (tellsOfOwnAct(event)) return ownActBatch(ports.surroundings, event);
      return {
        reason: "unknown_type",
        detail: `detail-type: "${event["detail-type"]}" is none that is known here. Use "${detailTypes.plain}" or "${detailTypes.score}".`,
      };
  }
}

function parseEvent(body: string): BusEvent | Refusal {
  try {
    const event = JSON.parse(body) as BusEvent;
    const texts = [event?.id, event?.source, event?.["detail-type"], event?.account, event?.time];
    if (texts.every((text) => typeof text === "string")) return event;
  } catch {
    // said below
  }
  return {
    reason: "not_json",
    detail: "The message is not an EventBridge event: id, source, detail-type, account and time are texts.",
  };
}

function acceptBatch({ surroundings }: Ports, event: BusEvent): Accepted | Refusal {
  const size = JSON.stringify(event.detail).length;
  if (size > maxEnvelopeBytes)
    return { reason: "too_large", detail: `detail: ${size} bytes, and a batch has at most ${maxEnvelopeBytes}.` };
  const parsed = envelopeSchema.safeParse(event.detail);
  if (!parsed.success) return invalid("detail", parsed.error);
  const envelope = parsed.data as Envelope;
  const fault = checkSeal(envelope);
  if (fault) return { reason: fault, detail: faults[fault] };
  const opened = open(envelope.headers, envelope.body);
  if ("fault" in opened) return { reason: opened.fault, detail: faults[opened.fault] };
  const wrong =
    checkRecords(envelope.headers, opened) ??
    checkAuthority(envelope.headers, opened.records, surroundings) ??
    tooFarAhead(envelope.headers.lastAt, surroundings);
  if (wrong) return wrong;
  return {
    batch: {
      headers: envelope.headers,
      sig: envelope.sig,
      body: envelope.body,
      identity: headersHash(envelope.headers),
      receivedAtMs: surroundings.now(),
      account: event.account,
    },
    sides: namesIn(envelope.sides, opened.records),
    formerIdentities: [],
  };
}

function checkRecords(
  headers: BatchHeaders,
  { lines, records }: { readonly lines: readonly string[]; readonly records: readonly unknown[] },
): Refusal | undefined {
  const times: number[] = [];
  for (const [i, line] of lines.entries()) {
    const size = Buffer.byteLength(line);
    if (size > maxDefinitionRecordBytes)
      return {
        reason: "too_large",
        detail: `record ${i}: ${size} bytes, and no record has more than ${maxDefinitionRecordBytes}.`,
      };
    const parsed = recordSchema.safeParse(records[i]);
    if (!parsed.success) return invalid(`record ${i}`, parsed.error);
    const max = parsed.data.kind === "definition" ? maxDefinitionRecordBytes : maxRecordBytes;
    if (size > max)
      return {
        reason: "too_large",
        detail: `record ${i}: ${size} bytes, and a ${parsed.data.kind} has at most ${max}.`,
      };
    times.push(parsed.data.at);
  }
  if (Math.min(...times) !== headers.firstAt || Math.max(...times) !== headers.lastAt) {
    return {
      reason: "times_wrong",
      detail: "headers.firstAt and lastAt: not the earliest and latest time of the records.",
    };
  }
  if (headers.lastAt - headers.firstAt <= maxBatchSpanMs) return undefined;
  return { reason: "times_wrong", detail: `headers: the records lie more than ${maxBatchSpanMs} ms apart.` };
}

/** The names of those that the records are about, or who approved them. What else a batch names is nobody's business, and is not kept. */
function namesIn({ principals }: Sides, records: readonly unknown[]): Sides {
  const refs = new Set(
    (records as AuditRecord[]).flatMap((record) => [
      "principal" in record ? record.principal.ref : "",
      ("decision" in record && record.decision?.approver) || "",
    ]),
  );
  return { principals: Object.fromEntries(Object.entries(principals).filter(([ref]) => refs.has(ref))) };
}

/** What tooltrail says of itself counts as proof of who has been looking: nobody else may say it. */
function checkAuthority(
  { key, server }: BatchHeaders,
  records: readonly unknown[],
  { enrolledKeys }: Surroundings,
): Refusal | undefined {
  if (enrolledKeys.has(key)) return undefined;
  if (server.id !== ownServer && !(records as AuditRecord[]).some(({ kind }) => kind === "control")) return undefined;
  return {
    reason: "not_enrolled",
    detail: `headers.key: ${key} is not enrolled, and only enrolled keys may write control records, or about "${ownServer}".`,
  };
}

/** A clock may be wrong, but a record from the far future would stand before all others in every answer until then. */
export function tooFarAhead(at: number, { now }: Surroundings): Refusal | undefined {
  if (at <= now() + maxAheadMs) return undefined;
  return { reason: "times_wrong", detail: `at: ${new Date(at).toISOString()} is more than a day ahead of this clock.` };
}

const maxAheadMs = 86_400_000;

const faults: { readonly [fault in Fault]: string } = {
  emitter_mismatch: "headers.emitter: does not belong to headers.key and headers.nonce.",
  bad_signature: "sig: not this key's signature over these headers.",
  body_altered: "body: its hash is not headers.bodySha256.",
  sides_altered: "sides: their hash is not headers.sidesSha256.",
  body_unreadable: "body: not gzip in base64, not UTF-8, too large when inflated, or its last line has no end.",
  count_wrong: "headers.count: not the number of records in the body.",
  not_canonical: "body: a line is not canonical JSON (RFC 8785), or has a member __proto__.",
};

/** The shape of zod's errors, as far as we say them. */
interface Invalid {
  readonly issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[];
}

/** The first fault by its field: `detail.outcome: …`. */
export function invalid(what: string, { issues }: Invalid): Refusal {
  const said = issues.slice(0, 5).map(({ path, message }) => `${[what, ...path.map(String)].join(".")}: ${message}`);
  return { reason: "invalid", detail: said.join("; ") };
}
