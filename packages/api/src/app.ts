import type { Audit, Caller } from "@tooltrail/core/audit";
import { AppError } from "@tooltrail/core/errors";
import type { Projections } from "@tooltrail/core/follow/ports";
import { readPostings } from "@tooltrail/core/follow/postings";
import { given } from "@tooltrail/core/given";
import type { ProverPorts } from "@tooltrail/core/log/prove";
import { countFitting } from "@tooltrail/core/page";
import type { Ports, Quarantined } from "@tooltrail/core/ports";
import { principalRefs, queryRecords, readRecord } from "@tooltrail/core/query";
import { replay } from "@tooltrail/core/replay";
import { Hono } from "hono";
import { answerErrors } from "./answer-errors.ts";
import { addLogRoutes } from "./log.ts";
import { parseQuarantineQuery, parseRecordsQuery } from "./parameters.ts";
import { addProjectionRoutes } from "./projections.ts";
import { addSloRoutes } from "./slos.ts";
import { texts } from "./texts.ts";
import type { QuarantinePage, QuarantineView, ReplayAnswer } from "./types.ts";

export interface ApiOptions<Env extends object> {
  readonly ports: () => Ports;
  readonly log: () => ProverPorts;
  readonly projections: () => Projections;
  readonly audit: () => Audit;
  /** Who asks, as the boundary in front of this app has verified. */
  readonly callerOf: (env: Env) => Caller;
  readonly onError: (error: Error) => void;
}

/**
 * The queries. Each is audited before it is answered, and where that fails, it is not answered.
 *
 * Answers are JSON; errors are `{"error":{"code","message"}}` with the status of `errorCodes`.
 */
export function createApi<Env extends object>({
  ports,
  log,
  projections,
  audit,
  callerOf,
  onError,
}: ApiOptions<Env>): Hono<{ Bindings: Env }> {
  const app = new Hono<{ Bindings: Env }>();

  app.get("/v1/records", async (c) => {
    const { limit, cursor, server, tool, principal, outcome, trace, kind, since, until } = parseRecordsQuery(
      c.req.query(),
      ports().surroundings.now(),
    );
    const principals = principal === undefined ? undefined : await principalRefs(ports(), principal);
    const filter = given({ kind, server, tool, principals, outcome, trace, sinceMs: since, untilMs: until });
    await audit()(callerOf(c.env), "records.query", texts({ ...filter, limit, cursor }));
    const stores = { ...ports(), postings: readPostings(projections()) };
    return c.json(await queryRecords(stores, filter, { limit, ...given({ cursor }) }));
  });

  app.get("/v1/records/:id", async (c) => {
    const id = c.req.param("id");
    await audit()(callerOf(c.env), "record.read", texts({ id }));
    const record = await readRecord(ports(), id);
    if (record === undefined) throw new AppError("not_found", `There is no record ${id.slice(0, 100)}.`);
    return c.json(record);
  });

  app.get("/v1/quarantine", async (c) => {
    const { limit, cursor } = parseQuarantineQuery(c.req.query());
    await audit()(callerOf(c.env), "quarantine.list", texts({ limit, cursor }));
    const entries = await ports().quarantine.list({ limit: limit + 1, ...given({ after: cursor }) });
    const views = entries.slice(0, limit).map(viewOf);
    const shown = views.slice(0, countFitting(views));
    const page: QuarantinePage = {
      entries: shown,
      next: entries.length > shown.length ? (shown.at(-1)?.id ?? null) : null,
    };
    return c.json(page);
  });

  app.post("/v1/quarantine/:id/replay", async (c) => {
    const id = c.req.param("id");
    const entry = await ports().quarantine.read(id);
    if (entry === undefined)
      throw new AppError("not_found", `There is nothing with the id ${id.slice(0, 100)} in quarantine.`);
    await audit()(callerOf(c.env), "quarantine.replay", texts({ id }));
    const replayed = await replay(ports(), entry);
    const { outcome } = replayed;
    return c.json({ id, outcome, ...("reason" in replayed && { reason: replayed.reason }) } satisfies ReplayAnswer);
  });

  app.delete("/v1/quarantine/:id", async (c) => {
    const id = c.req.param("id");
    if ((await ports().quarantine.read(id)) === undefined)
      throw new AppError("not_found", `There is nothing with the id ${id.slice(0, 100)} in quarantine.`);
    await audit()(callerOf(c.env), "quarantine.discard", texts({ id }));
    await ports().quarantine.remove(id);
    return c.json({ id });
  });

  addLogRoutes(app, { ports, log, audit, callerOf });
  addProjectionRoutes(app, { ports, projections, audit, callerOf });
  addSloRoutes(app, { ports, projections, audit, callerOf });

  answerErrors(app, onError);
  return app;
}

const viewOf = ({ id, reason, detail, receivedAtMs, body }: Quarantined): QuarantineView => ({
  id,
  reason,
  detail,
  receivedAt: receivedAtMs,
  body,
});
