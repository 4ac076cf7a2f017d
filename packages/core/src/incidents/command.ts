import { AppError } from "../errors.ts";
import { decide } from "./decide.ts";
import type { Command, Doer, Incident } from "./incident.ts";
import { collections, type IncidentRows, type Transaction, transact } from "./store.ts";

export interface Commanded {
  readonly incident: string;
  readonly command: Command;
  readonly doer?: Doer;
  readonly once?: Once;
  readonly nowMs: number;
}

/** What tells two requests of one wish from two wishes, and a digest of what was asked. */
export interface Once {
  readonly key: string;
  readonly asked: string;
}

/** What was answered to a key, so that it is answered again. */
export type Answered = { readonly asked: string; readonly version: number; readonly at: number };

/**
 * Gives an incident a command. Of several at the same time each is decided on what the others have made of it, so none is lost.
 *
 * @returns the incident as it is then; after a repeated request, as it is now.
 * @throws AppError `not_found`; `conflict` where the incident does not take it now, with what it takes, or where the key was used for something else.
 */
export const runCommand = (projections: IncidentRows, commanded: Commanded): Promise<Incident> =>
  transact(projections, (transaction) => command(transaction, commanded));

/** The same within a transaction of somebody else's. */
export async function command(
  transaction: Transaction,
  { incident: id, command: asked, doer = {}, once, nowMs }: Commanded,
): Promise<Incident> {
  const incident = await found(transaction, id);
  if (await answerOnce(transaction, once, incident.version, nowMs)) return incident;
  const events = decide(incident, asked, nowMs, doer);
  if ("refused" in events) throw refusal(events.refused);
  const now = events.length === 0 ? incident : transaction.append(incident, events);
  if (asked.type === "merge") await joinTo(transaction, asked.into, incident, nowMs, doer);
  return now;
}

/**
 * @returns whether a request with this key was answered before; else it is now, with all the rest of the transaction.
 * @throws AppError `conflict` where the key was used for something else.
 */
export async function answerOnce(
  transaction: Transaction,
  once: Once | undefined,
  version: number,
  nowMs: number,
): Promise<boolean> {
  if (once === undefined) return false;
  const answered = (await transaction.read(collections.answered, once.key)) as Answered | undefined;
  if (answered !== undefined && answered.asked !== once.asked)
    throw refusal("This Idempotency-Key was used for something else. Use a new one for each.");
  transaction.put(
    collections.answered,
    once.key,
    answered ?? ({ asked: once.asked, version, at: nowMs } satisfies Answered),
  );
  return answered !== undefined;
}

async function joinTo(transaction: Transaction, id: string, child: Incident, nowMs: number, doer: Doer): Promise<void> {
  const into = await found(transaction, id);
  const joined = decide(into, { type: "join", children: [child] }, nowMs, doer);
  if ("refused" in joined) throw refusal(joined.refused);
  transaction.append(into, joined);
}

async function found(transaction: Transaction, id: string): Promise<Incident> {
  const incident = await transaction.incident(id);
  if (incident === undefined)
    throw new AppError("not_found", `There is no incident ${id.slice(0, 100)}.`, { outcome: "not-applied" });
  return incident;
}

const refusal = (why: string): AppError => new AppError("conflict", why, { outcome: "not-applied" });
