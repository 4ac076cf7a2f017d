import type { Action, AlertsOf, Cause, Incident, IncidentEvent } from "../incidents/incident.ts";
import type { Notice } from "../incidents/ports.ts";
import type { ActionParams, Severity } from "../response/response.ts";

/*
 * What is said of an event to people, the same by all ways. Names come from servers and clients: all of it is one line without control characters, and whoever writes it into a markup escapes it
 * there. Times are in UTC.
 */

export interface Words {
  /** `[page] Opened: availability of payments/charge burns` */
  readonly title: string;
  readonly severity: Severity;
  readonly lines: readonly Line[];
  readonly links: readonly Link[];
}
/** `isCommand`: to be copied into a terminal as it is. */
export interface Line {
  readonly label: string;
  readonly text: string;
  readonly isCommand?: true;
}
/** To http or https alone. */
export interface Link {
  readonly text: string;
  readonly url: string;
}

const maxTitle = 300;
/** Of one line. */
const maxText = 1_000;
const maxCauses = 5;
const maxWaiting = 3;
const maxSteps = 10;
const maxLinks = 5;
/** Longer addresses are none that anybody clicks. */
const maxUrl = 1_000;

/** @returns undefined where an event is nothing to tell people: what an incident goes through in between. */
export function wordsOf({ incident, event, who }: Notice): Words | undefined {
  const what = happened(event, who);
  if (what === undefined) return undefined;
  const lines: (Line | undefined)[] = [
    { label: "Incident", text: `${incident.id}${incident.episode > 1 ? `, episode ${incident.episode}` : ""}` },
    { label: "Status", text: `${incident.status}, ${incident.severity}, since ${timeText(incident.openedAt)}` },
    ...burning(incident),
    { label: "Playbook", text: `${incident.playbook.title} (${incident.playbook.id})` },
    { label: "Hypothesis", text: incident.playbook.hypothesis },
    immediateAction(incident),
    ...approvals(incident),
    { label: "Owner", text: ownerText(incident) },
    ...rollback(incident, event),
    next(incident),
  ];
  return {
    title: cut(plainText(`[${incident.severity}] ${what}: ${incident.title}`), maxTitle),
    severity: incident.severity,
    lines: lines
      .filter((line) => line !== undefined)
      .map((line) => ({ ...line, text: cut(plainText(line.text), maxText) })),
    links: linksOf(incident),
  };
}

