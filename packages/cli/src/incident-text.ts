import type { Incident, IncidentAnswer, IncidentEvent } from "@tooltrail/api/types";
import { scopeText } from "@tooltrail/core/postmortem/scope";
import { textOf } from "@tooltrail/core/postmortem/timeline";
import { plainText, timeText } from "@tooltrail/core/telling/words";
import { actText, approveText, commandsNow } from "./incident-next.ts";
import { fromNow } from "./incident-time.ts";
import { plain } from "./table.ts";

const labelWidth = 12;
const lineWidth = 100;
const maxCauses = 5;
/** Of a timeline, what stands before its text. */
const timeWidth = 22;
const fewEvents = 15;

/** A label, and what stands beside it: each text a line or more. A command is one line, to be copied. */
interface Row {
  readonly label: string;
  readonly texts: readonly (string | { readonly command: string })[];
}

interface Shown extends IncidentAnswer {
  readonly events: readonly IncidentEvent[];
}

/** One incident for a terminal: how it stands, what to do about it, what is due, what happened, what is possible. All times in UTC. */
export function incidentText(shown: Shown, nowMs: number, allEvents: boolean): string {
  const { incident } = shown;
  const { id, title, status, severity, startedAt, openedAt, episode } = incident;
  const rows: readonly (Row | undefined)[] = [
    row(
      "what",
      `${incident.cause.signal.replaceAll("_", " ")} of ${scopeText(incident.cause)}${versionText(incident)}`,
    ),
    { label: "alerts", texts: alertsTexts(incident) },
    row("playbook", `${incident.playbook.id}, version ${incident.playbook.version}: ${incident.playbook.title}`),
    row("hypothesis", incident.playbook.hypothesis),
    { label: "do now", texts: actionTexts(shown) },
    row("control", incident.playbook.engineeringControl),
    { label: "verify", texts: [...targetTexts(incident), ...checkTexts(shown.events)] },
    { label: "roll back", texts: rollbackTexts(incident, nowMs) },
    escalationRow(incident),
    acknowledgedRow(shown, nowMs),
    { label: "due next", texts: dueTexts(incident, nowMs) },
    statusRow(shown, nowMs),
    { label: "parent", texts: incident.parent === undefined ? [] : [incident.parent] },
    { label: "children", texts: incident.children },
    { label: "tickets", texts: incident.tickets.map(({ destination, url }) => `${destination}: ${url}`) },
    postmortemRow(incident),
  ];
  return [
    plainText(`${id}: ${title}`),
    plain(
      `${status}, ${severity}${episode > 1 ? `, episode ${episode}` : ""}, since ${timeText(startedAt)} (${fromNow(startedAt, nowMs)}), opened ${timeText(openedAt)}`,
    ),
    "",
    ...rows.flatMap((one) => (one === undefined ? [] : linesOf(one))),
    "",
    ...timelineLines(shown, allEvents),
    "",
    ...possibleLines(shown),
  ]
    .map((line) => `${line.trimEnd()}\n`)
    .join("");
}

const row = (label: string, text: string): Row => ({ label, texts: [text] });

function linesOf({ label, texts }: Row): string[] {
  const indent = " ".repeat(labelWidth);
  const lines = texts.flatMap((text) =>
    typeof text === "string" ? wrapped(plainText(text), lineWidth - labelWidth) : [plainText(text.command)],
  );
  return lines.map((line, i) => `${i === 0 ? label.padEnd(labelWidth) : indent}${line}`);
}

/** Broken at spaces alone; what has none is as long as it is. */
export function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}

const versionText = ({ serverVersion }: Incident): string =>
  serverVersion === undefined ? "" : `, version ${serverVersion}`;

/** What burns, and how much, as the alerts said it. */
function alertsTexts({ alerts, alertCount }: Incident): string[] {
  const firing = Object.values(alerts).filter((one) => Object.keys(one.firing).length > 0);
  if (firing.length === 0) return [`none fires any more; there were ${alertCount}`];
  const lines = firing
    .slice(0, maxCauses)
    .map(
      ({ cause, severity, firing: since, text }) =>
        `${cause.signal.replaceAll("_", " ")} of ${scopeText(cause)} (${severity}) since ${timeText(Math.min(...Object.values(since)))}: ${text}`,
    );
  const more = firing.length - lines.length;
  return more > 0 ? [...lines, `and ${more} more`] : lines;
}

