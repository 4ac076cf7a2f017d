import { type BatchHeaders, bodyLines, checkSeal, type Fault, headersHash, sha256 } from "@tooltrail/format";
import { envelope } from "@tooltrail/format/schema";
import type { PlainHeaders, StoredBatch } from "../ports.ts";

/** A batch of the ledger that is what its headers say, or what is wrong with it. */
export type CheckedBatch =
  | { readonly batch: StoredBatch; readonly lines: readonly string[] }
  | { readonly fault: string };

/**
 * Everything that a stored batch can be asked by itself: the emitter's id belongs to the key, the key signed the headers, the headers name this body, and
 * the identity is theirs. For a plain event, which nobody signed, the form of its headers and the body's hash.
 *
 * @param signed whether it must be: the log says so, by the key in its leaf, and not the ledger.
 */
export function checkStored(batch: StoredBatch, signed: boolean): CheckedBatch {
  const { headers, body, identity, receivedAtMs, account } = batch;
  if (typeof body !== "string" || typeof identity !== "string" || typeof account !== "string")
    return { fault: "body, identity, account: not texts." };
  if (!Number.isSafeInteger(receivedAtMs) || receivedAtMs < 0) return { fault: "receivedAtMs: not a time." };
  const fault = signed ? signedFault(batch) : plainFault(batch);
  if (fault !== undefined) return { fault };
  const lines = bodyLines(body);
  if (lines === undefined) return { fault: "its body cannot be read." };
  if (lines.length !== headers.count)
    return { fault: `its body has ${lines.length} records, its headers say ${headers.count}.` };
  return { batch, lines };
}

const { shape } = envelope;
const plainShape = shape.headers.omit({ schema: true, nonce: true, key: true, prev: true, sidesSha256: true });

function plainFault({ headers, body, sig }: StoredBatch): string | undefined {
  if (sig !== undefined) return "it has a signature, which a plain event has not.";
  // Typed as what it should be, and anything at all.
  const { schema, source, ...rest } = (headers ?? {}) as PlainHeaders;
  if (schema !== "tooltrail.plain/1") return "headers.schema: not that of a plain event.";
  if (typeof source !== "string") return "headers.source: not a text.";
  const fault = faultOf(plainShape.safeParse(rest));
  if (fault !== undefined) return fault;
  if (rest.seq !== 0 || rest.count !== 1) return "a plain event is a batch of one with the number 0.";
  if (rest.firstAt !== rest.lastAt) return "headers.firstAt, headers.lastAt: a plain event has one time.";
  return sha256(body) === rest.bodySha256 ? undefined : faults.body_altered;
}

function signedFault({ headers: given, sig, body, identity }: StoredBatch): string | undefined {
  const misshapen = faultOf(shape.headers.safeParse(given));
  if (misshapen !== undefined) return misshapen;
  if (sig === undefined) return "it has no signature.";
  if (!shape.sig.safeParse(sig).success) return "sig: not 64 bytes in base64.";
  const headers = given as BatchHeaders;
  try {
    // The sides lie elsewhere and may have been forgotten: their hash is signed, and theirs is the last of the checks.
    const fault = checkSeal({ headers, sig, body, sides: { principals: {} } });
    if (fault !== undefined && fault !== "sides_altered") return faults[fault] ?? fault;
    return headersHash(headers) === identity ? undefined : "its identity is not the hash of its headers.";
  } catch (error) {
    return `its headers cannot have been signed: ${(error as Error).message}`; // no canonical form, or no key
  }
}

type Parsed = ReturnType<typeof shape.headers.safeParse> | ReturnType<typeof plainShape.safeParse>;

function faultOf({ error }: Parsed): string | undefined {
  const issue = error?.issues[0];
  return issue && `${["headers", ...issue.path].join(".")}: ${issue.message}`;
}

const faults: { readonly [fault in Fault]?: string } = {
  emitter_mismatch: "its emitter's id does not belong to its key.",
  bad_signature: "its key did not sign these headers.",
  body_altered: "its body is not the one that its headers name.",
};
