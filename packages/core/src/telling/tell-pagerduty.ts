import type { Incident, IncidentEvent } from "../incidents/incident.ts";
import type { Attempt, Notice } from "../incidents/ports.ts";
import type { Destination } from "../response/response.ts";
import { done, type Errand, Failure, skipped } from "./attempt.ts";
import { cut, plainText, type Words, wordsOf } from "./words.ts";

const enqueue = "https://events.pagerduty.com/v2/enqueue";
const maxSummary = 1_024;

/**
 * PagerDuty's Events API v2 (https://developer.pagerduty.com/docs/events-api-v2/overview/). It takes a notice once: a trigger joins the incident that has its `dedup_key`. A new episode has a new key, since a trigger after a
 * resolve would make another incident under the old one; and so has each time that people are to be called anew, since a trigger for what is acknowledged calls nobody. An acknowledgement and an end are said of all keys of the episode.
 *
 * For the same reason an event that comes late (it was tried again while somebody resolved the incident) is skipped once its episode is over: nobody would ever resolve what it opens.
 */
export async function tellPagerDuty(
  errand: Errand,
  destination: Extract<Destination, { readonly type: "pagerduty" }>,
  notice: Notice,
): Promise<Attempt> {
  const action = actionOf(notice.event);
  const words = wordsOf(notice);
  if (action === undefined || words === undefined) return skipped;
  if (action !== "resolve" && isOver(notice)) return skipped;
  const { incident, episode, calls } = notice;
  const routing_key = await errand.secret(destination.routingKey);
  for (const call of action === "trigger" ? [calls] : Array.from({ length: calls + 1 }, (_, i) => i)) {
    const answer = await errand.send({
      method: "POST",
      url: destination.url ?? enqueue,
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        routing_key,
        event_action: action,
        dedup_key: `tooltrail/${incident.id}/${episode}${call === 0 ? "" : `/${call}`}`,
        ...(action === "trigger" && triggered(notice, words)),
      }),
    });
    // Whatever stands between may answer 200 by itself; PagerDuty says 202 once it has taken the event.
    if (answer.status !== 202) throw new Failure(`the answer was ${answer.status}, and not 202.`, true);
  }
  return done;
}

function actionOf(event: IncidentEvent): "trigger" | "acknowledge" | "resolve" | undefined {
  switch (event.type) {
    case "incident.opened":
    case "incident.reopened":
    case "incident.escalated":
    case "incident.status.overdue":
    case "incident.escalation.exhausted":
    case "incident.acknowledgement.expired":
    case "rollback.requested":
      return "trigger";
    case "incident.alerted":
      return event.raised || event.widened ? "trigger" : undefined;
    case "incident.mitigating":
      return event.why === "regressed" ? "trigger" : undefined;
    case "incident.acknowledged":
      return "acknowledge";
    case "incident.resolved":
    case "incident.cancelled":
    case "incident.merged":
      return "resolve";
    default:
      return undefined;
  }
}

const isOver = ({ incident, episode }: Notice): boolean =>
  incident.episode > episode || ["resolved", "closed", "cancelled", "merged"].includes(incident.status);

function triggered({ incident, event }: Notice, { title, severity, lines, links }: Words): object {
  const { environment, server, tool, signal } = incident.cause;
  return {
    client: "tooltrail",
    payload: {
      summary: cut(title, maxSummary),
      source: nameOf(server) || "tooltrail",
      severity: severity === "page" ? "critical" : "warning",
      timestamp: new Date(event.at).toISOString(),
      component: nameOf(tool) || nameOf(server),
      group: nameOf(environment),
      class: signal,
      custom_details: detailsOf(lines),
    },
    ...(links.length > 0 && { links: links.map(({ text, url }) => ({ href: url, text })) }),
  };
}

const nameOf = (name: Incident["cause"]["server"]): string => cut(plainText(name), 255);

/** Several lines with one label are one detail. */
function detailsOf(lines: Words["lines"]): { readonly [label: string]: string } {
  const byLabel = Map.groupBy(lines, ({ label }) => label);
  return Object.fromEntries([...byLabel].map(([label, some]) => [label, some.map(({ text }) => text).join("; ")]));
}
