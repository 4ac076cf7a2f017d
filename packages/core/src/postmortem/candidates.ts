import type { ControlRecord } from "@tooltrail/format";
import { counters, type DefinitionChanges, definitionChanges } from "../follow/counters.ts";
import { isAbout } from "../incidents/cause.ts";
import type { Cause } from "../incidents/incident.ts";
import { ownServer } from "../own-server.ts";
import type { Ledger, StoredBatch } from "../ports.ts";
import { kindNeedle } from "./failing.ts";
import type { Counted } from "./impact.ts";
import type { Candidate } from "./postmortem.ts";
import { type Bounds, batchesIn, boundsOf, recordsIn, type Span } from "./walk.ts";

export interface Candidates {
  readonly listed: readonly Candidate[];
  readonly limits: readonly string[];
}

const maxListed = 40;
/** Each of tooltrail's own records is a batch, and readers make most of them. */
const maxControlBatches = 2_000;

/** What changed in a span: versions that were new, definitions that were another than before, and what somebody changed of tooltrail itself. The latest first is nearest. */
export async function changesIn(
  counted: Counted,
  ledger: Pick<Ledger, "newestFirst">,
  cause: Cause,
  span: Span,
): Promise<Candidates> {
  const controls = await controlChanges(ledger, span);
  const all = [
    ...(await newVersions(counted, cause, span)),
    ...(await newDefinitions(counted, cause, span)),
    ...controls.found,
  ];
  const sorted = all.sort((a, b) => a.at - b.at || (a.what < b.what ? -1 : 1));
  return {
    listed: sorted.slice(-maxListed),
    limits: [
      ...(sorted.length > maxListed ? [`Of ${sorted.length} changes the last ${maxListed} are listed.`] : []),
      ...(controls.isCut
        ? [
            `Of tooltrail's own records the last ${maxControlBatches} were looked at; changes before them are not listed.`,
          ]
        : []),
    ],
  };
}

const isIn = ({ fromMs, toMs }: Span, at: number): boolean => at >= fromMs && at < toMs;

async function newVersions({ known }: Counted, cause: Cause, span: Span): Promise<Candidate[]> {
  const servers = (await known.catalogue.servers()).filter((one) => isOf(cause, one));
  return servers.flatMap(({ server, environment, versions = {} }) =>
    Object.entries(versions)
      .filter(([, at]) => isIn(span, at))
      .map(([version, at]) => ({
        at,
        what: `Version ${version} of ${server}${inWords(environment)} was seen for the first time.`,
      })),
  );
}

async function newDefinitions({ projections, known }: Counted, cause: Cause, span: Span): Promise<Candidate[]> {
  const [row] = await projections.read(counters.name, known.generation, [definitionChanges]);
  const { changes = [] } = (row?.value as DefinitionChanges | undefined) ?? {};
  return changes
    .filter((change) => isIn(span, change.at) && isOf(cause, change))
    .map(({ at, server, environment, tool, record }) => ({
      at,
      what: `The definition of ${tool} of ${server}${inWords(environment)} changed.`,
      record,
    }));
}

/** Whether something of a server belongs to what an incident is about, whatever the tool: tools of one server change together. */
const isOf = (cause: Cause, place: { readonly environment: string; readonly server: string }): boolean =>
  isAbout({ ...cause, tool: "" }, place);

const inWords = (environment: string): string => (environment === "" ? "" : ` in ${environment}`);

/** Batches of what people asked of tooltrail, newest first. What the pipeline did by itself, which nobody signed, is passed over, and does not count as looked at. */
export async function* commandBatches(
  ledger: Pick<Ledger, "newestFirst">,
  span: Span,
  bounds: Bounds,
): AsyncGenerator<StoredBatch> {
  for await (const batch of batchesIn(ledger, { server: ownServer }, span, bounds)) {
    if (batch.sig !== undefined) yield batch;
    else bounds.batches += 1;
  }
}

async function controlChanges(
  ledger: Pick<Ledger, "newestFirst">,
  span: Span,
): Promise<{ readonly found: Candidate[]; readonly isCut: boolean }> {
  const bounds = boundsOf(maxControlBatches);
  const found: Candidate[] = [];
  for await (const batch of commandBatches(ledger, span, bounds))
    for (const { id, record } of recordsIn(batch, span, [kindNeedle("control")]))
      if (record.kind === "control" && isChange(record))
        found.push({ at: record.at, what: controlText(record), record: id });
  return { found, isCut: bounds.isCut };
}

/** Actions are named `what.verb`. A verb that is not known here is taken for a change: better one line too many. */
const readingVerbs = ["read", "query", "list", "show", "series", "prove", "lint"];
/** What is done about incidents is no change of what is watched. */
const aboutIncidents = ["action", "gate", "incident", "incidents", "postmortem", "postmortems", "rollback", "ticket"];

export function isChange({ action }: Pick<ControlRecord, "action">): boolean {
  const [what = "", verb = ""] = action.split(".");
  return !readingVerbs.includes(verb) && !aboutIncidents.includes(what);
}

/** Parameters that say what was changed. */
const changed = ["name", "id", "kind", "server", "projection", "reason"];
/** And what the pipeline did. */
const done = ["level", "round", "why", "result", "into", "action", "kind", "runbook", "ticket", "revision"];
const maxText = 300;

const textOf = (telling: readonly string[], { action, params }: Pick<ControlRecord, "action" | "params">): string => {
  const said = telling.flatMap((name) => (params[name] === undefined ? [] : [`${name} ${params[name]}`]));
  return [action, ...said].join(", ").slice(0, maxText).toWellFormed();
};

export const controlText = (record: Pick<ControlRecord, "action" | "params">): string => textOf(changed, record);
export const ownActText = (record: Pick<ControlRecord, "action" | "params">): string => textOf(done, record);
