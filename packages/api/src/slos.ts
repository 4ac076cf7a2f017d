import type { Audit, Caller } from "@tooltrail/core/audit";
import { AppError } from "@tooltrail/core/errors";
import type { Projections } from "@tooltrail/core/follow/ports";
import { given } from "@tooltrail/core/given";
import { listLive, listUndelivered } from "@tooltrail/core/incidents/store";
import { countFitting } from "@tooltrail/core/page";
import type { Ports, Principals } from "@tooltrail/core/ports";
import { readMinutes } from "@tooltrail/core/slo/counting";
import { parseDefinition } from "@tooltrail/core/slo/definition";
import {
  addMaintenance,
  applyDefinitions,
  checkDocuments,
  readDefinition,
  readMaintenances,
  readVersions,
  removeMaintenance,
  type StoredDefinition,
} from "@tooltrail/core/slo/definitions";
import { sentence } from "@tooltrail/core/slo/document";
import type { Maintenance } from "@tooltrail/core/slo/maintenance";
import type { Slo } from "@tooltrail/core/slo/slo";
import { type Known, type KnownSlo, readSlos } from "@tooltrail/core/slo/slos";
import { statusOf } from "@tooltrail/core/slo/status";
import { keptMinutes, minuteMs, minuteOf } from "@tooltrail/core/slo/time";
import { pseudonym, sha256 } from "@tooltrail/format";
import type { Hono } from "hono";
import { bodyOf } from "./body.ts";
import { openMetrics, openMetricsType } from "./open-metrics.ts";
import { parseApply, parseAskedSeries, parseMaintenance, parseSeriesQuery, parseSlosQuery } from "./parameters.ts";
import { texts } from "./texts.ts";
import type { AppliedAnswer, MaintenancePage, SeriesAnswer, SloAnswer, SlosPage } from "./types.ts";

export interface SloRoutesOptions<Env extends object> {
  readonly ports: () => Ports;
  readonly projections: () => Projections;
  readonly audit: () => Audit;
  readonly callerOf: (env: Env) => Caller;
}

/**
 * Error budgets, audited like everything else that is read or changed:
 *
 * - `GET /v1/slos` (`server`, `firing=true`, `limit`, `cursor`), by name; `GET /v1/slos/{name}`: with its definition, its versions, and what burns it
 * - `GET /v1/slos/{name}/series` (`since`, `until`): the minutes that it is computed from; `POST /v1/series` `{document, since, until}`: those of a definition that is not there yet
 * - `POST /v1/slos` `{documents}`: defines, by OpenSLO documents; `DELETE /v1/slos/{name}`
 * - `GET /v1/maintenance`, `POST /v1/maintenance` `{minutes, reason, from?, environment?, server?, tool?}`, `DELETE /v1/maintenance/{id}`
 * - `GET /metrics`: all of it as OpenMetrics, and incidents.
 */
