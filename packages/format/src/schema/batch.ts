import * as z from "zod";
import { batchSchema, maxBatchRecords } from "../batch.ts";
import { hex64, principalRef, timeMs } from "./record.ts";

const base64 = z.string().regex(/^[A-Za-z0-9+/]*={0,2}$/);
const base64url = (bytes: number) =>
  z.string().regex(new RegExp(`^[A-Za-z0-9_-]{${Math.ceil((bytes * 4) / 3)}}$`), `must be ${bytes} bytes in base64url`);

export const server = z.strictObject({
  id: z.string().min(1).max(256),
  version: z.string().min(1).max(128).optional(),
  environment: z.string().min(1).max(64).optional(),
});

export const headers = z.strictObject({
  schema: z.literal(batchSchema),
  emitter: z.string().regex(/^[a-z2-7]{26}$/),
  nonce: base64url(16),
  key: base64url(32),
  seq: z.int().min(0).max(999_999_999_999_999),
  prev: hex64,
  server,
  count: z.int().min(1).max(maxBatchRecords),
  firstAt: timeMs,
  lastAt: timeMs,
  bodySha256: hex64,
  sidesSha256: hex64,
});

export const sides = z.strictObject({
  principals: z.record(
    principalRef,
    z.strictObject({ issuer: z.string().max(512), subject: z.string().min(1).max(512) }),
  ),
});

/** A batch on the wire. Signature, hashes and records are checked after this, by ingest. */
export const envelope = z.strictObject({ headers, sig: base64.length(88), body: base64.min(1), sides });
