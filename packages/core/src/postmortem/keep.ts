import { AppError } from "../errors.ts";
import type { Projections } from "../follow/ports.ts";
import { answerOnce, command, type Once } from "../incidents/command.ts";
import type { Doer, Incident } from "../incidents/incident.ts";
import type { Attempt, Ways } from "../incidents/ports.ts";
import {
  collections,
  type IncidentRows,
  readEvents,
  readRow,
  revisionsOf,
  type Transaction,
  transact,
  versionId,
} from "../incidents/store.ts";
import type { Destination } from "../response/response.ts";
import { putTicket } from "../telling/ticket.ts";
import { draftPostmortem } from "./draft.ts";
import { type Change, editPostmortem } from "./edit.ts";
import { collectEvidence, type EvidencePorts } from "./evidence.ts";
import { markdownOf } from "./markdown.ts";
import { humanFields, isComplete, markerOf, type Postmortem } from "./postmortem.ts";
import { fitting, maxPostmortemBytes } from "./size.ts";

export const readPostmortem = async (
  projections: Pick<Projections, "read">,
  incident: string,
): Promise<Postmortem | undefined> =>
  (await readRow(projections, collections.postmortems, incident)) as Postmortem | undefined;

export const readRevision = async (
  projections: Pick<Projections, "read">,
  incident: string,
  revision: number,
): Promise<Postmortem | undefined> =>
  (await readRow(projections, revisionsOf(incident), versionId(revision))) as Postmortem | undefined;

/** Records of the last seconds get their receipts when the log has them. A log that stands still holds no draft up for longer than this. */
const waitForReceiptsMs = 600_000;
const askAgainMs = 2_000;

/**
 * Drafts the postmortem of an incident that was resolved; what people have written into an earlier one stays. Done again for the same resolution, it changes nothing.
 *
 * @returns `failed` where some of its records are not in the log yet: it is to be asked again in a moment.
 * @throws what a port throws.
 */
export async function keepDraft(ports: EvidencePorts, incident: Incident, nowMs: number): Promise<Attempt> {
  const { resolvedAt } = incident;
  if (resolvedAt === undefined) return { outcome: "skipped" }; // it was reopened meanwhile
  const before = await readPostmortem(ports.projections, incident.id);
  if (before !== undefined && before.times.resolvedAt === resolvedAt) return { outcome: "done" };
  const events = await readEvents(ports.projections, incident.id);
  const evidence = await collectEvidence(ports, incident, events, nowMs);
  if (evidence.missingReceipts.length > 0 && nowMs - resolvedAt < waitForReceiptsMs)
    return {
      outcome: "failed",
      retryable: true,
      retryAfterMs: askAgainMs,
      why: "Its last records are not in the log yet.",
    };
  const drafted = draftPostmortem(incident, events, evidence, nowMs);
  const postmortem = before === undefined ? drafted : asWritten(drafted, before);
  await transact(ports.projections, async (transaction) => {
    const there = (await transaction.read(collections.postmortems, incident.id)) as Postmortem | undefined;
    if (there?.revision !== before?.revision)
      throw new AppError("unavailable", "The postmortem was edited meanwhile.", { outcome: "not-applied" });
    await put(transaction, postmortem, {}, nowMs);
  });
  return { outcome: "done" };
}

/** What the records say anew, and what people said before. A test that was not there before is something to do. */
function asWritten(drafted: Postmortem, before: Postmortem): Postmortem {
  const said = Object.fromEntries(
    humanFields.filter((field) => !before.drafted.includes(field)).map((field) => [field, before[field]]),
  );
  const { authors, title } = before;
  const revision = before.revision + 1;
  const fresh = drafted.actionItems.filter((item) => !before.actionItems.some((other) => other.title === item.title));
  const actionItems = [
    ...before.actionItems,
    ...fresh.map((item, i) => ({ ...item, id: `item_${revision}_${i + 1}` })),
  ];
  const unwritten = drafted.drafted.filter((field) => before.drafted.includes(field));
  const merged = { ...drafted, ...said, authors, title, actionItems, drafted: unwritten, revision };
  return fitting({ ...merged, status: isComplete(merged) ? "complete" : "draft" }, maxPostmortemBytes);
}

/**
 * What a person changes, as the next revision; every revision is kept.
 *
 * @throws AppError `not_found`; `conflict` where it is refused, with the reason.
 */
export const keepEdit = (
  projections: IncidentRows,
  incident: string,
  change: Change,
  { doer, once, nowMs }: { readonly doer: Required<Doer>; readonly once?: Once; readonly nowMs: number },
): Promise<Postmortem> =>
  transact(projections, async (transaction) => {
    const there = (await transaction.read(collections.postmortems, incident)) as Postmortem | undefined;
    if (there === undefined)
      throw new AppError(
        "not_found",
        `There is no postmortem of ${incident}. It is drafted when the incident is resolved.`,
        {
          outcome: "not-applied",
        },
      );
    if (await answerOnce(transaction, once, there.revision, nowMs)) return there;
    const edited = editPostmortem(there, change, doer.by, nowMs);
    if ("refused" in edited) throw new AppError("conflict", edited.refused, { outcome: "not-applied" });
    await put(transaction, edited.postmortem, doer, nowMs);
    return edited.postmortem;
  });

async function put(transaction: Transaction, postmortem: Postmortem, doer: Doer, nowMs: number): Promise<void> {
  const { incident, revision, status } = postmortem;
  const made = await command(transaction, {
    incident,
    command: { type: "postmortem", revision, isComplete: status === "complete" },
    doer,
    nowMs,
  });
  if (made.status === "closed")
    throw new AppError("conflict", `${incident} is closed: its postmortem stays as it is.`, { outcome: "not-applied" });
  transaction.put(collections.postmortems, incident, postmortem);
  transaction.put(revisionsOf(incident), versionId(revision), postmortem);
}

/** Puts the postmortem, as it is now, where a destination has its tickets, and remembers which one it is. */
export async function keepTicket(
  { projections, ways, nowMs }: { readonly projections: IncidentRows; readonly ways: Ways; readonly nowMs: number },
  incident: Incident,
  destination: Destination,
): Promise<Attempt> {
  const postmortem = await readPostmortem(projections, incident.id);
  if (postmortem === undefined) return { outcome: "skipped" };
  const known = incident.tickets.find((ticket) => ticket.destination === destination.name);
  if (known !== undefined && known.revision >= postmortem.revision) return { outcome: "done" };
  const attempt = await putTicket(
    ways,
    destination,
    {
      incident: incident.id,
      marker: markerOf(incident.id),
      title: `Postmortem: ${postmortem.title}`,
      markdown: markdownOf(postmortem),
      revision: postmortem.revision,
      severity: postmortem.severity,
    },
    known,
  );
  if (attempt.outcome === "done" && attempt.ticket !== undefined) {
    const { ticket } = attempt;
    await transact(projections, (transaction) =>
      command(transaction, { incident: incident.id, command: { type: "ticket", ticket }, nowMs }),
    );
  }
  return attempt;
}
