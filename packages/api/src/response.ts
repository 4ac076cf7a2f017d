import { AppError } from "@tooltrail/core/errors";
import type { Projections } from "@tooltrail/core/follow/ports";
import { playbooks } from "@tooltrail/core/response/playbooks";
import { nameOf, type ResponseDocument, type ResponseKind } from "@tooltrail/core/response/response";
import {
  applyResponse,
  checkResponse,
  type KeptResponse,
  keptName,
  listResponse,
  namedResponse,
  readResponse,
  readResponseDocument,
  readResponseVersions,
} from "@tooltrail/core/response/store";
import { titleOf } from "@tooltrail/core/response/title";
import { unguidedVersions } from "@tooltrail/core/response/unguided";
import type { Stored } from "@tooltrail/core/versioned";
import { sha256 } from "@tooltrail/format";
import type { Hono } from "hono";
import { bodyOf } from "./body.ts";
import { parseResponseDocuments, parseResponseName, parseResponseQuery } from "./response-parameters.ts";
import type { MissingRunbooks, ResponseAnswer, ResponseEntry, ResponsePage } from "./response-types.ts";
import type { SloRoutesOptions } from "./slos.ts";
import { texts } from "./texts.ts";
import type { AppliedAnswer } from "./types.ts";

/**
 * How a team responds, audited like everything else that is read or changed:
 *
 * - `GET /v1/response` (`kind`): playbooks, those that are built in among them, runbooks, destinations and policies; `GET /v1/response/{kind}/{name}`: one, with its versions
 * - `POST /v1/response` `{documents}`: where one has a fault, none is applied; `DELETE /v1/response/{kind}/{name}`
 * - `GET /v1/runbooks/missing`: versions of servers, seen in the last 30 days, that no runbook is about.
 */
export function addResponseRoutes<Env extends object>(
  app: Hono<{ Bindings: Env }>,
  { ports, projections, audit, callerOf }: SloRoutesOptions<Env>,
): void {
  const nowMs = (): number => ports().surroundings.now();

  app.get("/v1/response", async (c) => {
    const { kind } = parseResponseQuery(c.req.query());
    await audit()(callerOf(c.env), "response.list", texts({ kind }));
    const { documents, unreadable } = await listResponse(projections());
    const own = documents.map(entryOf);
    const builtIn = playbooks
      .filter(({ id }) => !own.some((one) => one.kind === "Playbook" && one.name === id))
      .map(
        (playbook): ResponseEntry => ({ kind: "Playbook", name: playbook.id, title: playbook.title, builtIn: true }),
      );
    const all = [...own, ...builtIn].filter((one) => kind === undefined || one.kind === kind);
    return c.json({ documents: all.sort(byKindAndName), unreadable } satisfies ResponsePage);
  });

  app.get("/v1/response/:kind/:name", async (c) => {
    const { kind, name } = parseResponseName(c.req.param());
    await audit()(callerOf(c.env), "response.read", texts({ name: keptName(kind, name) }));
    const stored = await readResponseDocument(projections(), kind, name);
    const document = stored?.document ?? builtInOf(kind, name);
    if (document === undefined) throw unknown(kind, name);
    const versions = await readResponseVersions(projections(), kind, name);
    const answer: ResponseAnswer = {
      kind,
      name,
      ...(stored ? keptAs(stored) : { builtIn: true }),
      document,
      versions: versions.map(({ document: _, ...version }) => version),
    };
    return c.json(answer);
  });

  app.post("/v1/response", async (c) => {
    const checked = checkResponse(parseResponseDocuments(await bodyOf(c)).documents);
    for (const document of checked)
      mustNotBeOfFolder(await readResponseDocument(projections(), document.kind, nameOf(document)));
    const documents = namedResponse(checked);
    for (const { name, document } of documents)
      await audit()(callerOf(c.env), "response.apply", texts({ name, sha256: sha256(JSON.stringify(document)) }));
    const applied = await applyResponse(projections(), documents, { source: "command", nowMs: nowMs() });
    return c.json({ applied } satisfies AppliedAnswer);
  });

  app.delete("/v1/response/:kind/:name", async (c) => {
    const { kind, name } = parseResponseName(c.req.param());
    const stored = await readResponseDocument(projections(), kind, name);
    if (stored === undefined && builtInOf(kind, name) !== undefined)
      throw new AppError("conflict", `${keptName(kind, name)} is built in. Apply one of your own with its id instead.`);
    if (stored === undefined) throw unknown(kind, name);
    mustNotBeOfFolder(stored);
    if (kind === "Destination") await mustNotBeNamed(projections(), name);
    await audit()(callerOf(c.env), "response.remove", texts({ name: stored.name }));
    const change = { removing: [stored.name], source: "command", nowMs: nowMs() } as const;
    return c.json({ applied: await applyResponse(projections(), [], change) } satisfies AppliedAnswer);
  });

  app.get("/v1/runbooks/missing", async (c) => {
    await audit()(callerOf(c.env), "runbooks.missing", {});
    return c.json((await unguidedVersions(projections(), nowMs())) satisfies MissingRunbooks);
  });
}

/** Whoever is told there would not be told any more, and nobody would say so. */
async function mustNotBeNamed(projections: Projections, destination: string): Promise<void> {
  const { policies } = await readResponse(projections);
  const naming = policies.filter(({ levels, tickets, executors }) =>
    [...levels.flatMap(({ targets }) => targets), ...tickets, ...executors].includes(destination),
  );
  if (naming.length === 0) return;
  const names = naming.map(({ name }) => name).join(", ");
  throw new AppError("conflict", `Destination/${destination} is named by ${names}. Change that first.`);
}

const keptAs = ({ version, source, appliedAt }: Stored) => ({ version, source, appliedAt });

const entryOf = ({ document, stored }: KeptResponse): ResponseEntry => ({
  kind: document.kind,
  name: nameOf(document),
  title: titleOf(document),
  ...keptAs(stored),
});

const builtInOf = (kind: ResponseKind, name: string): ResponseDocument | undefined =>
  kind === "Playbook" ? playbooks.find(({ id }) => id === name) : undefined;

const byKindAndName = (a: ResponseEntry, b: ResponseEntry): number =>
  keptName(a.kind, a.name) < keptName(b.kind, b.name) ? -1 : 1;

const unknown = (kind: ResponseKind, name: string): AppError =>
  new AppError("not_found", `There is no ${kind} ${name.slice(0, 100)}. GET /v1/response lists them.`);

/** Two that keep one document would take turns. */
function mustNotBeOfFolder(stored: Stored | undefined): void {
  if (stored?.source === "folder")
    throw new AppError("conflict", `${stored.name} is written in a file of the pipeline's folder. Change it there.`);
}
