import { giveStatus } from "./respond.ts";
import type { Teller } from "./tell.ts";

/** Checks fail, a rollback is asked for, the server is repaired, and checks pass. */
export async function repair(teller: Teller, id: string): Promise<void> {
  const { place, traffic, feed, until, hear, begin, tell } = teller;

  begin("first check");
  await hear("gate.checked", 15);
  await giveStatus(teller, id, "A check fails. If the next one does, we go back.");
  tell("a check fails");

  begin("second check");
  const { runbook } = await hear("rollback.requested", 20);
  tell(
    `two checks failed in a row: roll back by the runbook ${isNamed(runbook) ? runbook.name : "that nobody has written"}`,
  );

  begin("repair");
  place.deploy("2.0.1");
  await giveStatus(teller, id, "2.0.1 is out, which repairs it. We watch it.");
  await until("calls of 2.0.1", 5, () => traffic.last().version === "2.0.1");
  tell("orders 2.0.1 is deployed");

  begin("mitigated");
  await until("a check that passes", 30, () => feed().some(({ detail }) => detail.result === "pass"));
  await giveStatus(teller, id, "A check passes. One more, and it is mitigated.");
  tell("a check passes");
  await hear("incident.mitigated", 20);
  tell("two checks passed in a row: mitigated");
}

const isNamed = (value: unknown): value is { readonly name: string } =>
  typeof value === "object" && value !== null && "name" in value && typeof value.name === "string";
