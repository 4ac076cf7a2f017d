import { generateKeyPairSync, randomBytes } from "node:crypto";
import {
  type CallRecord,
  callId,
  canonical,
  type Envelope,
  firstPrev,
  headersHash,
  identityOf,
  type Outcome,
  type PrincipalName,
  pseudonym,
  recordId,
  seal,
} from "@tooltrail/format";

/** Somebody who calls, as a record and its sides name them. */
export interface Caller {
  readonly ref: string;
  readonly name: PrincipalName;
}

/** One emitter: a chain of signed batches about one server. */
export interface TrafficEmitter {
  readonly emitter: string;
  /** The next batch: one call at each of the times (milliseconds, ascending). `callers` take turns. */
  next(timesMs: readonly number[], callers: readonly Caller[]): Promise<Envelope>;
  /** The id of the last record of the last batch. */
  lastId(): string;
}

const { privateKey } = generateKeyPairSync("ed25519");
const installation = privateKey.export({ format: "pem", type: "pkcs8" }).toString();
const digestKey = randomBytes(32);

/** @param samples what the tracker wrote of real calls; each batch goes round them, with everything new that is new in each call. */
export function createTrafficEmitter(server: string, samples: readonly CallRecord[]): TrafficEmitter {
  const identity = identityOf(installation, randomBytes(16));
  // Parsed from canonical text, its members are in canonical order, and JSON.stringify keeps it: many times faster than canonicalising each.
  const templates = samples.map((sample) => JSON.parse(canonical(sample)) as Template);
  let made = 0;
  let seq = 0;
  let prev = firstPrev;
  let last = "";

  function nextLine(at: number, ref: string): string {
    const template = templates[made % templates.length] as Template;
    made += 1;
    template.at = at;
    template.callId = callId(randomBytes(17));
    template.principal.ref = ref;
    template.durationUs = 500 + ((made * 7_919) % 90_000);
    template.outcome = outcomeOfCall(made);
    if (template.args) template.args.digest = aDigest();
    if (template.result) template.result.digest = aDigest();
    if (template.links) {
      template.links.requestId = String(made);
      template.links.traceparent = `00-${randomBytes(16).toString("hex")}-${randomBytes(8).toString("hex")}-01`;
    }
    return JSON.stringify(template);
  }

  return {
    emitter: identity.emitter,
    lastId: () => last,
    async next(timesMs, callers) {
      const some = callers.slice(0, timesMs.length);
      const lines = timesMs.map((at, i) => nextLine(at, (some[i % some.length] as Caller).ref));
      const sides = { principals: Object.fromEntries(some.map(({ ref, name }) => [ref, name])) };
      const times = { first: timesMs[0] ?? 0, last: timesMs.at(-1) ?? 0 };
      const envelope = await seal(identity, { seq, prev, server: { id: server } }, lines, times, sides);
      last = recordId({ emitter: identity.emitter, seq, index: lines.length - 1 });
      seq += 1;
      prev = headersHash(envelope.headers);
      return envelope;
    },
  };
}

export function aCaller(n: number): Caller {
  const name = { issuer: "https://login.example.com", subject: `person-${n}@example.com` };
  return { ref: pseudonym(digestKey, name.issuer, name.subject), name };
}

/** `count` times in steps of some milliseconds. */
export const timesFrom = (firstMs: number, count: number, stepMs = 1): number[] =>
  Array.from({ length: count }, (_, i) => firstMs + i * stepMs);

const aDigest = (): string => `hmac-sha256:${randomBytes(32).toString("hex")}`;

/** Of 1,000 calls 30 fail in the tool, 10 for invalid arguments, and 4 in time. */
function outcomeOfCall(n: number): Outcome {
  const chance = (n * 613) % 1_000;
  if (chance < 4) return { class: "timeout", reason: "client_timeout" };
  if (chance < 14) return { class: "tool_error", reason: "invalid_arguments" };
  return { class: chance < 44 ? "tool_error" : "ok" };
}

type Writable<T> = { -readonly [K in keyof T]: T[K] extends object | undefined ? Writable<T[K]> : T[K] };
type Template = Writable<Omit<CallRecord, "args" | "outcome">> & { args?: { digest: string }; outcome: Outcome };
