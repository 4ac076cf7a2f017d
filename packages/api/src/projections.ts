import type { Audit, Caller } from "@tooltrail/core/audit";
import { AppError } from "@tooltrail/core/errors";
import {
  continuity,
  type EmitterRow,
  type EmitterState,
  emitters,
  lateMs,
  stateOf,
  watched,
} from "@tooltrail/core/follow/continuity";
import { inventory, inventoryLists } from "@tooltrail/core/follow/inventory";
import type { Projections, Row } from "@tooltrail/core/follow/ports";
import { projections as all } from "@tooltrail/core/follow/projections";
import { type RowsPage, readRows } from "@tooltrail/core/follow/read-rows";
import { startRebuild } from "@tooltrail/core/follow/rebuild";
import { idPrefix } from "@tooltrail/core/follow/row-id";
import { given } from "@tooltrail/core/given";
import { countFitting } from "@tooltrail/core/page";
import type { Ports, Principals } from "@tooltrail/core/ports";
import type { Hono } from "hono";
import { parseEmittersQuery, parseInventoryQuery } from "./parameters.ts";
import { texts } from "./texts.ts";
import type { EmittersPage, EmitterView, InventoryEntry, InventoryPage, RebuildAnswer } from "./types.ts";

export interface ProjectionRoutesOptions<Env extends object> {
  readonly ports: () => Ports;
  readonly projections: () => Projections;
  readonly audit: () => Audit;
  readonly callerOf: (env: Env) => Caller;
}

/**
 * What is made of the log, audited like every other read:
 *
 * - `GET /v1/inventory/{servers|tools|definitions|principals}` (`server`, `limit`, `cursor`)
 * - `GET /v1/emitters` (`server`, `state`, `limit`, `cursor`)
 * - `POST /v1/projections/{name}/rebuild`: makes one anew from leaf 0.
 */
export function addProjectionRoutes<Env extends object>(
  app: Hono<{ Bindings: Env }>,
  { ports, projections, audit, callerOf }: ProjectionRoutesOptions<Env>,
): void {
  app.get("/v1/inventory/:what", async (c) => {
    const collection = inventoryLists.find((list) => list === c.req.param("what"));
    if (collection === undefined)
      throw new AppError("not_found", `There is no such list. There are: ${inventoryLists.join(", ")}.`);
    const { limit, cursor, server } = parseInventoryQuery(c.req.query());
    await audit()(callerOf(c.env), "inventory.read", texts({ what: collection, server, limit, cursor }));
    const page = await readRows(projections(), inventory.name, {
      collection,
      limit,
      ...(server !== undefined && { prefix: idPrefix(server) }),
      ...given({ after: afterOf(cursor) }),
    });
    const entries = await withSubjects(
      ports().principals,
      page.rows.map(({ value }) => value as InventoryEntry),
    );
    const shown = entries.slice(0, countFitting(entries));
    return c.json({ entries: shown, next: nextOf(page, shown.length) } satisfies InventoryPage);
  });

  app.get("/v1/emitters", async (c) => {
    const { limit, cursor, server, state } = parseEmittersQuery(c.req.query());
    await audit()(callerOf(c.env), "emitters.read", texts({ server, state, limit, cursor }));
    const { now, enrolledKeys } = ports().surroundings;
    const page = await emitterRows(projections(), state, limit, afterOf(cursor));
    const views = page.rows
      .map(({ value }) => viewOf(value as EmitterRow, enrolledKeys, now()))
      .filter((view) => server === undefined || view.server === server)
      .filter((view) => state === undefined || view.state === state);
    return c.json({ emitters: views, next: nextOf(page, page.rows.length) } satisfies EmittersPage);
  });

  app.post("/v1/projections/:name/rebuild", async (c) => {
    const projection = all.find(({ name }) => name === c.req.param("name"));
    if (projection === undefined)
      throw new AppError(
        "not_found",
        `There is no such projection. There are: ${all.map(({ name }) => name).join(", ")}.`,
      );
    await audit()(callerOf(c.env), "projection.rebuild", texts({ projection: projection.name }));
    const { number, leaf } = await startRebuild(projections(), projection);
    return c.json({ projection: projection.name, generation: number, leaf } satisfies RebuildAnswer);
  });
}

/** Those that miss numbers are among the watched, who are few. Any other state is sought among all. */
async function emitterRows(
  projections: Projections,
  state: EmitterState | undefined,
  limit: number,
  after: string | undefined,
): Promise<RowsPage> {
  const few = state === "late" || state === "gap";
  const page = await readRows(projections, continuity.name, {
    collection: few ? watched : emitters,
    limit: few ? Math.min(limit, maxRead) : limit,
    ...given({ after }),
  });
  if (!few || page.rows.length === 0) return page;
  const current = (await projections.cursor(continuity.name))?.current.number ?? 0;
  const keys = page.rows.map(({ id }) => ({ collection: emitters, id }));
  const rows = await projections.read(continuity.name, current, keys);
  const next = page.next === undefined ? undefined : { next: page.next };
  return { rows: rows.filter((row): row is Row => row !== undefined), ...next };
}

/** Rows that are read by key in one go. */
const maxRead = 99;

const viewOf = (row: EmitterRow, enrolledKeys: ReadonlySet<string>, nowMs: number): EmitterView => ({
  ...row,
  state: stateOf(row, nowMs),
  enrolled: enrolledKeys.has(row.key),
  missing: row.missing.map((range) => ({ ...range, gap: nowMs - range.sinceMs >= lateMs })),
});

async function withSubjects(principals: Principals, entries: readonly InventoryEntry[]): Promise<InventoryEntry[]> {
  const refs = new Set(entries.flatMap((entry) => ("ref" in entry ? [entry.ref] : [])));
  const names = refs.size === 0 ? undefined : await principals.names([...refs]);
  return entries.map((entry) => {
    if (!("ref" in entry)) return entry;
    const name = names?.get(entry.ref);
    return name ? { ...entry, subject: name.subject } : entry;
  });
}

/** Cursors are ids, in letters that a URL takes as they are. */
const nextOf = ({ rows, next }: RowsPage, shown: number): string | null => {
  const last = shown < rows.length ? rows[shown - 1]?.id : next;
  return last === undefined ? null : Buffer.from(last).toString("base64url");
};
function afterOf(cursor: string | undefined): string | undefined {
  if (cursor === undefined) return undefined;
  const id = Buffer.from(cursor, "base64url").toString("latin1");
  if (/^[!-~]{1,1000}$/.test(id)) return id;
  throw new AppError("invalid", "cursor: not one that this server gave out.");
}
