import { describe, expect, test } from "vitest";
import { defaultPolicy, type Playbook } from "../response/response.ts";
import { causeKey } from "./cause.ts";
import { evolve, maxCauses, replay } from "./evolve.ts";
import type { Alert, AlertsOf, Cause, Incident, IncidentEvent } from "./incident.ts";

const minute = 60_000;
const start = Date.UTC(2026, 10, 30, 6);
const at = (minutes: number): number => start + minutes * minute;

const cause = (tool: string): Cause => ({ environment: "prod", server: "billing", tool, signal: "availability" });
const playbook: Playbook = {
  kind: "Playbook",
  id: "one",
  version: 1,
  title: "Calls fail",
  trigger: [{ signals: ["availability"] }],
  hypothesis: "The release.",
  immediateAction: { kind: "open_breaker", params: {}, approval: "required", why: "Callers fail at once." },
  engineeringControl: "A canary.",
  verificationTarget: [{ sli: "availability", op: ">=", value: 0.99, windowMinutes: 5, minCalls: 10 }],
  rollbackTrigger: { gate: "verification", consecutiveFails: 2 },
  communication: { owner: "on-call", etaMinutes: 60, cadenceMinutes: 20 },
  learning: { postmortem: "required", questions: [], testTemplates: [] },
};
const levels = [5, 15, 15].map((waitMinutes, i) => ({ targets: [`l${i + 1}`], waitMinutes }));

const opening: IncidentEvent = {
  type: "incident.opened",
  at: start,
  id: "inc_1",
  cause: cause("pay"),
  severity: "page",
  title: "availability of pay of billing in prod",
  playbook,
  policy: { ...defaultPolicy, levels },
  startedAt: at(-3),
};
const alert = (minutes: number, more: Partial<Alert> = {}): Alert => ({
  cause: cause("pay"),
  state: "firing",
  severity: "page",
  source: "billing-availability",
  rule: "fast",
  startedAt: at(minutes),
  at: at(minutes),
  text: `It burns since ${minutes}.`,
  ...more,
});
const alerted = (minutes: number, ...alerts: Alert[]): IncidentEvent => ({
  type: "incident.alerted",
  at: at(minutes),
  alerts,
  raised: false,
});
const joining = (minutes: number, ...alerts: AlertsOf[]): IncidentEvent => ({
  type: "incident.joined",
  at: at(minutes),
  children: ["inc_9"],
  alerts,
  alertCount: alerts.reduce((sum, { count }) => sum + count, 0),
});
const checked = (minutes: number, result: "pass" | "fail" | "inconclusive", from: number): IncidentEvent => ({
  ...{ type: "gate.checked", at: at(minutes), result, from: at(from), to: at(from + 5), measured: [], consecutive: 1 },
});

/** One of every kind, in an order that can be. */
const story: IncidentEvent[] = [
  opening,
  alerted(0, alert(-3)),
  { type: "action.requested", at: at(0), action: "a1", kind: "degrade", params: {}, approval: "required", by: "p_bob" },
  { type: "incident.escalated", at: at(5), level: 2, round: 1, why: "unacknowledged" },
  { type: "incident.acknowledged", at: at(6), untilAt: at(36), by: "p_ada" },
  { type: "incident.status.published", at: at(7), text: "Looking.", owner: "ada", etaAt: at(60), by: "p_ada" },
  { type: "incident.status.overdue", at: at(27), dueAt: at(27) },
  { type: "incident.escalated", at: at(27), level: 3, round: 1, why: "status_overdue" },
  { type: "incident.acknowledgement.expired", at: at(37) },
  { type: "incident.escalation.exhausted", at: at(200), rounds: 5 },
  { type: "incident.acknowledged", at: at(201), untilAt: at(231), by: "p_eve" },
  { type: "action.started", at: at(202), action: "a1", by: "p_eve" },
  { type: "incident.mitigating", at: at(202.5), why: "begun", by: "p_eve" },
  { type: "action.finished", at: at(203), action: "a1", isDone: true, detail: "200" },
  { type: "action.requested", at: at(203), action: "a2", kind: "degrade", params: {}, approval: "required" },
  { type: "action.rejected", at: at(204), action: "a2", reason: "No." },
  joining(204, {
    cause: cause("refund"),
    severity: "page",
    count: 3,
    firstAt: at(-9),
    lastAt: at(9),
    firing: { "slo/fast": at(-9) },
    heard: { "slo/fast": [at(9)] },
    source: "slo",
    text: "It burns, too.",
  }),
  checked(210, "fail", 203),
  checked(215, "inconclusive", 208),
  checked(220, "fail", 213),
  { type: "rollback.requested", at: at(220) },
  { type: "incident.noted", at: at(221), text: "Rolled back." },
  checked(225, "pass", 218),
  checked(230, "pass", 223),
  { type: "incident.mitigated", at: at(230) },
  { type: "action.undo.started", at: at(231), action: "a1", by: "p_ada" },
  { type: "action.undo.finished", at: at(232), action: "a1", isDone: true, detail: "200" },
  { type: "incident.resolved", at: at(240), by: "p_ada" },
  { type: "postmortem.created", at: at(240) },
  { type: "ticket.linked", at: at(241), ticket: { destination: "github", id: "7", url: "https://x", revision: 1 } },
  alerted(250, alert(250)),
  { type: "incident.reopened", at: at(250), episode: 2 },
  { type: "incident.acknowledged", at: at(251), untilAt: at(281), by: "p_ada" },
  { type: "incident.mitigating", at: at(252), why: "begun" },
  { type: "incident.mitigated", at: at(270) },
  { type: "incident.resolved", at: at(280), by: "p_ada" },
  { type: "postmortem.updated", at: at(281), revision: 2, isComplete: true },
  { type: "ticket.linked", at: at(282), ticket: { destination: "github", id: "7", url: "https://x", revision: 2 } },
  { type: "incident.closed", at: at(283), by: "p_ada" },
];
const others: IncidentEvent[] = [
  { type: "incident.cancelled", at: at(1), reason: "A drill." },
  { type: "incident.merged", at: at(1), into: "inc_2" },
];

