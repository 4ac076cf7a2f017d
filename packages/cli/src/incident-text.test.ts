import type { Incident, IncidentAnswer, IncidentEvent, IncidentSummary } from "@tooltrail/api/types";
import { defaultPolicy } from "@tooltrail/core/response/response";
import { describe, expect, test } from "vitest";
import { incidentTable } from "./incident-list.ts";
import { commandsNow, possibleNow } from "./incident-next.ts";
import { sentenceOf } from "./incident-send.ts";
import { changesOf, incidentText, wrapped } from "./incident-text.ts";

const now = Date.parse("2026-01-31T12:30:00Z");
const minute = 60_000;
const id = "inc_019c0fb1c2d3abcdefghij2345";
const ann = `p_${"a".repeat(26)}`;
const cause = { environment: "production", server: "billing", tool: "refund", signal: "availability" } as const;

const incident: Incident = {
  id,
  version: 7,
  status: "mitigating",
  severity: "page",
  title: "availability of refund\u001b[2J",
  cause,
  episode: 2,
  playbook: {
    kind: "Playbook",
    id: "server-failing",
    version: 3,
    title: "Calls fail",
    trigger: [],
    hypothesis: `It is ${"the disk and ".repeat(10)}nothing else.`,
    immediateAction: {
      kind: "degrade",
      params: { keep: "core paths", minutes: 15, note: "it's" },
      approval: "required",
      why: "Most goes on.",
    },
    engineeringControl: "A quota.",
    verificationTarget: [
      { sli: "latency", op: ">=", value: 0.95, thresholdMs: 200, windowMinutes: 5, minCalls: 10 },
      { sli: "burn", op: "<", value: 6, windowMinutes: 5, minCalls: 10 },
    ],
    rollbackTrigger: { gate: "verification", consecutiveFails: 2 },
    communication: { owner: "on-call", etaMinutes: 60, cadenceMinutes: 20 },
    learning: { postmortem: "required", questions: [], testTemplates: [] },
  },
  policy: {
    ...defaultPolicy,
    levels: [
      { targets: ["pager"], waitMinutes: 5 },
      { targets: ["lead"], waitMinutes: 15 },
    ],
  },
  serverVersion: "2.1.0",
  runbook: {
    kind: "Runbook",
    name: "billing-back",
    server: "billing",
    versions: ">=2.1.0",
    rollbackTo: "2.0.3",
    steps: ["Hold traffic.\u0007", "Deploy 2.0.3."],
    url: "https://wiki.example/billing",
  },
  children: ["inc_019c0fb1c2d3zzzzzzzzzzzzzz"],
  alerts: {
    a: {
      cause,
      severity: "page",
      count: 3,
      firstAt: now - 27 * minute,
      lastAt: now,
      firing: { "billing/page-1h": now - 27 * minute },
      heard: {},
      source: "billing",
      text: "billing burns its budget 20 times as fast as it may.",
    },
  },
  alertCount: 3,
  startedAt: now - 27 * minute,
  openedAt: now - 26 * minute,
  at: now - 26 * minute,
  calls: 0,
  acknowledgedAt: now - 20 * minute,
  acknowledgedBy: ann,
  escalation: { level: 1, round: 1, overdue: 1 },
  told: ["pager"],
  timers: { status: now + 4 * minute, check: now - 1 },
  checks: { passes: 0, fails: 2, inconclusive: 0, from: now },
  rollbackRequestedAt: now - minute,
  actions: [
    {
      id: "a1",
      kind: "degrade",
      params: { minutes: 15 },
      approval: "required",
      state: "requested",
      by: "",
      requestedAt: now - 26 * minute,
    },
  ],
  tickets: [{ destination: "jira", id: "OPS-1", url: "https://jira.example/OPS-1", revision: 1 }],
};
const events: IncidentEvent[] = [
  { type: "incident.acknowledged", at: now - 20 * minute, untilAt: now, by: ann },
  {
    type: "gate.checked",
    at: now - minute,
    result: "fail",
    from: now - 8 * minute,
    to: now - 3 * minute,
    measured: [{ ...incident.playbook.verificationTarget[0], measured: 0.8, calls: 210 } as never],
    consecutive: 2,
  },
];
const answer: IncidentAnswer = {
  incident,
  allowed: ["status", "note", "act", "approve", "reject", "finish", "undo"],
  names: { [ann]: "ann@example.com" },
};

