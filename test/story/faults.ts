import type { IncidentEvent } from "@tooltrail/core/incidents/incident";
import type { Ending } from "./ending.ts";

/** What an incident of this story goes through, however often somebody is killed. */
export const expectedStatuses = ["open", "acknowledged", "mitigating", "mitigated", "resolved", "closed"];
export const expectedEvents: readonly IncidentEvent["type"][] = [
  "action.finished",
  "action.requested",
  "action.started",
  "gate.checked",
  "incident.acknowledged",
  "incident.alerted",
  "incident.closed",
  "incident.escalated",
  "incident.mitigated",
  "incident.mitigating",
  "incident.opened",
  "incident.resolved",
  "incident.status.published",
  "postmortem.created",
  "postmortem.updated",
  "rollback.requested",
  "ticket.linked",
];

/** In what an ending is not as it must be; nothing, where all is well. */
export function faultsOf({ incident, events, statuses, told, proven, ownActs }: Ending): string[] {
  const types = [...new Set(events.map(({ type }) => type))].sort();
  const times = (type: IncidentEvent["type"]): number => events.filter((event) => event.type === type).length;
  const results = events.flatMap((event) => (event.type === "gate.checked" ? [event.result] : []));
  const runbooks = events.flatMap((event) => (event.type === "rollback.requested" ? [event.runbook?.name] : []));
  const expected: readonly (readonly [what: string, isSo: boolean, found: unknown])[] = [
    ["its statuses", isSame(statuses, expectedStatuses), statuses],
    ["its events", isSame(types, expectedEvents), types],
    ["its playbook", incident.playbook.id === "server-failing", incident.playbook.id],
    ["one rollback by the runbook for 2.0.0", isSame(runbooks, ["orders-2-0-0"]), runbooks],
    [
      "two checks that fail, and two that pass",
      isSame([results.indexOf("fail") < results.lastIndexOf("pass"), results.slice(-2)], [true, ["pass", "pass"]]),
      results,
    ],
    ["each command once", commands.every((type) => times(type) === 1), events.map(({ type }) => type)],
    ["four statuses", times("incident.status.published") === 4, times("incident.status.published")],
    ["one resolved incident of the team's PagerDuty", isOnce(told.pager), told.pager],
    ["and of the managers'", isOnce(told.managers), told.managers],
    ["Slack's messages", isTold(told.chat), told.chat],
    ["each event once by its key", isEachOnce(told.timeline), [...told.timeline]],
    [
      "what the executor was asked",
      isSame([...told.executor.values()], ["action.started", "rollback.requested"]),
      [...told.executor],
    ],
    ["one issue", told.issues.length === 1, told.issues.map(({ title }) => title)],
    ["receipts", proven.receipts > 0, proven.receipts],
    ["what the pipeline did by itself on record, once", isSame(ownActs.onRecord, ownActs.done), ownActs],
    [
      "a contract test of place_order that fails on 2.0.0 and passes on 2.0.1",
      proven.contractTests.length > 0 && proven.contractTests.every(({ broken, fixed }) => broken !== 0 && fixed === 0),
      proven.contractTests,
    ],
  ];
  return expected.flatMap(([what, isSo, found]) =>
    isSo ? [] : [`Not as expected: ${what}. ${JSON.stringify(found)}`],
  );
}

const commands = [
  "incident.acknowledged",
  "action.started",
  "action.finished",
  "incident.resolved",
  "postmortem.updated",
  "incident.closed",
] as const;

const isSame = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

/** Under one key, of which there is one incident, in order; a trigger may have been sent again. */
function isOnce(pages: Ending["told"]["pager"]): boolean {
  const [page, ...others] = pages;
  if (page === undefined || others.length > 0 || page.state !== "resolved") return false;
  const steps = page.actions.filter((action, i) => action !== page.actions[i - 1]);
  // That it is to be rolled back joins what is acknowledged.
  return isSame(steps, ["trigger", "acknowledge", "trigger", "resolve"]);
}

/** At least once. */
const isTold = (messages: readonly string[]): boolean =>
  ["Opened", "Escalated to level 2", "Acknowledged", "Roll back to 1.4.0", "Mitigated", "Resolved", "Closed"].every(
    (words) => messages.some((message) => message.includes(`] ${words}`)),
  );

/** What a level that is told from the beginning hears of; it may hear of a ticket that becomes a page besides. */
const heard: readonly IncidentEvent["type"][] = [
  "action.finished",
  "action.requested",
  "incident.acknowledged",
  "incident.closed",
  "incident.mitigated",
  "incident.mitigating",
  "incident.opened",
  "incident.resolved",
  ...Array<IncidentEvent["type"]>(4).fill("incident.status.published"),
  "postmortem.created",
  "rollback.requested",
];

/** A key is one event's, and each event came. */
function isEachOnce(taken: ReadonlyMap<string, string>): boolean {
  const types = [...taken.values()].filter((type) => type !== "incident.alerted").sort();
  return isSame(types, heard);
}
