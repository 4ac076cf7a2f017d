import { replay } from "@tooltrail/core/incidents/evolve";
import type { Alert, IncidentEvent } from "@tooltrail/core/incidents/incident";
import type { Notice } from "@tooltrail/core/incidents/ports";
import { defaultPolicy, type Playbook, type Runbook } from "@tooltrail/core/response/response";

export const openedAt = Date.UTC(2026, 1, 3, 12, 3, 4);

const playbook: Playbook = {
  kind: "Playbook",
  id: "refunds-fail",
  version: 2,
  title: "Refunds fail",
  trigger: [{ signals: ["availability"] }],
  hypothesis: "One refund of one euro fails, with the last release and without any other load.",
  immediateAction: {
    kind: "degrade",
    params: { tool: "refund", maxQueued: 500 },
    approval: "required",
    why: "Refunds that wait are worth more than refunds that fail half done.",
  },
  engineeringControl: "Refunds go through a queue with an idempotency key.",
  verificationTarget: [{ sli: "availability", op: ">=", value: 0.99, windowMinutes: 5, minCalls: 10 }],
  rollbackTrigger: { gate: "verification", consecutiveFails: 2 },
  communication: { owner: "on-call engineer of payments", etaMinutes: 60, cadenceMinutes: 20 },
  learning: { postmortem: "required", questions: ["Which test would have failed?"], testTemplates: ["contract"] },
};

const runbook: Runbook = {
  kind: "Runbook",
  name: "billing-2",
  server: "billing",
  versions: ">=2.0.0 <3",
  rollbackTo: "1.9.4",
  steps: ["Deploy billing 1.9.4 by the release job.", "Wait until no call names 2.x any more."],
  url: "https://wiki.example.com/billing?page=rollback&from=2",
};

const cause = { environment: "production", server: "billing", tool: "refund", signal: "availability" } as const;

const alert: Alert = {
  cause,
  state: "firing",
  severity: "page",
  source: "billing-availability",
  rule: "page-1h",
  startedAt: openedAt - 120_000,
  at: openedAt,
  text: "14.4 times as fast as the budget allows",
};

export const opened = {
  type: "incident.opened",
  at: openedAt,
  id: "inc_abcdefghijklmnopqrstuvwxyz",
  cause,
  severity: "page",
  title: "availability of billing/refund in production burns",
  playbook,
  policy: defaultPolicy,
  serverVersion: "2.0.1",
  runbook,
  startedAt: alert.startedAt,
} as const satisfies IncidentEvent;

export const alerted = {
  type: "incident.alerted",
  at: openedAt,
  alerts: [alert],
  raised: false,
} as const satisfies IncidentEvent;

export const requested = {
  type: "action.requested",
  at: openedAt,
  action: "act_1",
  kind: "degrade",
  params: playbook.immediateAction.params,
  approval: "required",
} as const satisfies IncidentEvent;

/**
 * What is told of `event`, of an incident that was opened, of which alerts came, and whose immediate action waits for approval.
 *
 * @param later what happened until it is told, besides. @param names in the place of those that are there.
 */
export function aNotice(
  event: IncidentEvent,
  later: readonly IncidentEvent[] = [],
  { title = opened.title, text = alert.text }: { readonly title?: string; readonly text?: string } = {},
): Notice {
  const begun = [{ ...opened, title }, { ...alerted, alerts: [{ ...alert, text }] }, requested];
  const events = [...begun, ...(begun.some(({ type }) => type === event.type) ? [] : [event]), ...later];
  const incident = replay(events);
  const episode = event.type === "incident.reopened" ? event.episode : 1;
  const upTo = events.findIndex(({ type }) => type === event.type) + 1;
  const { calls } = replay(events.slice(0, upTo));
  return { id: `${opened.id}/000001/000`, incident, episode, calls, event };
}
