import type { IncidentAnswer, IncidentsPage } from "@tooltrail/api/types";
import type { Person } from "./person.ts";
import type { Stage } from "./stage.ts";
import type { Teller } from "./tell.ts";

/** Somebody comes, says so, and does what the playbook asks for. */
export async function respond(teller: Teller, id: string): Promise<void> {
  const { listeners, person, until, begin, tell } = teller;

  begin("acknowledge");
  await mustBeOne(person, "--live");
  await person.order("incident", "ack", id);
  tell("acknowledged");

  begin("status");
  await giveStatus(teller, id, "Orders cannot be placed since 2.0.0. We are at it.");
  tell("status: Ada's, over in 45 min");

  begin("approve");
  const { incident } = await person.json<IncidentAnswer>("incident", "show", id);
  const [action] = incident.actions;
  if (action === undefined) throw new Error("The playbook asks for no action.");
  await person.order("incident", "approve", id, action.id);
  await until("the executor is asked", 5, () =>
    listeners.executor.deliveries().some(({ type }) => type === "action.started"),
  );
  await person.order("incident", "finish", id, action.id, "--detail", "the breaker is open");
  tell(`${action.kind} approved, and carried out: it is being mitigated`);
}

/** A status, with its owner and when it will be over. */
export const giveStatus = (
  { clock, person }: Pick<Stage, "clock" | "person">,
  id: string,
  text: string,
): Promise<string> => person.order("incident", "status", id, "--owner", "Ada", "--eta", clock.isoIn(45), text);

/** One cause is one incident, whatever fires. */
export async function mustBeOne(person: Person, ...which: readonly string[]): Promise<void> {
  const { incidents } = await person.json<IncidentsPage>("incident", "list", ...which);
  if (incidents.length !== 1) throw new Error(`${incidents.length} incidents, not one: ${JSON.stringify(incidents)}`);
}
