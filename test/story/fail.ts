import { join } from "node:path";
import { askForKey } from "./prove.ts";
import type { Teller } from "./tell.ts";

/** A server is well until a release, and nobody comes. @returns the incident, and the log's public key. */
export async function fail(teller: Teller): Promise<{ readonly id: string; readonly vkey: string }> {
  const { place, listeners, person, traffic, feed, until, hear, pass, begin, tell } = teller;

  begin("before");
  await person.run("playbook", "lint", join(place.data, "response"));
  // In the story a second of this machine is a minute: what the pipeline promises of itself is not what it is about.
  await person.run("slo", "maintenance", "add", "--server", "tooltrail", "--for", "4h", "--reason", "a fast clock");
  await until("calls of 1.4.0", 5, () => traffic.last().version === "1.4.0");
  tell("orders 1.4.0 is deployed, and somebody uses it");
  const vkey = await until("the log's key", 5, () => askForKey(teller));
  await pass(6);
  tell(`orders 1.4.0 has answered ${traffic.last().asked} calls, ${traffic.last().failed} of them badly`);

  begin("release");
  place.deploy("2.0.0");
  tell("orders 2.0.0 is deployed");
  const { incident, title, playbook } = await hear("incident.opened", 20);
  const id = String(incident);
  await until("a page", 20, () => feed().some(({ detail }) => detail.incident === id && detail.severity === "page"));
  tell(`${id} is open: ${title}, playbook ${playbook}`);

  begin("told");
  await until("PagerDuty and Slack are told", 5, () => {
    return listeners.pager.incidents().length > 0 && listeners.chat.messages().length > 0;
  });
  tell("PagerDuty and Slack are told; nobody comes");

  begin("escalation");
  await until("the second level is told", 15, () => listeners.manager.incidents().length > 0);
  tell("escalated to level 2: the managers' PagerDuty is told");
  return { id, vkey };
}
