import { createPrivateKey } from "node:crypto";
import { concurrently } from "@tooltrail/aws/concurrently";
import type { Ledger, StoredBatch } from "@tooltrail/core/ports";
import {
  type AuditRecord,
  type CallRecord,
  canonical,
  detailTypes,
  type Envelope,
  eventSource,
  firstPrev,
  headersHash,
  type Identity,
  identityOf,
  pseudonym,
  recordSchema,
  type Sides,
  seal,
} from "@tooltrail/format";
import { digestKey } from "./adapters.ts";

/** An emitter's identity that is the same in every run: seed 0 to 255. */
export function anIdentity(seed = 1): Identity {
  const der = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), Buffer.alloc(32, seed)]);
  const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  return identityOf(key.export({ format: "pem", type: "pkcs8" }).toString(), new Uint8Array(16).fill(seed));
}

const name = { issuer: "os", subject: "os:ada@workstation" };
const ref = pseudonym(digestKey, name.issuer, name.subject);

export const aCall = (more: Partial<CallRecord> = {}): CallRecord => ({
  schema: recordSchema,
  kind: "call",
  at: 1_800_000_000_000,
  callId: `call_${"a".repeat(26)}`,
  attempt: 1,
  final: true,
  principal: { ref, method: "os", verified: true },
  tool: "echo",
  outcome: { class: "ok" },
  durationUs: 1_000,
  ...more,
});

export interface BatchParts {
  readonly identity?: Identity;
  readonly seq?: number;
  readonly prev?: string;
  readonly server?: string;
  readonly records?: readonly AuditRecord[];
  readonly sides?: Sides;
}

export function anEnvelope({
  identity = anIdentity(),
  seq = 0,
  prev = firstPrev,
  server = "files",
  records = [aCall()],
  sides,
}: BatchParts = {}): Promise<Envelope> {
  const times = records.map(({ at }) => at);
  return seal(
    identity,
    { seq, prev, server: { id: server } },
    records.map((record) => canonical(record)),
    { first: Math.min(...times), last: Math.max(...times) },
    sides ?? { principals: { [ref]: name } },
  );
}

export async function aStoredBatch(parts: BatchParts = {}, receivedAtMs = 1): Promise<StoredBatch> {
  const { headers, sig, body } = await anEnvelope(parts);
  return { headers, sig, body, identity: headersHash(headers), receivedAtMs, account: "000000000000" };
}

/** Sixteen at once, which is faster than one after the other, and does not fill the client's sockets. */
export async function appendAll(ledger: Ledger, batches: readonly StoredBatch[]): Promise<void> {
  await concurrently(16, batches, (batch) => ledger.append(batch));
}

let events = 0;

/** The message that a queue holds for an event. */
export const aMessage = (
  detail: unknown,
  more: { id?: string; source?: string; detailType?: string; time?: string } = {},
): string =>
  JSON.stringify({
    version: "0",
    id: more.id ?? `event-${events++}`,
    source: more.source ?? eventSource,
    "detail-type": more.detailType ?? detailTypes.batch,
    account: "000000000000",
    time: more.time ?? "2026-11-22T23:00:00Z",
    region: "local",
    resources: [],
    detail,
  });

export const aPlainMessage = (detail: unknown, more: { id?: string; source?: string; time?: string } = {}): string =>
  aMessage(detail, { source: "billing", ...more, detailType: detailTypes.plain });