const nameOf = ({ names }: Pick<IncidentAnswer, "names">, ref: string | undefined): string =>
  ref === undefined || ref === "" ? "the pipeline" : Object.hasOwn(names, ref) ? (names[ref] ?? ref) : ref;

function statusRow(shown: Shown, nowMs: number): Row {
  const { lastStatus, openedAt, playbook } = shown.incident;
  if (lastStatus === undefined) {
    const { owner, etaMinutes, cadenceMinutes } = playbook.communication;
    const eta = openedAt + etaMinutes * 60_000;
    return row(
      "status",
      `nobody has given one. By the playbook: ${owner}, over by ${timeText(eta)} (${fromNow(eta, nowMs)}), a status every ${cadenceMinutes} min`,
    );
  }
  const { text, owner, etaAt, at } = lastStatus;
  const texts = [
    `${owner}, over by ${timeText(etaAt)} (${fromNow(etaAt, nowMs)})`,
    `${text} (${nameOf(shown, lastStatus.by)}, ${fromNow(at, nowMs)})`,
  ];
  return { label: "status", texts };
}

function acknowledgedRow(shown: Shown, nowMs: number): Row | undefined {
  const { acknowledgedAt, acknowledgedBy } = shown.incident;
  if (acknowledgedAt === undefined) return undefined;
  return row(
    "acked",
    `by ${nameOf(shown, acknowledgedBy)}, first at ${timeText(acknowledgedAt)} (${fromNow(acknowledgedAt, nowMs)})`,
  );
}

/** What happens by itself, the next first. */
function dueTexts(incident: Incident, nowMs: number): string[] {
  const { timers } = incident;
  const due = [
    [timers.escalation, nextLevelText(incident)],
    [timers.acknowledgement, "it is open again, unless somebody goes on with it or gives a status"],
    [timers.status, "a status is due"],
    [timers.check, "a check"],
  ] as const;
  const texts = due
    .flatMap(([at, what]) => (at === undefined ? [] : [{ at, what }]))
    .sort((a, b) => a.at - b.at)
    .map(({ at, what }) => `${timeText(at)} (${at > nowMs ? fromNow(at, nowMs) : "now"}): ${what}`);
  return texts.length === 0 ? ["nothing happens by itself"] : texts;
}

function nextLevelText({ escalation: { level, round }, policy: { levels, rounds } }: Incident): string {
  const [next, nextRound] = level < levels.length ? [level + 1, round] : [1, round + 1];
  if (nextRound > rounds) return "nobody is left to be told, unless somebody acknowledges";
  const targets = levels[next - 1]?.targets ?? [];
  const whom = targets.length === 0 ? "" : ` (${targets.join(", ")})`;
  return `level ${next}${whom} is told, in round ${nextRound}, unless somebody acknowledges`;
}

function escalationRow({ escalation: { level, round, overdue }, policy: { levels, rounds }, told }: Incident): Row {
  const late = overdue === 0 ? "" : `; ${overdue} status overdue`;
  return row(
    "escalation",
    `level ${level} of ${levels.length}, round ${round} of ${rounds}${late}; told: ${told.length === 0 ? "nobody" : told.join(", ")}`,
  );
}

/** What the playbook would do at once, and what became of it and of all other actions. */
function actionTexts(shown: Shown): Row["texts"] {
  const { id, playbook, actions } = shown.incident;
  const { kind, why } = playbook.immediateAction;
  const listed = actions.flatMap(({ id: action, kind, params, state, by, approvedBy, detail }) => {
    const approved = approvedBy === undefined ? "" : `, approved by ${nameOf(shown, approvedBy)}`;
    const came = detail === undefined ? "" : `: ${detail}`;
    const text = `${action} ${kind}${paramsText(params)}: ${state === "requested" ? "waits for approval" : state}, asked for by ${nameOf(shown, by)}${approved}${came}`;
    return state === "requested" ? [text, { command: approveText(id, action) }] : [text];
  });
  const isAsked = actions.some((action) => action.kind === kind);
  const ask = { command: `npx tooltrail incident act ${id} ${actText(shown.incident)}` };
  return [`${kind}: ${why}`, ...(isAsked ? [] : [ask]), ...listed];
}

