import {
  type ControlRecord,
  detailTypes,
  eventSource,
  firstPrev,
  headersHash,
  type Identity,
  type Principal,
  type PrincipalName,
  pseudonym,
  recordId,
  recordLine,
  recordSchema,
  seal,
} from "@tooltrail/format";
import { AppError } from "./errors.ts";
import { type BusEvent, ingest } from "./ingest.ts";
import { ownServer } from "./own-server.ts";
import type { Ports } from "./ports.ts";

/** Who uses tooltrail itself, as the boundary knows them. */
export interface Caller extends PrincipalName {
  readonly method: Principal["method"];
  readonly verified: boolean;
}

/** @returns whose record it is, by pseudonym, and its id: what proves later who did it. */
export type Audit = (caller: Caller, action: string, params: ControlRecord["params"]) => Promise<Audited>;
export interface Audited {
  readonly by: string;
  readonly record: string;
}

/**
 * tooltrail's own emitter: a change or a read becomes a `control` record in the ledger before it is answered.
 *
 * Records of one process are a chain, one a batch, written one after the other. A batch whose fate is unknown is written again before the next.
 *
 * @throws AppError where the record cannot be written; the caller must then not answer.
 */
export function createAudit(ports: Ports, identity: Identity, account: string): Audit {
  let seq = 0;
  let prev = firstPrev;
  let unsettled: string | undefined;
  let last: Promise<unknown> = Promise.resolve();

  async function write(caller: Caller, action: string, params: ControlRecord["params"]): Promise<Audited> {
    if (unsettled !== undefined) await store(unsettled);
    const at = ports.surroundings.now();
    const ref = pseudonym(ports.surroundings.digestKey, caller.issuer, caller.subject);
    const record: ControlRecord = {
      schema: recordSchema,
      kind: "control",
      at,
      principal: { ref, method: caller.method, verified: caller.verified },
      action,
      params,
    };
    const sides = { principals: { [ref]: { issuer: caller.issuer, subject: caller.subject } } };
    const place = { seq, prev, server: { id: ownServer } };
    const envelope = await seal(identity, place, [recordLine(record)], { first: at, last: at }, sides);
    const event: BusEvent = {
      id: `${identity.emitter}-${seq}`,
      source: eventSource,
      "detail-type": detailTypes.batch,
      account,
      time: new Date(at).toISOString(),
      detail: envelope,
    };
    const written = { by: ref, record: recordId({ emitter: identity.emitter, seq, index: 0 }) };
    seq += 1;
    prev = headersHash(envelope.headers);
    unsettled = JSON.stringify(event);
    await store(unsettled);
    return written;
  }

  async function store(body: string): Promise<void> {
    const { outcome } = await ingest(ports, body);
    unsettled = undefined;
    if (outcome === "quarantined")
      throw new AppError("internal", "tooltrail's own audit record was refused; see the quarantine.");
  }

  return (caller, action, params) => {
    const mine = last.then(() => write(caller, action, params));
    last = mine.catch(() => undefined);
    return mine;
  };
}
