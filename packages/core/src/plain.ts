import {
  type CallRecord,
  callId,
  keyedDigest,
  type Outcome,
  type PlainEvent,
  type Principal,
  type PrincipalName,
  pack,
  plainEmitterId,
  pseudonym,
  recordLine,
  recordSchema,
  sha256,
} from "@tooltrail/format";
import { plainEvent } from "@tooltrail/format/schema";
import { given } from "./given.ts";
import { type Accepted, type BusEvent, invalid, type Refusal, tooFarAhead } from "./ingest.ts";
import type { Surroundings } from "./ports.ts";

/**
 * Makes a batch of one of a plain event. Nobody signed it, and nobody but the bus vouches for it, so it says so.
 *
 * The same source and id give the same emitter, hence the same key in the ledger. Whether a second delivery is the same event is told by the
 * producer's own words (`identity`), not by the bus's id or time, which a producer's retry changes. The digest is keyed: the words hold
 * a name.
 */
export async function plainBatch(surroundings: Surroundings, event: BusEvent): Promise<Accepted | Refusal> {
  const { digestKey, formerDigestKeys, now } = surroundings;
  const parsed = plainEvent.safeParse(event.detail);
  if (!parsed.success) return invalid("detail", parsed.error);
  const said: PlainEvent = parsed.data;
  const at = said.at === undefined ? Date.parse(event.time) : toMs(said.at);
  if (!Number.isSafeInteger(at) || at < 0) {
    return { reason: "invalid", detail: "detail.at: not a time after 1970; nor does the event's own time help." };
  }
  const ahead = tooFarAhead(at, surroundings);
  if (ahead) return ahead;

  const emitter = plainEmitterId(event.account, event.source, said.id ?? event.id);
  const { principal, names } = principalOf(digestKey, said.principal);
  const outcome = outcomeOf(said.outcome);
  const links = given({ requestId: said.requestId, traceparent: said.traceparent, sessionId: said.sessionId });
  const record: CallRecord = {
    schema: recordSchema,
    kind: "call",
    at,
    callId: callId(Buffer.from(sha256(emitter), "hex")),
    attempt: 1,
    final: outcome.class !== "input_required",
    principal,
    tool: said.tool,
    outcome,
    ...given({ durationUs: said.durationUs, tenant: said.tenant }),
    ...(said.client && { client: { name: said.client.name, ...given({ version: said.client.version }) } }),
    ...(Object.keys(links).length > 0 && { links }),
  };
  const body = await pack([recordLine(record)]);
  return {
    batch: {
      headers: {
        schema: "tooltrail.plain/1",
        emitter,
        seq: 0,
        source: event.source,
        server: { id: said.server, ...given({ version: said.version, environment: said.environment }) },
        count: 1,
        firstAt: at,
        lastAt: at,
        bodySha256: sha256(body),
      },
      body,
      identity: keyedDigest(digestKey, event.detail).digest,
      receivedAtMs: now(),
      account: event.account,
    },
    sides: { principals: names },
    formerIdentities: formerDigestKeys.map((key) => keyedDigest(key, event.detail).digest),
  };
}

const toMs = (at: string | number): number => (typeof at === "number" ? at : Date.parse(at));

function principalOf(
  key: Uint8Array,
  said: PlainEvent["principal"],
): { principal: Principal; names: Record<string, PrincipalName> } {
  if (said === undefined)
    return { principal: { ref: pseudonym(key, "", ""), method: "none", verified: false }, names: {} };
  const name =
    typeof said === "string" ? { issuer: "", subject: said } : { issuer: said.issuer ?? "", subject: said.subject };
  const ref = pseudonym(key, name.issuer, name.subject);
  return { principal: { ref, method: "claimed", verified: false }, names: { [ref]: name } };
}

function outcomeOf(said: PlainEvent["outcome"]): Outcome {
  if (typeof said === "string") return { class: said };
  return { class: said.class, ...given({ reason: said.reason, code: said.code }) };
}