/** ` (calls 16)`, or nothing. */
function paramsText(params: Incident["actions"][number]["params"]): string {
  const pairs = Object.entries(params).map(([name, value]) => `${name} ${value}`);
  return pairs.length === 0 ? "" : ` (${pairs.join(", ")})`;
}

const targetTexts = ({ playbook }: Incident): string[] =>
  playbook.verificationTarget.map(({ sli, op, value, thresholdMs, thresholdPermille, windowMinutes, minCalls }) => {
    const within = thresholdMs === undefined ? "" : ` within ${thresholdMs} ms`;
    const from = thresholdPermille === undefined ? "" : ` from ${thresholdPermille / 1_000}`;
    return `${sli}${within}${from} ${op} ${value} over ${windowMinutes} min of ${minCalls} calls or more`;
  });

function checkTexts(events: readonly IncidentEvent[]): string[] {
  const last = events.findLast((event) => event.type === "gate.checked");
  if (last === undefined) return ["not checked yet"];
  const measured = last.measured.map(
    ({ sli, measured: value, calls }) => `${sli} ${value === undefined ? "not measured" : value} of ${calls} calls`,
  );
  const count = last.consecutive > 1 ? `, ${last.consecutive} in a row` : "";
  return [`last check ${timeText(last.from)} to ${timeText(last.to)}: ${last.result}${count}; ${measured.join("; ")}`];
}

function rollbackTexts({ runbook, serverVersion, rollbackRequestedAt, playbook }: Incident, nowMs: number): string[] {
  const asked =
    rollbackRequestedAt === undefined
      ? `not asked for; ${playbook.rollbackTrigger.consecutiveFails} failed checks in a row do`
      : `ASKED FOR at ${timeText(rollbackRequestedAt)} (${fromNow(rollbackRequestedAt, nowMs)})`;
  if (runbook === undefined)
    return [
      asked,
      `there is no runbook for ${serverVersion === undefined ? "this server" : `version ${serverVersion}`}`,
    ];
  const { name, versions, rollbackTo, steps, url, owner } = runbook;
  const back = rollbackTo === undefined ? "" : `, back to ${rollbackTo}`;
  const whose = owner === undefined ? "" : `, of ${owner}`;
  return [
    asked,
    `runbook ${name} for ${versions}${back}${whose}`,
    ...steps.map((step, i) => `${i + 1}. ${step}`),
    ...(url === undefined ? [] : [url]),
  ];
}

function postmortemRow({ postmortem }: Incident): Row | undefined {
  if (postmortem === undefined) return undefined;
  return row("postmortem", `revision ${postmortem.revision}, ${postmortem.isComplete ? "complete" : "a draft"}`);
}

/** All of it, or the last of what changed something: while it burns, alerts say so again and again. */
function timelineLines(shown: Shown, all: boolean): string[] {
  const { events } = shown;
  const some = all ? events : changesOf(events).slice(-fewEvents);
  const lines = some.flatMap((event) => {
    const by = event.by === undefined ? "" : ` (${nameOf(shown, event.by)})`;
    const [first = "", ...rest] = wrapped(plainText(`${textOf(event)}${by}`), lineWidth - timeWidth);
    const time = new Date(event.at).toISOString().slice(0, 19).replace("T", " ");
    return [`  ${time} ${first}`, ...rest.map((line) => `${" ".repeat(timeWidth)}${line}`)];
  });
  const head = some.length === events.length ? "" : `, ${some.length} of ${events.length}, the others with --events`;
  return [`Timeline (UTC)${head}:`, ...lines];
}

/** Without alerts that say what was known already. */
export function changesOf(events: readonly IncidentEvent[]): IncidentEvent[] {
  const states = new Map<string, string>();
  return events.filter((event) => {
    if (event.type !== "incident.alerted") return true;
    const news = event.alerts.filter(({ cause, source, rule, state }) => {
      const key = JSON.stringify([cause, source, rule]);
      const isNew = states.get(key) !== state;
      states.set(key, state);
      return isNew;
    });
    return news.length > 0 || event.raised;
  });
}

function possibleLines(shown: Shown): string[] {
  const commands = commandsNow(shown);
  return commands.length === 0
    ? ["Possible now: nothing."]
    : ["Possible now:", ...commands.map((command) => `  ${plainText(command)}`)];
}
