import { AppError } from "@tooltrail/core/errors";
import { keepEdit, readPostmortem, readRevision } from "@tooltrail/core/postmortem/keep";
import { markdownOf } from "@tooltrail/core/postmortem/markdown";
import { sha256 } from "@tooltrail/format";
import type { Hono } from "hono";
import { bodyOf } from "./body.ts";
import { parseEdit, parseIdempotencyKey, parseIncidentId, parseRevision } from "./incident-parameters.ts";
import type { PostmortemAnswer } from "./incident-types.ts";
import { type IncidentRoutesOptions, namesOf, wakeResponder } from "./incidents.ts";
import { texts } from "./texts.ts";

/**
 * Postmortems, by the incident that they are of:
 *
 * - `GET /v1/postmortems/{id}`, `GET /v1/postmortems/{id}/revisions/{revision}`, `GET /v1/postmortems/{id}/markdown`
 * - `POST /v1/postmortems/{id}/edits` with what people have to say (`Change`), and an `Idempotency-Key`. 409: it was changed meanwhile, or may not be so.
 */
export function addPostmortemRoutes<Env extends object>(
  app: Hono<{ Bindings: Env }>,
  { ports, projections, audit, callerOf }: IncidentRoutesOptions<Env>,
): void {
  app.get("/v1/postmortems/:id", async (c) => {
    const id = parseIncidentId(c.req.param("id"));
    await audit()(callerOf(c.env), "postmortem.read", { incident: id });
    const postmortem = (await readPostmortem(projections(), id)) ?? none(id);
    return c.json({ postmortem, names: await namesOf(ports(), postmortem) } satisfies PostmortemAnswer);
  });

  app.get("/v1/postmortems/:id/revisions/:revision", async (c) => {
    const id = parseIncidentId(c.req.param("id"));
    const revision = parseRevision(c.req.param("revision"));
    await audit()(callerOf(c.env), "postmortem.read", texts({ incident: id, revision }));
    const postmortem = (await readRevision(projections(), id, revision)) ?? none(id, revision);
    return c.json({ postmortem, names: await namesOf(ports(), postmortem) } satisfies PostmortemAnswer);
  });

  app.get("/v1/postmortems/:id/markdown", async (c) => {
    const id = parseIncidentId(c.req.param("id"));
    await audit()(callerOf(c.env), "postmortem.read", { incident: id, format: "markdown" });
    const postmortem = (await readPostmortem(projections(), id)) ?? none(id);
    return c.text(markdownOf(postmortem), 200, { "content-type": "text/markdown; charset=utf-8" });
  });

  app.post("/v1/postmortems/:id/edits", async (c) => {
    const id = parseIncidentId(c.req.param("id"));
    const change = parseEdit(await bodyOf(c));
    const key = parseIdempotencyKey(c.req.header("idempotency-key"));
    const asked = sha256(JSON.stringify([id, change]));
    const fields = Object.keys(change).join(",");
    const doer = await audit()(callerOf(c.env), "postmortem.edit", texts({ incident: id, fields, sha256: asked }));
    const postmortem = await keepEdit(projections(), id, change, {
      doer,
      nowMs: ports().surroundings.now(),
      ...(key !== undefined && { once: { key: `${doer.by}/${sha256(key)}`, asked } }),
    });
    await wakeResponder(ports());
    return c.json({ postmortem, names: await namesOf(ports(), postmortem) } satisfies PostmortemAnswer);
  });
}

function none(id: string, revision?: number): never {
  const what = revision === undefined ? "postmortem" : `revision ${revision} of a postmortem`;
  throw new AppError("not_found", `There is no ${what} of ${id}. It is drafted when the incident is resolved.`);
}
