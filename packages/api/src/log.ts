import type { Audit, Caller } from "@tooltrail/core/audit";
import { AppError } from "@tooltrail/core/errors";
import type { BatchPlace } from "@tooltrail/core/log/ports";
import { type ProverPorts, prove } from "@tooltrail/core/log/prove";
import type { Ports } from "@tooltrail/core/ports";
import { serveLedger } from "@tooltrail/core/verify/served-ledger";
import { placesPerRequest } from "@tooltrail/core/verify/sources";
import { parseRecordId } from "@tooltrail/format";
import { receiptText } from "@tooltrail/format/log";
import type { Hono } from "hono";
import * as z from "zod";
import type { BatchesPage, PositionsPage } from "./log-types.ts";

export interface LogRoutesOptions<Env extends object> {
  readonly ports: () => Ports;
  /** Nothing of it writes. */
  readonly log: () => ProverPorts;
  readonly audit: () => Audit;
  readonly callerOf: (env: Env) => Caller;
}

/**
 * What an auditor asks beside the log's own objects, audited like every other read:
 *
 * - `/v1/records/{id}/proof`: a receipt (C2SP tlog-proof) with the leaf in it, as text.
 * - `/v1/batches?leaf=N`: the ledger's batches and their index rows in the log's order, from leaf N on; `next` is the leaf to go on from.
 * - `/v1/batches?places=EMITTER.SEQ,...`: those, in this order; the first ones where they do not fit an answer.
 * - `/v1/batches` (`?cursor=`): where every batch of the ledger is listed, in no order and without the batches. A page may be short, even empty, and still have a `next`.
 */
export function addLogRoutes<Env extends object>(
  app: Hono<{ Bindings: Env }>,
  { ports, log, audit, callerOf }: LogRoutesOptions<Env>,
): void {
  const ledger = () => serveLedger({ ledger: ports().ledger, ...log() });

  app.get("/v1/records/:id/proof", async (c) => {
    const id = c.req.param("id");
    await audit()(callerOf(c.env), "record.prove", { id: id.slice(0, 100).toWellFormed() });
    const place = parseRecordId(id);
    if (place === undefined) throw new AppError("not_found", `There is no record ${id.slice(0, 100)}.`);
    return c.text(receiptText(await prove(log(), place)));
  });

  app.get("/v1/batches", async (c) => {
    const query = parseBatchesQuery(c.req.query());
    await audit()(callerOf(c.env), "batches.read", query.said);
    switch (query.what) {
      case "from leaf": {
        const { entries, next } = await ledger().batchesFrom(query.leaf);
        return c.json({ batches: entries, next: next ?? null } satisfies BatchesPage);
      }
      case "places":
        return c.json({ batches: await ledger().entries(query.places), next: null } satisfies BatchesPage);
      case "positions": {
        const { positions, next } = await ledger().positions(query.cursor);
        return c.json({ positions, next: next ?? null } satisfies PositionsPage);
      }
    }
  });
}

const whole = z
  .string()
  .regex(/^(0|[1-9]\d{0,14})$/, "is not a number")
  .transform(Number);

const batchesQuery = z.union([
  z.strictObject({ leaf: whole }),
  z.strictObject({
    places: z
      .string()
      .max(placesPerRequest * 43)
      .transform((text) => text.split(","))
      .pipe(z.array(z.string().regex(/^[a-z2-7]{26}\.(0|[1-9]\d{0,14})$/)).max(placesPerRequest)),
  }),
  z.strictObject({ cursor: z.string().max(4_096).optional() }),
]);

type BatchesQuery = { readonly said: { readonly [name: string]: string } } & (
  | { readonly what: "from leaf"; readonly leaf: number }
  | { readonly what: "places"; readonly places: readonly BatchPlace[] }
  | { readonly what: "positions"; readonly cursor: string | undefined }
);

/** @throws AppError `invalid` that says what may be asked. */
function parseBatchesQuery(query: { readonly [name: string]: string }): BatchesQuery {
  const parsed = batchesQuery.safeParse(query);
  if (!parsed.success)
    throw new AppError(
      "invalid",
      `Ask for leaf=N, for places=EMITTER.SEQ,... (${placesPerRequest} at most), or for cursor=TEXT; numbers from 0 on.`,
    );
  // As much as an audit record holds.
  const said = Object.fromEntries(Object.entries(query).map(([name, text]) => [name, text.slice(0, 1_024)]));
  if ("leaf" in parsed.data) return { what: "from leaf", leaf: parsed.data.leaf, said };
  if (!("places" in parsed.data)) return { what: "positions", cursor: parsed.data.cursor, said };
  const places = parsed.data.places.map((text) => {
    const [emitter = "", seq] = text.split(".");
    return { emitter, seq: Number(seq) };
  });
  return { what: "places", places, said };
}
