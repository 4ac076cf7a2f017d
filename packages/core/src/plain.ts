import {
  type AuditRecord,
  type CallRecord,
  callId,
  type Decision,
  keyedDigest,
  type Outcome,
  type PlainEvent,
  type PlainScore,
  type Principal,
  type PrincipalName,
  pack,
  plainEmitterId,
  pseudonym,
  recordLine,
  recordSchema,
  type ScoreRecord,
  type Sides,
  sha256,
} from "@tooltrail/format";
import { plainEvent, plainScore } from "@tooltrail/format/schema";
import { given } from "./given.ts";
import { type Accepted, type BusEvent, invalid, type Refusal, tooFarAhead } from "./ingest.ts";
import { ownServer } from "./own-server.ts";
import type { Surroundings } from "./ports.ts";

/** A call that a plain event reports, as a batch of one. */
export async function plainCallBatch(surroundings: Surroundings, event: BusEvent): Promise<Accepted | Refusal> {
  const parsed = plainEvent.safeParse(event.detail);
  if (!parsed.success) return invalid("detail", parsed.error);
  const said: PlainEvent = parsed.data;
  if (said.server === ownServer) return aboutUs;
  const { principal, names } = principalOf(surroundings.digestKey, said.principal);
  const outcome = outcomeOf(said.outcome);
  const links = given({ requestId: said.requestId, traceparent: said.traceparent, sessionId: said.sessionId });
  const record = ({ at, emitter }: Place): CallRecord => ({
    schema: recordSchema,
    kind: "call",
    at,
    callId: callId(Buffer.from(sha256(emitter), "hex")),
    attempt: said.attempt ?? 1,
    final: said.final ?? outcome.class !== "input_required",
    principal,
    tool: said.tool,
    outcome,
    ...given({ durationUs: said.durationUs, tenant: said.tenant }),
    ...(said.client && { client: { name: said.client.name, ...given({ version: said.client.version }) } }),
    ...(said.decision && { decision: decisionOf(said.decision) }),
    ...(Object.keys(links).length > 0 && { links }),
  });
  return batchOfOne(surroundings, event, { ...said, emitter: emitterOf(event, said), record, names });
}

/** A score that a plain event reports, as a batch of one. It is about a tool, and names nobody. */
export async function plainScoreBatch(surroundings: Surroundings, event: BusEvent): Promise<Accepted | Refusal> {
  const parsed = plainScore.safeParse(event.detail);
  if (!parsed.success) return invalid("detail", parsed.error);
  const said: PlainScore = parsed.data;
  if (said.server === ownServer) return aboutUs;
  const { tool, suite, scorePermille } = said;
  const record = ({ at }: Place): ScoreRecord => ({
    schema: recordSchema,
    kind: "score",
    at,
    tool,
    suite,
    scorePermille,
    ...given({ case: said.case, runId: said.runId }),
  });
  return batchOfOne(surroundings, event, { ...said, emitter: emitterOf(event, said), record, names: {} });
}

/** As of batches: what is said about tooltrail is said by those who sign with a key that is enrolled. */
const aboutUs: Refusal = {
  reason: "not_enrolled",
  detail: `detail.server: only enrolled keys may say something about "${ownServer}", and a plain event has none.`,
};

/** The same source and id give the same emitter, hence the same key in the ledger. */
const emitterOf = ({ account, source, id }: BusEvent, said: Pick<PlainScore, "id">): string =>
  plainEmitterId(account, source, said.id ?? id);

/** What an event says of itself, whatever it reports, and the record that is made of it. */
interface Reported extends Pick<PlainScore, "server" | "version" | "environment" | "at"> {
  readonly emitter: string;
  readonly record: (place: Place) => AuditRecord;
  readonly names: Sides["principals"];
}

/** Where its record will lie. `at` in milliseconds. */
interface Place {
  readonly at: number;
  readonly emitter: string;
}

/**
 * Makes a batch of one of an event that is no batch. Nobody signed it, and nobody but the bus vouches for it, so it says so.
 *
 * Whether a second delivery is the same event is told by the producer's own words (`identity`), not by the bus's id or time, which a producer's
 * retry changes. The digest is keyed: the words hold a name.
 */
export async function batchOfOne(
  surroundings: Surroundings,
  event: BusEvent,
  { server, version, environment, emitter, record, names, ...said }: Reported,
): Promise<Accepted | Refusal> {
  const { digestKey, formerDigestKeys, now } = surroundings;
  const at = said.at === undefined ? Date.parse(event.time) : toMs(said.at);
  if (!Number.isSafeInteger(at) || at < 0) {
    return { reason: "invalid", detail: "detail.at: not a time after 1970; nor does the event's own time help." };
  }
  const ahead = tooFarAhead(at, surroundings);
  if (ahead) return ahead;

  const body = await pack([recordLine(record({ at, emitter }))]);
  return {
    batch: {
      headers: {
        schema: "tooltrail.plain/1",
        emitter,
        seq: 0,
        source: event.source,
        server: { id: server, ...given({ version, environment }) },
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

function decisionOf({ effect, rule, policyVersion }: NonNullable<PlainEvent["decision"]>): Decision {
  return { effect, ...given({ rule, policyVersion }) };
}