const deepFreeze = <T>(value: T): T => {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(deepFreeze);
  }
  return value;
};
const firstOf = ({ alerts }: Incident): AlertsOf | undefined => Object.values(alerts)[0];

describe("an incident is what its events add up to", () => {
  test("all at once, or one after another, or from JSON, and at any place in between", () => {
    let now: Incident | undefined;
    for (const [i, event] of story.entries()) {
      now = evolve(deepFreeze(now), deepFreeze(event));
      expect(replay(story.slice(0, i + 1))).toEqual(now);
      expect(now.version).toBe(i + 1);
      const stored = JSON.parse(JSON.stringify(now)) as Incident;
      expect(stored).toEqual(now); // a snapshot that was read again is the same: nothing in it is undefined
    }
  });

  test("and comes to what people would say of it", () => {
    expect(replay(story)).toMatchObject({
      ...{ status: "closed", severity: "page", episode: 2, version: story.length, alertCount: 5, startedAt: at(-9) },
      ...{ openedAt: start, acknowledgedAt: at(251), acknowledgedBy: "p_ada", mitigatedAt: at(270), endedAt: at(280) },
      ...{ children: ["inc_9"], told: ["l1", "l2", "l3"], timers: {}, postmortem: { revision: 2, isComplete: true } },
      actions: [
        { id: "a1", by: "p_bob", approvedBy: "p_eve", state: "undone" },
        { id: "a2", state: "rejected", detail: "No." },
      ],
      tickets: [{ destination: "github", revision: 2 }],
    });
  });

  test.each(others)("$type ends it, and no timer is left", (event) => {
    expect(replay([opening, event])).toMatchObject({ endedAt: at(1), timers: {} });
  });

  test("without a beginning there is none", () => {
    expect(() => replay([])).toThrow("at least one event");
    expect(() => replay(story.slice(1))).toThrow("no beginning");
  });
});

describe("timers follow from what has happened", () => {
  const until = (type: IncidentEvent["type"], nth = 0): Incident["timers"] => {
    const places = story.flatMap((event, i) => (event.type === type ? [i] : []));
    return replay(story.slice(0, (places[nth] ?? -1) + 1)).timers;
  };
  test.each<[string, Incident["timers"], Incident["timers"]]>([
    ["opened: level 2 in 5 minutes", until("incident.opened"), { escalation: at(5) }],
    ["at level 2: level 3 in 15", until("incident.escalated"), { escalation: at(20) }],
    ["acknowledged", until("incident.acknowledged"), { acknowledgement: at(36), status: at(26) }],
    ["said something", until("incident.status.published"), { acknowledgement: at(37), status: at(27) }],
    ["missed to", until("incident.status.overdue"), { acknowledgement: at(37), status: at(47) }],
    ["expired: from level 1", until("incident.acknowledgement.expired"), { escalation: at(42) }],
    ["nobody came", until("incident.escalation.exhausted"), {}],
    ["mitigating: a check of whole minutes", until("incident.mitigating"), { status: at(222.5), check: at(210) }],
    ["checked: the next window", until("gate.checked"), { status: at(222.5), check: at(215) }],
    ["mitigated: checks alone go on", until("incident.mitigated"), { check: at(235) }],
    ["resolved", until("incident.resolved"), {}],
    ["open again", until("incident.reopened"), { escalation: at(255) }],
    ["closed", until("incident.closed"), {}],
  ])("%s", (_, timers, expected) => {
    expect(timers).toEqual(expected);
  });
});

