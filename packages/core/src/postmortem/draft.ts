import type { Incident, IncidentEvent } from "../incidents/incident.ts";
import type { Evidence } from "./evidence.ts";
import type { ActionItem, Durations, Postmortem, Times } from "./postmortem.ts";
import { scopeText } from "./scope.ts";
import { fitting, maxDraftBytes } from "./size.ts";
import { isoOf, timelineLimits, timelineOf } from "./timeline.ts";

/**
 * The first revision of a postmortem: what is known, and where people have to say what is not. It has no cause in it.
 *
 * @param nowMs when it is drafted. Pure: the same for the same incident, events and evidence.
 */
export function draftPostmortem(
  incident: Incident,
  events: readonly IncidentEvent[],
  evidence: Evidence,
  nowMs: number,
): Postmortem {
  const { playbook } = incident;
  const times = timesOf(incident, events, evidence);
  const durations = durationsOf(times);
  const draft: Postmortem = {
    incident: incident.id,
    revision: 1,
    title: incident.title,
    status: "draft",
    severity: incident.severity,
    at: nowMs,
    authors: [],
    times,
    durations,
    impact: evidence.impact,
    playbook: { id: playbook.id, version: playbook.version },
    hypothesis: playbook.hypothesis,
    actions: incident.actions,
    timeline: timelineOf(incident.id, events),
    candidates: evidence.candidates,
    evidence: evidence.records,
    contractTests: evidence.contractTests,
    limits: [...timelineLimits(events), ...evidence.limits],
    questions: playbook.learning.questions,
    summary: summaryOf(incident, times, evidence),
    rootCause: "",
    trigger: "",
    resolution: "",
    detection: "",
    whatWentWell: "",
    whatWentWrong: "",
    whereWeGotLucky: "",
    lessons: "",
    drafted: ["summary"],
    actionItems: evidence.contractTests.map(
      ({ fileName }, i): ActionItem => ({
        id: `item_1_${i + 1}`,
        title: `Run ${fileName} in the server's own tests before each release`,
        type: "prevent",
      }),
    ),
  };
  return fitting(draft, maxDraftBytes);
}

/** The first acknowledgement, and the last mitigation and end: of an incident that was opened again, what happened in between was not the end of it. */
function timesOf({ openedAt }: Incident, events: readonly IncidentEvent[], { startedAt }: Evidence): Times {
  const first = (type: IncidentEvent["type"]) => events.find((event) => event.type === type)?.at;
  const last = (type: IncidentEvent["type"]) => events.findLast((event) => event.type === type)?.at;
  const [acknowledged, mitigated, resolved] = [
    first("incident.acknowledged"),
    last("incident.mitigated"),
    last("incident.resolved"),
  ];
  return {
    startedAt,
    detectedAt: openedAt,
    ...(acknowledged !== undefined && { acknowledgedAt: acknowledged }),
    ...(mitigated !== undefined && { mitigatedAt: mitigated }),
    ...(resolved !== undefined && { resolvedAt: resolved }),
  };
}

/** Clocks of emitters may be ahead of ours: nothing took less than no time. */
function durationsOf({ startedAt, detectedAt, acknowledgedAt, mitigatedAt, resolvedAt }: Times): Durations {
  const between = (from: number, to: number): number => Math.max(0, to - from);
  return {
    timeToDetectMs: between(startedAt, detectedAt),
    ...(acknowledgedAt !== undefined && { timeToAcknowledgeMs: between(detectedAt, acknowledgedAt) }),
    ...(mitigatedAt !== undefined && { timeToMitigateMs: between(startedAt, mitigatedAt) }),
    ...(resolvedAt !== undefined && { timeToResolveMs: between(startedAt, resolvedAt) }),
  };
}

function summaryOf({ cause, title }: Incident, times: Times, { impact }: Evidence): string {
  const { calls, principals, budget } = impact;
  const counted = cause.signal === "quality" || cause.signal === "silent_regression" ? "scores" : "calls";
  const until = times.resolvedAt === undefined ? "It is not over yet." : `It was over at ${isoOf(times.resolvedAt)}.`;
  const whom = `${principals.atLeast ? "at least " : ""}${principals.count} ${principals.count === 1 ? "principal" : "principals"}`;
  const spent =
    budget === undefined
      ? ""
      : ` Of the budget of ${budget.slo} ${percent(budget.spent)} was spent by then${budget.spentBefore === undefined ? "" : `, and ${percent(budget.spentBefore)} before it`}.`;
  return `${title}: from ${isoOf(times.startedAt)} on, ${calls.bad} of ${calls.total} ${counted} of ${scopeText(cause)} were bad (${cause.signal}), for ${whom}. ${until}${spent}`;
}

export const percent = (part: number): string => `${Number((part * 100).toFixed(1))} %`;