test("one screen", () =>
  expect(incidentText({ ...answer, events }, now, false)).toBe(`${id}: availability of refund?[2J
mitigating, page, episode 2, since 2026-01-31 12:03:00 UTC (27 min ago), opened 2026-01-31 12:04:00 UTC

what        availability of refund of billing in production, version 2.1.0
alerts      availability of refund of billing in production (page) since 2026-01-31 12:03:00 UTC:
            billing burns its budget 20 times as fast as it may.
playbook    server-failing, version 3: Calls fail
hypothesis  It is the disk and the disk and the disk and the disk and the disk and the disk and the
            disk and the disk and the disk and the disk and nothing else.
do now      degrade: Most goes on.
            a1 degrade (minutes 15): waits for approval, asked for by the pipeline
            npx tooltrail incident approve ${id} a1
control     A quota.
verify      latency within 200 ms >= 0.95 over 5 min of 10 calls or more
            burn < 6 over 5 min of 10 calls or more
            last check 2026-01-31 12:22:00 UTC to 2026-01-31 12:27:00 UTC: fail, 2 in a row; latency
            0.8 of 210 calls
roll back   ASKED FOR at 2026-01-31 12:29:00 UTC (1 min ago)
            runbook billing-back for >=2.1.0, back to 2.0.3
            1. Hold traffic.?
            2. Deploy 2.0.3.
            https://wiki.example/billing
escalation  level 1 of 2, round 1 of 5; 1 status overdue; told: pager
acked       by ann@example.com, first at 2026-01-31 12:10:00 UTC (20 min ago)
due next    2026-01-31 12:29:59 UTC (now): a check
            2026-01-31 12:34:00 UTC (in 4 min): a status is due
status      nobody has given one. By the playbook: on-call, over by 2026-01-31 13:04:00 UTC (in 34
            min), a status every 20 min
children    inc_019c0fb1c2d3zzzzzzzzzzzzzz
tickets     jira: https://jira.example/OPS-1

Timeline (UTC):
  2026-01-31 12:10:00 Acknowledged. (ann@example.com)
  2026-01-31 12:29:00 Check from 2026-01-31T12:22:00.000Z to 2026-01-31T12:27:00.000Z: fail, 2 in a
                      row. latency 0.8, wanted >= 0.95, of 210 calls

Possible now:
  npx tooltrail incident status ${id} --owner <NAME> --eta 45m <TEXT>
  npx tooltrail incident note ${id} <TEXT>
  npx tooltrail incident act ${id} <KIND>
  npx tooltrail incident approve ${id} a1
  npx tooltrail incident reject ${id} a1 --reason <TEXT>
`));

test("without a runbook, an action, or anything that is due", () => {
  const { runbook: _, rollbackRequestedAt: __, acknowledgedAt: ___, ...rest } = incident;
  const lastStatus = { at: now - minute, by: ann, text: "Full disk", owner: "Bob", etaAt: now + 90 * minute };
  const quiet: Incident = { ...rest, lastStatus, actions: [], timers: {}, alerts: {}, children: [], tickets: [] };
  const text = incidentText({ ...answer, incident: quiet, events: [] }, now, false);
  expect(text).toContain(
    `            npx tooltrail incident act ${id} degrade --param 'keep=core paths' --param minutes=15 --param 'note=it'\\''s'\n`,
  );
  expect(text).toContain("alerts      none fires any more; there were 3\n");
  expect(text).toContain("            not checked yet\n");
  expect(text).toContain(
    "roll back   not asked for; 2 failed checks in a row do\n            there is no runbook for version 2.1.0\n",
  );
  expect(text).toContain("due next    nothing happens by itself\n");
  expect(text).toContain(
    "status      Bob, over by 2026-01-31 14:00:00 UTC (in 1 h 30 min)\n            Full disk (ann@example.com, 1 min ago)\n",
  );
});