/** `2026-02-03 12:03:04 UTC` */
export const timeText = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19).replace("T", " ")} UTC`;

/** One line, and nothing in it that steers a terminal, a mail's head or the direction of writing. */
export const plainText = (text: string): string => text.replace(/\s+/gu, " ").replace(/\p{C}/gu, "?").trim();

/** At most so many UTF-16 units, and no half of a character. */
export const cut = (text: string, max: number): string =>
  text.length <= max ? text : `${text.slice(0, max - 1).replace(/[\uD800-\uDBFF]$/, "")}…`;

/** As text without any markup. */
export const asText = ({ title, lines, links }: Words): string =>
  [
    title,
    "",
    ...lines.map(({ label, text }) => `${label}: ${text}`),
    ...links.map(({ text, url }) => `${text}: ${url}`),
    "",
  ].join("\n");

function happened(event: IncidentEvent, who = event.by): string | undefined {
  const by = who === undefined ? "" : ` by ${cut(plainText(who), 100)}`;
  switch (event.type) {
    case "incident.opened":
      return "Opened";
    case "incident.alerted":
      if (event.raised) return "Has become a page";
      return event.widened ? "Has become wider" : undefined;
    case "incident.acknowledged":
      return `Acknowledged${by}`;
    case "incident.acknowledgement.expired":
      return "Open again, since nobody went on with it";
    case "incident.escalated":
      return `Escalated to level ${event.level} in round ${event.round}, ${escalatedWhy[event.why]}`;
    case "incident.escalation.exhausted":
      return `Nobody came in ${event.rounds} rounds`;
    case "incident.mitigating":
      return event.why === "regressed" ? "Fails again after it was mitigated" : `Being mitigated${by}`;
    case "incident.mitigated":
      return "Mitigated";
    case "incident.status.published":
      return `Status, ${cut(plainText(event.text), maxTitle / 2)}`;
    case "incident.status.overdue":
      return `No status, due since ${timeText(event.dueAt)}`;
    case "incident.noted":
      return `Note, ${cut(plainText(event.text), maxTitle / 2)}`;
    case "incident.reopened":
      return `Reopened, episode ${event.episode}`;
    case "incident.resolved":
      return `Resolved${by}`;
    case "incident.closed":
      return `Closed${by}`;
    case "incident.merged":
      return `Merged into ${event.into}`;
    case "incident.cancelled":
      return `Cancelled${by}, ${cut(plainText(event.reason), maxTitle / 2)}`;
    case "gate.checked":
      return `Check ${checked[event.result]}, ${event.consecutive} in a row`;
    case "rollback.requested":
      return `Roll back${event.runbook?.rollbackTo === undefined ? "" : ` to ${event.runbook.rollbackTo}`}`;
    case "action.requested":
      // What needs no approval is started at once, and that is told.
      return event.approval === "required" ? `Action waits for approval, ${event.kind}` : undefined;
    case "action.rejected":
      return `Action ${event.action} rejected${by}, ${cut(plainText(event.reason), maxTitle / 2)}`;
    case "action.started":
      return `Action ${event.action} started${by}`;
    case "action.finished":
      return `Action ${event.action} ${event.isDone ? "done" : "failed"}, ${cut(plainText(event.detail), maxTitle / 2)}`;
    case "action.undo.started":
      return `Action ${event.action} is taken back${by}`;
    case "action.undo.finished":
      return `Action ${event.action} ${event.isDone ? "taken back" : "could not be taken back"}, ${cut(plainText(event.detail), maxTitle / 2)}`;
    case "postmortem.created":
      return "Postmortem drafted";
    case "postmortem.updated":
      return event.isComplete ? "Postmortem complete" : undefined;
    case "incident.joined":
    case "ticket.linked":
      return undefined;
  }
}

const escalatedWhy = {
  unacknowledged: "nobody has acknowledged it",
  status_overdue: "a status is overdue",
  checks_inconclusive: "checks tell nothing and a person has to look",
} as const;
const checked = { pass: "passed", fail: "failed", inconclusive: "tells nothing" } as const;

function burning({ alerts, serverVersion }: Incident): Line[] {
  const firing = Object.values(alerts).filter((one) => Object.keys(one.firing).length > 0);
  const lines = firing.slice(0, maxCauses).map((one) => ({ label: "Burns", text: burnText(one) }));
  const more = firing.length - lines.length;
  return [
    ...(lines.length === 0 ? [{ label: "Burns", text: "nothing any more" }] : lines),
    ...(more > 0 ? [{ label: "Burns", text: `and ${more} more` }] : []),
    ...(serverVersion === undefined ? [] : [{ label: "Version", text: serverVersion }]),
  ];
}

const burnText = ({ cause, severity, firing, text }: AlertsOf): string =>
  `${causeText(cause)} (${severity}) since ${timeText(Math.min(...Object.values(firing)))}: ${text}`;

/** `availability of payments/charge in production` */
function causeText({ environment, server, tool, signal }: Cause): string {
  const whose = server === "*" ? "all servers" : tool === "" || tool === "*" ? server : `${server}/${tool}`;
  const where = environment === "" ? "" : environment === "*" ? " in all environments" : ` in ${environment}`;
  return `${signal.replaceAll("_", " ")} of ${whose}${where}`;
}

function immediateAction({ playbook, actions }: Incident): Line {
  const { kind, params, approval, why } = playbook.immediateAction;
  const asked = actions.findLast((one) => one.kind === kind);
  const state = asked === undefined ? (approval === "required" ? "needs approval" : "needs no approval") : asked.state;
  return { label: "Immediate action", text: `${kind}${paramsText(params)}, ${state}. ${why}` };
}

const paramsText = (params: ActionParams): string => {
  const pairs = Object.entries(params).map(([name, value]) => `${name} ${value}`);
  return pairs.length === 0 ? "" : ` (${pairs.join(", ")})`;
};

const waits = ({ state, approval }: Action): boolean => state === "requested" && approval === "required";

function approvals({ id, actions }: Incident): Line[] {
  return actions
    .filter(waits)
    .slice(-maxWaiting)
    .map((action) => ({
      label: `To approve ${action.kind}`,
      text: `npx tooltrail incident approve ${id} ${action.id}`,
      isCommand: true,
    }));
}

function ownerText({ lastStatus, openedAt, playbook: { communication } }: Incident): string {
  if (lastStatus !== undefined) return `${lastStatus.owner}, to be over at ${timeText(lastStatus.etaAt)}`;
  const eta = timeText(openedAt + communication.etaMinutes * 60_000);
  return `${communication.owner}, to be over at ${eta} by the playbook; a status is due every ${communication.cadenceMinutes} min`;
}

/** Its steps, when it is time for them. */
function rollback({ runbook }: Incident, { type }: IncidentEvent): Line[] {
  if (runbook === undefined)
    return type === "rollback.requested" ? [{ label: "Runbook", text: "none for this version" }] : [];
  const { name, versions, rollbackTo, steps } = runbook;
  const back = rollbackTo === undefined ? "" : ` back to ${rollbackTo}`;
  return [
    { label: "Runbook", text: `${name} (versions ${versions})${back}` },
    ...(type === "rollback.requested" ? stepLines(steps) : []),
  ];
}

function stepLines(steps: readonly string[]): Line[] {
  const lines = steps.slice(0, maxSteps).map((text, i) => ({ label: `Step ${i + 1}`, text }));
  const more = steps.length - lines.length;
  return more > 0 ? [...lines, { label: "Steps", text: `and ${more} more, in the runbook` }] : lines;
}

const commands = {
  open: "incident ack",
  acknowledged: "incident mitigate",
  mitigating: "incident status",
  mitigated: "incident resolve",
  resolved: "postmortem show",
  closed: undefined,
  cancelled: undefined,
  merged: undefined,
} as const satisfies { readonly [status in Incident["status"]]: string | undefined };

function next({ id, status }: Incident): Line | undefined {
  const command = commands[status];
  return command && { label: "Next", text: `npx tooltrail ${command} ${id}`, isCommand: true };
}

function linksOf({ runbook, tickets }: Incident): Link[] {
  const links = [
    ...(runbook?.url === undefined ? [] : [{ text: "Runbook", url: runbook.url }]),
    ...tickets.map(({ id, url }) => ({ text: `Ticket ${cut(plainText(id), 100)}`, url })),
  ];
  return links
    .flatMap(({ text, url }) => {
      const parsed = URL.canParse(url) ? new URL(url) : undefined;
      const isPage = parsed !== undefined && /^https?:$/.test(parsed.protocol) && parsed.href.length <= maxUrl;
      return isPage ? [{ text, url: parsed.href }] : [];
    })
    .slice(0, maxLinks);
}