describe("alerts are kept by cause and rule", () => {
  const hear = (...alerts: Alert[]): Incident => replay([opening, ...alerts.map((one) => alerted(9, one))]);

  test("the gravest, the first, the last, and what fires since when", () => {
    const heard = hear(
      alert(1, { severity: "ticket", rule: "slow" }),
      alert(2),
      alert(3, { state: "cleared", rule: "slow", severity: "ticket", startedAt: at(1) }),
    );
    expect(firstOf(heard)).toEqual({
      ...{ cause: cause("pay"), severity: "page", count: 3, firstAt: at(1), lastAt: at(3) },
      firing: { "billing-availability/fast": at(2) },
      heard: { "billing-availability/slow": [at(1), at(3)], "billing-availability/fast": [at(2)] },
      source: "billing-availability",
      text: "It burns since 2.", // what has ceased does not say what is wrong
    });
    expect(Object.keys(heard.alerts)).toEqual([causeKey(cause("pay"))]);
  });

  test("names that could be taken for one another, or for what every object has, are told apart", () => {
    const names = ["a/b", "a%2Fb", "constructor", "__proto__", "toString", "", "*", "ä"];
    const heard = hear(...names.map((tool, i) => alert(i, { cause: cause(tool), source: tool, rule: "__proto__" })));
    expect(Object.values(heard.alerts).map((one) => one.cause.tool)).toEqual(names);
    expect(heard.alertCount).toBe(names.length);
  });

  test("of more causes than are told apart every alert is counted, in bounded room", () => {
    const extra = 25;
    const some = Array.from({ length: maxCauses + extra }, (_, i) => alert(i / 100, { cause: cause(`t${i}`) }));
    const full = replay([opening, alerted(9, ...some)]);
    expect([full.alertCount, Object.keys(full.alerts).length]).toEqual([maxCauses + extra, maxCauses]);
    // What is told apart already still is; what is not, is counted once more.
    const [first, last] = [some[0], some.at(-1)].map((one) => ({ ...(one as Alert), at: at(8) }));
    const later = evolve(full, alerted(10, first as Alert, last as Alert));
    expect([later.alertCount, Object.keys(later.alerts).length]).toEqual([maxCauses + extra + 2, maxCauses]);
    expect(later.alerts[causeKey(cause("t0"))]?.count).toBe(2);
    const sum = Object.values(later.alerts).reduce((all, { count }) => all + count, 0);
    expect(later.alertCount - sum).toBe(extra + 1);
  });

  test("so it is with those of others that are merged into it", () => {
    const others = Array.from({ length: maxCauses + 1 }, (_, i) => hear(alert(i / 100, { cause: cause(`t${i}`) })));
    const joined = others.flatMap(({ alerts }) => Object.values(alerts));
    const parent = replay([opening, alerted(1, alert(1)), joining(9, ...joined)]);
    expect([parent.alertCount, Object.keys(parent.alerts).length]).toEqual([maxCauses + 2, maxCauses]);
  });

  test("of one cause in both, counts add up, and the earliest beginning is the beginning", () => {
    const child = replay([opening, alerted(1, alert(-8)), alerted(2, alert(2, { rule: "slow" }))]);
    const parent = replay([opening, alerted(3, alert(3)), joining(9, ...Object.values(child.alerts))]);
    expect(parent).toMatchObject({ alertCount: 3, startedAt: at(-8), children: ["inc_9"] });
    expect(firstOf(parent)).toMatchObject({ count: 3, firstAt: at(-8), lastAt: at(3) });
  });

  const fires = alert(1);
  const ceased = alert(4, { state: "cleared", startedAt: at(1) });
  test.each([
    ["the parent", [fires, ceased], [fires]],
    ["the child", [fires], [fires, ceased]],
  ])(
    "what has ceased, as %s was the last to hear, fires no more after a merge, and is known to have been heard",
    (_, ofParent, ofChild) => {
      const child = replay([opening, alerted(5, ...ofChild)]);
      const parent = replay([opening, alerted(5, ...ofParent), joining(9, ...Object.values(child.alerts))]);
      expect(firstOf(parent)).toMatchObject({ firing: {}, heard: { "billing-availability/fast": [at(1), at(4)] } });
    },
  );

  test("what still fires, as the one who heard of it last knows, fires on", () => {
    const again = alert(6);
    const child = replay([opening, alerted(7, fires, ceased, again)]);
    const parent = replay([opening, alerted(5, fires, ceased), joining(9, ...Object.values(child.alerts))]);
    expect(firstOf(parent)?.firing).toEqual({ "billing-availability/fast": at(6) });
  });

  test("what comes late is counted, and does not bring back what has ceased", () => {
    expect(firstOf(hear(ceased, fires))).toMatchObject({ count: 2, firing: {}, firstAt: at(1), lastAt: at(4) });
  });

  test("of each rule a few times are kept, the last ones", () => {
    const times = Object.values(firstOf(hear(...[9, 1, 8, 2, 7, 3].map((when) => alert(when))))?.heard ?? {});
    expect(times).toEqual([[3, 7, 8, 9].map(at)]);
  });
});

describe("what comes with others", () => {
  test("what a child has counted is counted in its parent", () => {
    const some = Array.from({ length: maxCauses + 10 }, (_, i) => alert(i / 100, { cause: cause(`t${i}`) }));
    const child = replay([opening, alerted(5, ...some)]);
    const { alertCount } = child;
    const parent = replay([opening, { ...joining(9, ...Object.values(child.alerts)), alertCount } as IncidentEvent]);
    expect(parent.alertCount).toBe(alertCount);
  });

  test("it began when the earliest of its alerts did", () => {
    expect(replay([opening, alerted(1, alert(1, { rule: "slow", startedAt: at(-60) }))]).startedAt).toBe(at(-60));
  });
});