describe("what comes next of an open one", () => {
  test.each([
    [1, 1, "level 2 (lead) is told, in round 1, unless somebody acknowledges"],
    [2, 1, "level 1 (pager) is told, in round 2, unless somebody acknowledges"],
    [2, 5, "nobody is left to be told, unless somebody acknowledges"],
  ])("at level %d in round %d", (level, round, text) => {
    const escalation = { level, round, overdue: 0 };
    const open = { ...incident, escalation, timers: { escalation: now + minute } };
    const shown = incidentText({ ...answer, incident: open, events }, now, false).replaceAll(/\s+/g, " ");
    expect(shown).toContain(`(in 1 min): ${text} `);
  });
});

test("the last fifteen changes, or all of it", () => {
  const notes = Array.from(
    { length: 20 },
    (_, i): IncidentEvent => ({ type: "incident.noted", at: now, text: `n${i}.` }),
  );
  const few = incidentText({ ...answer, events: notes }, now, false);
  expect(few).toContain("Timeline (UTC), 15 of 20, the others with --events:\n  2026-01-31 12:30:00 Note: n5.\n");
  expect(incidentText({ ...answer, events: notes }, now, true)).toContain(
    "Timeline (UTC):\n  2026-01-31 12:30:00 Note: n0.\n",
  );
});

test("while it burns, what alerts say again is no change", () => {
  const alerted = (state: "firing" | "cleared", at: number, raised = false): IncidentEvent => {
    const alert = { cause, state, severity: "page", source: "s", rule: "r", startedAt: at, at, text: "" } as const;
    return { type: "incident.alerted", alerts: [alert], raised, at };
  };
  const said = [alerted("firing", 1), alerted("firing", 2), alerted("firing", 3, true), alerted("cleared", 4)];
  expect(changesOf([...said, alerted("firing", 5)]).map(({ at }) => at)).toEqual([1, 3, 4, 5]);
});

test("a command is answered by one line", () => {
  expect(sentenceOf(answer)).toBe(
    `${id}: mitigating, page, availability of refund?[2J. Possible now: status, note, act, approve, reject.`,
  );
  const merged: Incident = { ...incident, status: "merged", parent: "inc_2", actions: [] };
  expect(sentenceOf({ ...answer, incident: merged, allowed: ["finish"] })).toBe(
    `${id}: merged into inc_2, page, availability of refund?[2J. Nothing more is possible.`,
  );
});

test("what is resolved is closed once its postmortem is complete", () => {
  const resolved = (isComplete: boolean): IncidentAnswer => ({
    ...answer,
    incident: { ...incident, status: "resolved", postmortem: { revision: 2, isComplete }, actions: [] },
    allowed: isComplete ? ["note", "close"] : ["note"],
  });
  expect(possibleNow(resolved(false))).toEqual(["note"]);
  expect(commandsNow(resolved(false)).at(-1)).toMatch(/^npx tooltrail postmortem edit inc_\w+ --set summary=<TEXT> /);
  expect(possibleNow(resolved(true))).toEqual(["note", "close"]);
  expect(commandsNow(resolved(true))).toContain(`npx tooltrail incident close ${id}`);
});

test("the list has a line for each", () => {
  const { status, severity, title, version, episode, startedAt, openedAt, alertCount } = incident;
  const summary: IncidentSummary = {
    ...{ id, version, status, severity, title, cause, episode, startedAt, openedAt, alertCount },
    playbook: "server-failing",
    level: 1,
  };
  expect(incidentTable([summary, { ...summary, owner: "Bob\u0007", level: 2 }], now)).toBe(
    [
      "id                             status       severity level age        title                                        owner            playbook",
      `${id} mitigating   page     1     26 min     availability of refund?[2J                   -                server-failing`,
      `${id} mitigating   page     2     26 min     availability of refund?[2J                   Bob?             server-failing`,
      "",
    ].join("\n"),
  );
  expect(incidentTable([], now)).toBe("No incident.\n");
});

test("lines break at spaces, and long words stay whole", () =>
  expect(wrapped("a bb ccc dddddddd e", 5)).toEqual(["a bb", "ccc", "dddddddd", "e"]));