export function addSloRoutes<Env extends object>(
  app: Hono<{ Bindings: Env }>,
  { ports, projections, audit, callerOf }: SloRoutesOptions<Env>,
): void {
  const nowMs = (): number => ports().surroundings.now();
  const minute = (): number => minuteOf(nowMs());

  app.get("/v1/slos", async (c) => {
    const { limit, cursor, server, firing } = parseSlosQuery(c.req.query());
    await audit()(callerOf(c.env), "slos.read", texts({ server, firing, limit, cursor }));
    const known = await readSlos(projections(), nowMs());
    const wanted = byName(known)
      .filter(({ slo }) => server === undefined || slo.indicator.selector.server === server)
      .filter(({ slo }) => cursor === undefined || slo.name > nameOf(cursor));
    const views = await statusOf(projections(), known, wanted.slice(0, limit), minute(), false);
    const fitting = views.slice(0, countFitting(views));
    const last = fitting.length < wanted.length ? fitting.at(-1)?.name : undefined;
    const page: SlosPage = {
      slos: fitting.filter((view) => firing === undefined || view.rules.some((rule) => rule.firing)),
      unreadable: [...known.unreadable],
      next: last === undefined ? null : Buffer.from(last).toString("base64url"),
    };
    return c.json(page);
  });

  app.get("/v1/slos/:name", async (c) => {
    const name = c.req.param("name");
    await audit()(callerOf(c.env), "slo.read", texts({ name }));
    const { known, one } = await knownSlo(projections(), name, nowMs());
    const [view] = await statusOf(projections(), known, [one], minute(), true);
    if (view === undefined) throw unknownSlo(name);
    const principals = await withSubjects(ports().principals, view.burners?.principals ?? []);
    const answer: SloAnswer = {
      ...view,
      burners: { tools: [], versions: [], ...view.burners, principals },
      definition: (await readDefinition(projections(), name))?.document ?? null,
      versions: (await readVersions(projections(), name)).map(({ document: _, ...version }) => version),
    };
    return c.json(answer);
  });

  app.get("/v1/slos/:name/series", async (c) => {
    const name = c.req.param("name");
    const query = parseSeriesQuery(c.req.query(), nowMs());
    await audit()(callerOf(c.env), "slo.series", texts({ name, ...query }));
    const { known, one } = await knownSlo(projections(), name, nowMs());
    return c.json(await seriesOf(known, one.slo, query));
  });

  app.post("/v1/series", async (c) => {
    const { document, ...query } = parseAskedSeries(await bodyOf(c), nowMs());
    const parsed = parseDefinition(document);
    if ("faults" in parsed) throw new AppError("invalid", parsed.faults.map(sentence).join("\n"));
    await audit()(callerOf(c.env), "slo.series", texts({ document: sha256(JSON.stringify(document)), ...query }));
    return c.json(await seriesOf(await readSlos(projections(), nowMs()), parsed.slo, query));
  });

  app.post("/v1/slos", async (c) => {
    const { documents } = parseApply(await bodyOf(c));
    const checked = checkDocuments(documents);
    for (const { name } of checked) mustNotBeOfFolder(await readDefinition(projections(), name));
    for (const { name, document } of checked)
      await audit()(callerOf(c.env), "slo.apply", texts({ name, sha256: sha256(JSON.stringify(document)) }));
    const applied = await applyDefinitions(projections(), checked, { source: "command", nowMs: nowMs() });
    return c.json({ applied } satisfies AppliedAnswer);
  });

  app.delete("/v1/slos/:name", async (c) => {
    const name = c.req.param("name");
    const stored = await readDefinition(projections(), name);
    if (stored === undefined) throw new AppError("not_found", `Nobody has defined an SLO ${name.slice(0, 100)}.`);
    mustNotBeOfFolder(stored);
    await audit()(callerOf(c.env), "slo.remove", texts({ name }));
    const applied = await applyDefinitions(projections(), [], { removing: [name], source: "command", nowMs: nowMs() });
    return c.json({ applied } satisfies AppliedAnswer);
  });

  app.get("/v1/maintenance", async (c) => {
    await audit()(callerOf(c.env), "maintenance.list", {});
    return c.json({ windows: await readMaintenances(projections()) } satisfies MaintenancePage);
  });

  app.post("/v1/maintenance", async (c) => {
    const { from = nowMs(), minutes, ...said } = parseMaintenance(await bodyOf(c));
    const { issuer, subject } = callerOf(c.env);
    const by = pseudonym(ports().surroundings.digestKey, issuer, subject);
    const until = from + minutes * minuteMs;
    const what = given({ environment: said.environment, server: said.server, tool: said.tool });
    // The same window asked for twice, after an answer that was lost, is one.
    const id = `mnt_${sha256(JSON.stringify([from, until, what, said.reason, by])).slice(0, 26)}`;
    const window: Maintenance = { id, from, until, ...what, reason: said.reason, by };
    await audit()(callerOf(c.env), "maintenance.add", texts({ ...window }));
    await addMaintenance(projections(), window, nowMs());
    return c.json(window);
  });

  app.delete("/v1/maintenance/:id", async (c) => {
    const id = c.req.param("id");
    await audit()(callerOf(c.env), "maintenance.remove", texts({ id }));
    if (!(await removeMaintenance(projections(), id)))
      throw new AppError("not_found", `There is no maintenance window ${id.slice(0, 100)}.`);
    return c.json({ id });
  });

  app.get("/metrics", async (c) => {
    await audit()(callerOf(c.env), "metrics.read", {});
    const known = await readSlos(projections(), nowMs());
    const slos = await statusOf(projections(), known, byName(known), minute(), false);
    const incidents = await listLive(projections());
    const undelivered = await listUndelivered(projections());
    return c.text(openMetrics({ slos, incidents, undelivered }), 200, { "content-type": openMetricsType });
  });

  async function seriesOf(
    known: Known,
    slo: Slo,
    { since, until }: { readonly since?: number | undefined; readonly until?: number | undefined },
  ): Promise<SeriesAnswer> {
    const to = minuteOf(Math.min(until ?? nowMs(), nowMs())) + 1;
    const from = Math.max(since === undefined ? to - keptMinutes : minuteOf(since), to - keptMinutes, 0);
    const selection = await known.catalogue.select(slo.indicator);
    const minutes = await readMinutes(projections(), known.generation, { slo, selection }, { from, to });
    await known.mustBeCurrent();
    return { slo: slo.name, from, to, minutes: minutes.map(({ minute: at, total, bad }) => [at, total, bad]) };
  }
}

const byName = ({ slos }: Known): KnownSlo[] => [...slos].sort((a, b) => (a.slo.name < b.slo.name ? -1 : 1));

const nameOf = (cursor: string): string => Buffer.from(cursor, "base64url").toString("utf8");

async function knownSlo(
  projections: Projections,
  name: string,
  nowMs: number,
): Promise<{ known: Known; one: KnownSlo }> {
  const known = await readSlos(projections, nowMs);
  const one = known.slos.find(({ slo }) => slo.name === name);
  if (one === undefined) throw unknownSlo(name);
  return { known, one };
}

/** Two that keep one definition would take turns. */
function mustNotBeOfFolder(stored: StoredDefinition | undefined): void {
  if (stored?.source === "folder")
    throw new AppError("conflict", `${stored.name} is defined by a file in the pipeline's folder. Change it there.`);
}

const unknownSlo = (name: string): AppError =>
  new AppError("not_found", `There is no SLO ${name.slice(0, 100)}. GET /v1/slos lists them.`);

async function withSubjects(
  principals: Principals,
  burners: readonly { readonly name: string; readonly bad: number }[],
): Promise<SloAnswer["burners"]["principals"]> {
  const names = await principals.names(burners.map(({ name }) => name));
  return burners.map((burner) => ({ ...burner, ...given({ subject: names.get(burner.name)?.subject }) }));
}
