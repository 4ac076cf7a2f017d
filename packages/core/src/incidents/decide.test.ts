import { describe, expect, test } from "vitest";
import { defaultPolicy, type Playbook, type Runbook, type Severity } from "../response/response.ts";
import { allowedIn, allowedNow, decide, dueCheck } from "./decide.ts";
import { evolve } from "./evolve.ts";
import {
  type Alert,
  type Cause,
  type CheckResult,
  type Command,
  type CommandType,
  commandsOfPeople,
  type Incident,
  type IncidentEvent,
  type Status,
  statuses,
} from "./incident.ts";

const minute = 60_000;
const start = Date.UTC(2026, 10, 30, 6);
const at = (minutes: number): number => start + minutes * minute;

const cause: Cause = { environment: "prod", server: "billing", tool: "pay", signal: "availability" };
const runbook: Runbook = {
  kind: "Runbook",
  name: "billing-2",
  server: "billing",
  versions: "2.x",
  rollbackTo: "1.9.0",
  steps: ["Deploy 1.9.0."],
};
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

const opened = (severity: Severity = "page"): Incident =>
  evolve(undefined, {
    type: "incident.opened",
    at: start,
    id: "inc_1",
    cause,
    severity,
    title: "availability of pay of billing in prod",
    playbook,
    policy: {
      ...defaultPolicy,
      levels: [5, 15, 15].map((waitMinutes, i) => ({ targets: [`l${i + 1}`], waitMinutes })),
    },
    serverVersion: "2.1.0",
    runbook,
    startedAt: at(-3),
  });

/** An alert that has just begun, unless told otherwise. */
const alert = (minutes: number, more: Partial<Alert> = {}): Alert => ({
  cause,
  state: "firing",
  severity: "page",
  source: "billing-availability",
  rule: "fast",
  startedAt: at(minutes),
  at: at(minutes),
  text: "It burns.",
  ...more,
});
const alerts = (...some: Alert[]): Command => ({ type: "alert", alerts: some });

const tick: Command = { type: "tick" };
const acknowledge: Command = { type: "acknowledge" };
const mitigate: Command = { type: "mitigate" };
const resolve: Command = { type: "resolve" };
const close: Command = { type: "close" };
const status = (etaMinutes: number): Command => ({
  type: "status",
  text: "Soon.",
  owner: "ada",
  etaAt: at(etaMinutes),
});
const act = (action: string, approval: "required" | "none" = "required"): Command => ({
  type: "act",
  action,
  kind: "open_breaker",
  params: { openSeconds: 30 },
  approval,
});
const approve = (action: string): Command => ({ type: "approve", action });
const reject = (action: string): Command => ({ type: "reject", action, reason: "Too much." });
const finish = (action: string, isDone = true): Command => ({ type: "finish", action, isDone, detail: "200" });
const undo = (action: string): Command => ({ type: "undo", action });
const judge = (result: "pass" | "fail"): Command => ({ type: "judge", result, reason: "Nobody calls it at night." });
const merge: Command = { type: "merge", into: "inc_2" };
const cancel: Command = { type: "cancel", reason: "A drill." };
const postmortem = (revision: number, isComplete: boolean): Command => ({ type: "postmortem", revision, isComplete });
const ticket = (revision: number): Command => ({
  type: "ticket",
  ticket: { destination: "github", id: "7", url: "https://example.com/7", revision },
});
/** Of the window that is next, unless another is given. */
const check = (incident: Incident, result: CheckResult, from = incident.checks.from): Command => ({
  type: "check",
  from,
  to: from + 5 * minute,
  result,
  measured: [],
});

const deepFreeze = <T>(value: T): T => {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(deepFreeze);
  }
  return value;
};

const ask = (incident: Incident, minutes: number, command: Command): IncidentEvent[] => {
  const events = decide(deepFreeze(incident), command, at(minutes), { by: "p_ada" });
  if ("refused" in events) throw new Error(events.refused);
  return events;
};
const refusal = (incident: Incident, minutes: number, command: Command): string => {
  const events = decide(deepFreeze(incident), command, at(minutes));
  return "refused" in events ? events.refused : `not refused: ${events.map(({ type }) => type)}`;
};

type Step = readonly [minutes: number, command: Command];
const after = (incident: Incident, ...steps: readonly Step[]): Incident =>
  steps.reduce((now, [minutes, command]) => ask(now, minutes, command).reduce(evolve, now), incident);

/** Checks one after another, each when it is due. @returns what each of them made of it, and how it stood then. */
function checks(incident: Incident, results: string): { readonly says: string[]; readonly incident: Incident } {
  const named = { P: "pass", F: "fail", I: "inconclusive" } as const;
  let now = incident;
  const says = [...results].map((letter) => {
    const due = now.timers.check ?? Number.NaN;
    const events = ask(now, (due - start) / minute, check(now, named[letter as keyof typeof named]));
    now = events.reduce(evolve, now);
    const [first, ...rest] = events.map(words);
    return [first === "checked" ? "" : `${first}, which is no check`, ...rest].filter((text) => text !== "").join(", ");
  });
  return { says, incident: now };
}

function words(event: IncidentEvent): string {
  switch (event.type) {
    case "gate.checked":
      return "checked";
    case "incident.escalated":
      return `level ${event.level} of round ${event.round} (${event.why})`;
    case "incident.mitigating":
      return event.why;
    default:
      return event.type.replace("incident.", "");
  }
}

/** What the clock says until a minute, if it is asked whenever something but a check is due. Asked just before, it says nothing. */
function clock(incident: Incident, until: number): string[] {
  const said: string[] = [];
  for (let now = incident; ; ) {
    const { check: _, ...timers } = now.timers;
    const due = Math.min(...Object.values(timers));
    const minutes = (due - start) / minute;
    if (minutes > until) return said;
    expect(decide(now, tick, due - 1)).toEqual([]);
    const events = ask(now, minutes, tick);
    expect(events).not.toEqual([]);
    said.push(`${minutes}: ${events.map(words).join(", ")}`);
    now = events.reduce(evolve, now);
  }
}

const toMitigating: Step[] = [
  [1, acknowledge],
  [2, mitigate],
];
const mitigating = (severity: Severity = "page"): Incident => after(opened(severity), ...toMitigating);
const mitigated = (severity: Severity = "page"): Incident => checks(mitigating(severity), "PP").incident;

describe("each status takes what it takes, and nothing else", () => {
  /** What becomes of it; "-": refused. The alert is one that has just begun, the check the next one, the action needs no approval. */
  const table = `
                open          acknowledged  mitigating  mitigated   resolved  closed  cancelled  merged
    alert       open          acknowledged  mitigating  mitigating  open      closed  cancelled  merged
    acknowledge acknowledged  acknowledged  -           -           -         -       -          -
    mitigate    -             mitigating    -           mitigating  -         -       -          -
    status      open          acknowledged  mitigating  mitigated   -         -       -          -
    note        open          acknowledged  mitigating  mitigated   resolved  -       -          -
    judge       -             -             mitigated   mitigated   -         -       -          -
    resolve     -             -             -           resolved    -         -       -          -
    cancel      cancelled     cancelled     -           -           -         -       -          -
    merge       merged        merged        -           -           -         -       -          -
    join        open          acknowledged  mitigating  mitigated   -         -       -          -
    close       -             -             -           -           closed    -       -          -
    act         open          mitigating    mitigating  mitigated   -         -       -          -
    approve     open          mitigating    mitigating  mitigated   -         -       -          -
    reject      open          acknowledged  mitigating  mitigated   -         -       -          -
    finish      open          acknowledged  mitigating  mitigated   resolved  closed  cancelled  merged
    undo        open          acknowledged  mitigating  mitigated   resolved  closed  cancelled  merged
    tick        open          acknowledged  mitigating  mitigated   resolved  closed  cancelled  merged
    check       open          acknowledged  mitigating  mitigated   resolved  closed  cancelled  merged
    postmortem  open          acknowledged  mitigating  mitigated   resolved  closed  cancelled  merged
    ticket      open          acknowledged  mitigating  mitigated   resolved  closed  cancelled  merged`;

  const [columns = [], ...rows] = table
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/));
  const cells = rows.flatMap(([command = "", ...row]) =>
    row.map((becomes, i) => ({ command: command as CommandType, status: columns[i] as Status, becomes })),
  );

  /** An incident in each status, with a1 that waits for approval, a2 that was started, and where there are checks three that told nothing. */
  const begun = after(opened(), [0, act("a1")], [0, act("a2", "none")]);
  const inStatus: { readonly [status in Status]: Incident } = (() => {
    const acknowledged = after(begun, [1, acknowledge]);
    const worked = after(acknowledged, [2, mitigate]);
    const { incident: better } = checks(worked, "PPIII");
    const resolved = after(better, [30, resolve], [31, postmortem(1, true)]);
    return {
      open: begun,
      acknowledged,
      mitigating: after(checks(worked, "III").incident, [20, status(60)]),
      mitigated: better,
      resolved,
      closed: after(resolved, [32, close]),
      cancelled: after(begun, [1, cancel]),
      merged: after(begun, [1, merge]),
    };
  })();

  /** Each command, as it makes sense where it is taken, and the event that it is first of all. */
  const commands: { readonly [type in CommandType]: readonly [(now: Incident) => Command, IncidentEvent["type"]?] } = {
    alert: [() => alerts(alert(33)), "incident.alerted"],
    acknowledge: [() => acknowledge, "incident.acknowledged"],
    mitigate: [() => mitigate, "incident.mitigating"],
    status: [() => status(60), "incident.status.published"],
    note: [() => ({ type: "note", text: "It is the cache." }), "incident.noted"],
    judge: [() => judge("pass"), "incident.noted"],
    resolve: [() => resolve, "incident.resolved"],
    cancel: [() => cancel, "incident.cancelled"],
    merge: [() => merge, "incident.merged"],
    join: [() => ({ type: "join", children: [{ ...opened(), id: "inc_3" }] }), "incident.joined"],
    close: [() => close, "incident.closed"],
    act: [() => act("a3", "none"), "action.requested"],
    approve: [() => approve("a1"), "action.started"],
    reject: [() => reject("a1"), "action.rejected"],
    finish: [() => finish("a2"), "action.finished"],
    undo: [() => undo("a2"), "action.undo.started"],
    tick: [() => tick],
    check: [(now) => check(now, "pass")],
    postmortem: [() => postmortem(5, true), "postmortem.updated"],
    ticket: [() => ticket(1), "ticket.linked"],
  };

  test("the table has every command and every status", () => {
    expect(columns).toEqual(statuses);
    expect(rows.map(([name]) => name).sort()).toEqual(Object.keys(commands).sort());
    expect(cells).toHaveLength(statuses.length * rows.length);
    for (const one of statuses) expect(inStatus[one].status).toBe(one);
  });

  const allowed = cells.filter(({ becomes }) => becomes !== "-");
  /** In minutes, before anything else is due. */
  const whenOf: { readonly [status in Status]: number } = {
    ...{
      open: 2.5,
      acknowledged: 2.5,
      mitigating: 24,
      mitigated: 33,
      resolved: 33,
      closed: 33,
      cancelled: 2.5,
      merged: 2.5,
    },
  };

  test.each(allowed)("$status, $command: $becomes", ({ command, status: one, becomes }) => {
    const incident = inStatus[one];
    const [make, first] = commands[command];
    const events = ask(incident, whenOf[one], make(incident));
    const isChecked = command === "check" && (one === "mitigating" || one === "mitigated");
    const isSaidAgain = command === "acknowledge" && one === "acknowledged"; // by the same person
    expect(events[0]?.type).toBe(isSaidAgain ? undefined : isChecked ? "gate.checked" : first);
    expect(events.reduce(evolve, incident).status).toBe(becomes);
    expect(allowedIn[one]).toContain(command);
  });

  test.each(cells.filter(({ becomes }) => becomes === "-"))(
    "$status, $command: refused, with what is possible instead",
    ({ command, status: one }) => {
      const incident = inStatus[one];
      const answer = decide(deepFreeze(incident), commands[command][0](incident), at(whenOf[one]));
      const possible = commandsOfPeople.filter((type) =>
        allowed.some((cell) => cell.status === one && cell.command === type),
      );
      expect(answer).toEqual({
        refused: `inc_1 is ${one}: ${command} is not possible. Possible now: ${possible.join(", ")}.`,
        allowed: possible,
      });
      expect(allowedIn[one]).not.toContain(command);
    },
  );
});

describe("what is asked must make sense, too", () => {
  const resolved = after(mitigated(), [20, resolve]);
  const acted = after(opened(), [1, act("a1")], [2, act("a2", "none")]);
  const many = after(opened(), ...Array.from({ length: 20 }, (_, i): Step => [1, act(`a${i + 1}`)]));
  test.each<[string, Incident, Command, RegExp]>([
    ["an ETA that is over", opened(), status(30), /ETA is over already.* Possible now: acknowledge, status,/],
    ["a merge into itself", opened(), { ...merge, into: "inc_1" } as Command, /into itself. Possible now: ack/],
    [
      "a close without a postmortem",
      resolved,
      close,
      /postmortem is not complete.*postmortem show inc_1.*Possible now/,
    ],
    ["a close with half of one", after(resolved, [21, postmortem(1, false)]), close, /postmortem is not complete/],
    ["an action that nobody knows", opened(), approve("a9"), /no action a9. There is none. Possible now: /],
    ["one of others", acted, approve("a9"), /no action a9. There are a1 \(requested\), a2 \(started\). Possible now: /],
    ["approving what runs", acted, approve("a2"), /a2 is started, and not requested. Possible now: /],
    ["rejecting what runs", acted, reject("a2"), /a2 is started, and not requested/],
    ["finishing what nobody began", acted, finish("a1"), /a1 is requested, and not started or undoing/],
    ["undoing what nobody began", acted, undo("a1"), /a1 is requested, and not started or done or failed/],
    ["more actions than anybody reads", many, act("a21"), /There are 20 actions already. Possible now: /],
  ])("%s is refused, and says why", (_, incident, command, why) => {
    expect(refusal(incident, 30, command)).toMatch(why);
  });

  test.each([
    ["the same revision of a postmortem", postmortem(2, true), postmortem(2, false)],
    ["an earlier one", postmortem(2, true), postmortem(1, true)],
    ["a ticket's revision that is known", ticket(2), ticket(2)],
    ["an earlier one of a ticket", ticket(2), ticket(1)],
  ])("%s changes nothing", (_, first, again) => {
    expect(ask(after(resolved, [21, first]), 22, again)).toEqual([]);
  });

  test("a postmortem is created once, and updated from then on", () => {
    const drafted = after(resolved, [21, postmortem(1, false)]);
    expect(ask(resolved, 21, postmortem(1, false)).map(words)).toEqual(["postmortem.created"]);
    expect(ask(drafted, 22, postmortem(2, true)).map(words)).toEqual(["postmortem.updated"]);
    expect(after(drafted, [22, postmortem(2, true)], [23, close]).status).toBe("closed");
  });

  test.each<[string, Incident, readonly CommandType[]]>([
    [
      "without actions, none can be approved, rejected, finished or undone",
      opened(),
      ["acknowledge", "status", "note", "cancel", "merge", "act"],
    ],
    [
      "one that waits can be decided on",
      after(opened(), [1, act("a1")]),
      ["acknowledge", "status", "note", "cancel", "merge", "act", "approve", "reject"],
    ],
    [
      "one that runs, finished or undone",
      after(opened(), [1, act("a1", "none")]),
      ["acknowledge", "status", "note", "cancel", "merge", "act", "finish", "undo"],
    ],
    ["without a complete postmortem it is not closed", resolved, ["note"]],
    ["with one it is", after(resolved, [21, postmortem(1, true)]), ["note", "close"]],
    ["and then there is nothing to do", after(resolved, [21, postmortem(1, true)], [22, close]), []],
  ])("only what can be done is offered: %s", (_, incident, expected) => {
    expect(allowedNow(incident).toSorted()).toEqual(expected.toSorted());
  });

  test("what was said is told with who said it, and when", () => {
    expect(ask(opened(), 3, { type: "note", text: "Hm." })).toEqual([
      { type: "incident.noted", text: "Hm.", at: at(3), by: "p_ada" },
    ]);
  });
});

describe("nobody acknowledges", () => {
  test("level 2 after 5 minutes, level 3 after 15 more, five rounds, and then it is said that nobody came", () => {
    expect(clock(opened(), 10_000)).toEqual([
      ...["5: level 2", "20: level 3"].map((text) => `${text} of round 1 (unacknowledged)`),
      ...["35: level 1", "40: level 2", "55: level 3"].map((text) => `${text} of round 2 (unacknowledged)`),
      ...["70: level 1", "75: level 2", "90: level 3"].map((text) => `${text} of round 3 (unacknowledged)`),
      ...["105: level 1", "110: level 2", "125: level 3"].map((text) => `${text} of round 4 (unacknowledged)`),
      ...["140: level 1", "145: level 2", "160: level 3"].map((text) => `${text} of round 5 (unacknowledged)`),
      "175: escalation.exhausted",
    ]);
  });

  test.each([
    ["no levels at all", [], ["15: level 1 of round 2 (unacknowledged)", "30: escalation.exhausted"]],
    ["one level", [1], ["1: level 1 of round 2 (unacknowledged)", "2: escalation.exhausted"]],
  ])("with %s it comes to an end, too", (_, waits, expected) => {
    const policy = {
      ...defaultPolicy,
      rounds: 2,
      levels: waits.map((waitMinutes) => ({ targets: [], waitMinutes })),
    };
    const { cause: about, severity, title, startedAt, id } = opened();
    const lonely = evolve(undefined, {
      ...{ type: "incident.opened", at: start, id, cause: about, severity, title, playbook, policy, startedAt },
    });
    expect(clock(lonely, 10_000)).toEqual(expected);
  });

  test("whoever was told is told no less later", () => {
    const { told } = after(opened(), [5, tick], [20, tick], [35, tick]);
    expect(told).toEqual(["l1", "l2", "l3"]);
  });

  test("a clock that stood still escalates by one, and goes on from there", () => {
    const late = after(opened(), [300, tick]);
    expect(late.escalation).toEqual({ level: 2, round: 1, overdue: 0 });
    expect(ask(late, 300, tick)).toEqual([]);
    expect(clock(late, 316)).toEqual(["315: level 3 of round 1 (unacknowledged)"]);
  });

  test("a ticket waits, and calls people once it has become a page", () => {
    const waiting = opened("ticket");
    expect(clock(waiting, 10_000)).toEqual([]);
    expect(after(waiting, [30, alerts(alert(30, { severity: "ticket" }))]).severity).toBe("ticket");
    const raised = after(waiting, [30, alerts(alert(30))]);
    expect(raised.severity).toBe("page");
    expect(clock(raised, 36)).toEqual(["35: level 2 of round 1 (unacknowledged)"]);
    // A page stays one, whatever comes later, and does not begin anew.
    const more = after(raised, [31, alerts(alert(31, { severity: "ticket" }), alert(31, { rule: "slow" }))]);
    expect([more.severity, more.timers]).toEqual(["page", raised.timers]);
  });

  test("a clearing of a page raises nothing", () => {
    expect(after(opened("ticket"), [3, alerts(alert(3, { state: "cleared" }))]).severity).toBe("ticket");
  });
});

describe("somebody has acknowledged", () => {
  const acknowledged = after(opened(), [1, acknowledge]);

  test("and does nothing more: the status is missed after 20 minutes, after 30 it is open again, and from level 1", () => {
    expect(clock(acknowledged, 37)).toEqual([
      "21: status.overdue, level 2 of round 1 (status_overdue)",
      "31: acknowledgement.expired",
      "36: level 2 of round 1 (unacknowledged)",
    ]);
  });

  test("and publishes a status: 30 minutes from then, and 20", () => {
    expect(clock(after(acknowledged, [20, status(90)]), 51)).toEqual([
      "40: status.overdue, level 2 of round 1 (status_overdue)",
      "50: acknowledgement.expired",
    ]);
  });

  test("and says so again: that puts nothing off; who takes it over has 30 minutes, and no longer for a status", () => {
    expect(ask(acknowledged, 20, acknowledge)).toEqual([]);
    const events = decide(acknowledged, acknowledge, at(20), { by: "p_bob" });
    const taken = (events as IncidentEvent[]).reduce(evolve, acknowledged);
    expect(taken.acknowledgedBy).toBe("p_bob");
    expect(clock(taken, 40)[0]).toBe("21: status.overdue, level 2 of round 1 (status_overdue)");
    expect(taken.timers.acknowledgement).toBe(at(50));
  });

  test("a clock that stood still says one thing: it is open again", () => {
    expect(ask(acknowledged, 300, tick).map(words)).toEqual(["acknowledgement.expired"]);
  });

  test("the first one who came is the one that counts", () => {
    const again = after(acknowledged, [31, tick], [40, acknowledge]);
    expect([again.acknowledgedAt, again.openedAt]).toEqual([at(1), start]);
  });

  test("of a ticket no status is due", () => {
    expect(clock(after(opened("ticket"), [1, acknowledge], [2, mitigate]), 10_000)).toEqual([]);
  });

  test("and it becomes a page: a status is due 20 minutes later", () => {
    const raised = after(opened("ticket"), [1, acknowledge], [2, mitigate], [3, alerts(alert(3))]);
    expect(clock(raised, 24)).toEqual(["23: status.overdue, level 2 of round 1 (status_overdue)"]);
  });

  test("and mitigates without a word: each 20 minutes one level further, five times", () => {
    expect(clock(mitigating(), 10_000)).toEqual([
      "22: status.overdue, level 2 of round 1 (status_overdue)",
      ...["42", "62", "82", "102"].map((when) => `${when}: status.overdue, level 3 of round 1 (status_overdue)`),
    ]);
  });

  test("and a status is due again once one was published, also after the fifth that was missed", () => {
    const silent = after(mitigating(), ...[22, 42, 62, 82, 102].map((when): Step => [when, tick]));
    expect(clock(silent, 10_000)).toEqual([]);
    expect(clock(after(silent, [200, status(300)]), 221)).toEqual([
      "220: status.overdue, level 3 of round 1 (status_overdue)",
    ]);
  });
});

test.each<[string, Incident, number]>([
  ["escalation, of what was acknowledged", after(opened(), [4, acknowledge]), 5],
  ["escalation, of what was cancelled", after(opened(), [4, cancel]), 5],
  ["escalation, of what was merged", after(opened(), [4, merge]), 5],
  [
    "escalation, after the last",
    after(opened(), ...Array.from({ length: 15 }, (_, i): Step => [200 + i * 20, tick])),
    900,
  ],
  ["expiry, of what was acknowledged anew", after(opened(), [1, acknowledge], [15, acknowledge], [16, status(99)]), 31],
  ["expiry, of what is mitigated by now", mitigated(), 31],
  ["a status, of what was published meanwhile", after(mitigating(), [15, status(60)]), 22],
  ["a status, of what is mitigated by now", mitigated(), 22],
  ["a status, of what was resolved", after(mitigated(), [20, resolve]), 22],
])("a timer that is not meant any more does nothing: %s", (_, incident, when) => {
  expect(ask(incident, when, tick)).toEqual([]);
});

describe("checks", () => {
  const asks = "level 2 of round 1 (checks_inconclusive)";
  const still = "level 3 of round 1 (checks_inconclusive)";
  test.each([
    ["two pass: it is mitigated", "PP", ["", "mitigated"]],
    ["they must be in a row", "PFP", ["", "", ""]],
    ["what tells nothing does not count as a pass", "PI", ["", ""]],
    ["nor does it begin the row anew", "PIP", ["", "", "mitigated"]],
    ["two fail: a rollback is asked for, once", "FFF", ["", "rollback.requested", ""]],
    ["fails must be in a row, too", "FPF", ["", "", ""]],
    ["what tells nothing does not end that row", "FIF", ["", "", "rollback.requested"]],
    [
      "whatever passes and fails again twice is another time",
      "FFPFF",
      ["", "rollback.requested", "", "", "rollback.requested"],
    ],
    ["three that tell nothing ask a person", "III", ["", "", asks]],
    ["and three more again", "IIIIII", ["", "", asks, "", "", still]],
    ["these must be in a row", "IIPII", ["", "", "", "", ""]],
    ["and so with a fail between", "IIFII", ["", "", "", "", ""]],
  ])("%s (%s)", (_, results, expected) => {
    expect(checks(mitigating(), results).says).toEqual(expected);
  });

  test.each([
    ["passes change nothing more", "PPP", ["", "", ""]],
    ["one fail is not enough", "FPF", ["", "", ""]],
    [
      "two fails: it is being mitigated again, and a rollback is asked for",
      "FF",
      ["", "regressed, rollback.requested"],
    ],
    ["and from then on two passes are needed anew", "FFPP", ["", "regressed, rollback.requested", "", "mitigated"]],
    ["or two fails", "FFFF", ["", "regressed, rollback.requested", "", "rollback.requested"]],
  ])("once mitigated, %s (%s)", (_, results, expected) => {
    expect(checks(mitigated(), results).says).toEqual(expected);
  });

  test.each<[string, string, "pass" | "fail", string[]]>([
    ["it is mitigated", "III", "pass", ["noted", "checked", "mitigated"]],
    ["it is not", "III", "fail", ["noted", "checked", "rollback.requested"]],
    ["it is, as it was by checks", "PPIII", "pass", ["noted", "checked"]],
    ["it is not any more", "PPIII", "fail", ["noted", "checked", "regressed", "rollback.requested"]],
    ["it is, after more of them", "IIIII", "pass", ["noted", "checked", "mitigated"]],
  ])("whoever was asked says that %s (%s)", (_, results, result, expected) => {
    const { incident } = checks(mitigating(), results);
    expect(ask(incident, 60, judge(result)).map(words)).toEqual(expected);
    // And checks go on from where they were.
    const later = after(incident, [60, judge(result)]);
    if (later.status === incident.status) expect(later.checks.from).toBe(incident.checks.from);
    expect(later.checks.inconclusive).toBe(0);
  });

  test.each(["", "II", "IIIP", "IIIF"])("nobody who was not asked (%j) judges", (results) => {
    expect(refusal(checks(mitigating(), results).incident, 60, judge("pass"))).toMatch(
      /^Checks speak for themselves.*Possible now: status, note/,
    );
  });

  test("the rollback comes with the runbook of the version that runs", () => {
    const failed = checks(mitigating(), "F").incident;
    expect(ask(failed, 30, check(failed, "fail")).at(-1)).toEqual({
      type: "rollback.requested",
      serverVersion: "2.1.0",
      runbook,
      at: at(30),
    });
  });

  test("a playbook may wait for more fails", () => {
    const patient = {
      ...mitigating(),
      playbook: { ...playbook, rollbackTrigger: { gate: "verification", consecutiveFails: 3 } },
    } as const;
    expect(checks(patient, "FFFF").says).toEqual(["", "", "rollback.requested", ""]);
  });

  test("windows follow one another, from the first whole minute on, and are measured once their calls have come in", () => {
    let now = after(opened(), [1, acknowledge], [2.5, mitigate]);
    for (const [from, to] of [
      [3, 8],
      [8, 13],
      [13, 18],
    ] as const) {
      expect(dueCheck(now, at(to + 2) - 1)).toBeUndefined();
      expect(dueCheck(now, at(to + 2))).toEqual({ from: at(from), to: at(to) });
      now = after(now, [to + 2, check(now, "fail")]);
    }
  });

  test("after a regression no window reaches into one that was checked", () => {
    const before = mitigated();
    const failed = checks(before, "F").incident;
    const regressed = checks(failed, "F").incident;
    expect(regressed.checks.from).toBeGreaterThanOrEqual(failed.checks.from + 5 * minute);
    const byHand = after(before, [20, mitigate]);
    expect(byHand.checks.from).toBeGreaterThanOrEqual(before.checks.from);
  });

  test.each<[string, Incident, (now: Incident) => Command]>([
    ["repeated", checks(mitigating(), "P").incident, (now) => check(now, "pass", now.checks.from - 5 * minute)],
    ["of an earlier window", mitigating(), (now) => check(now, "pass", now.checks.from - minute)],
    [
      "of before it regressed",
      after(mitigated(), [20, mitigate]),
      (now) => check(now, "pass", mitigated().checks.from),
    ],
    ["of what is only acknowledged", after(opened(), [1, acknowledge]), (now) => check(now, "pass")],
    ["of what was resolved meanwhile", after(mitigated(), [20, resolve]), (now) => check(now, "fail")],
  ])("a check is ignored if it is %s", (_, incident, make) => {
    expect(ask(incident, 40, make(incident))).toEqual([]);
  });
});

describe("alerts", () => {
  test("what fires anew after it was mitigated is a regression, in the same breath", () => {
    const before = mitigated();
    const when = 18;
    expect(ask(before, when, alerts(alert(when))).map(words)).toEqual(["alerted", "regressed"]);
    const again = after(before, [when, alerts(alert(when))]);
    expect(again.checks).toEqual({ passes: 0, fails: 0, inconclusive: 0, from: at(when) });
    expect(clock(again, 39)).toEqual(["38: status.overdue, level 2 of round 1 (status_overdue)"]);
  });

  test.each([
    ["still burns since before", alert(18, { startedAt: at(1) })],
    ["ceases", alert(18, { state: "cleared" })],
  ])("what %s is none", (_, one) => {
    expect(ask(mitigated(), 18, alerts(one)).map(words)).toEqual(["alerted"]);
  });

  const resolved = after(mitigated(), [20, resolve]);
  test.each([
    ["fires anew at once", 20.1, 20.1, ["alerted", "reopened"]],
    ["after half an hour", 50, 50, ["alerted", "reopened"]],
    ["a millisecond later", 50 + 1 / minute, 50, ["alerted"]],
    ["began before it was resolved", 25, 19, ["alerted"]],
    ["began just then", 25, 20, ["alerted"]],
  ])("of what was resolved: what %s", (_, when, startedAt, expected) => {
    expect(ask(resolved, when, alerts(alert(when, { startedAt: at(startedAt) }))).map(words)).toEqual(expected);
  });

  test("what ceases reopens nothing", () => {
    expect(ask(resolved, 25, alerts(alert(25, { state: "cleared" }))).map(words)).toEqual(["alerted"]);
  });

  test("what is open again is a new episode, and called out from level 1", () => {
    const again = after(resolved, [21, postmortem(1, false)], [25, alerts(alert(25))]);
    expect(again).toMatchObject({ status: "open", episode: 2, escalation: { level: 1, round: 1, overdue: 0 } });
    for (const gone of [
      "acknowledgedAt",
      "acknowledgedBy",
      "mitigatedAt",
      "resolvedAt",
      "endedAt",
      "lastStatus",
    ] as const)
      expect(again).not.toHaveProperty(gone);
    expect(clock(again, 31)).toEqual(["30: level 2 of round 1 (unacknowledged)"]);
  });

  test("what was closed stays closed, and counts", () => {
    const closed = after(resolved, [21, postmortem(1, true)], [22, close]);
    const later = after(closed, [23, alerts(alert(23))]);
    expect([later.status, later.alertCount]).toEqual(["closed", closed.alertCount + 1]);
  });

  const first = alert(3);
  test.each<[string, Alert[], number]>([
    ["said twice", [first, first], 1],
    ["said later by another rule", [first, alert(3, { rule: "slow" })], 2],
    ["said of another tool", [first, alert(3, { cause: { ...cause, tool: "refund" } })], 2],
    ["said to fire still", [first, alert(4, { startedAt: at(3) })], 1],
    ["said to fire anew", [first, alert(4)], 2],
    ["overtaken by what came after it", [alert(4, { state: "cleared" }), first], 2],
    ["overtaken, and said again", [alert(4, { state: "cleared" }), first, first], 2],
    ["of another severity or version alone", [first, { ...first, severity: "ticket", version: "3" }], 1],
  ])("what is %s, together or apart", (_, some, expected) => {
    expect(after(opened(), [5, alerts(...some)]).alertCount).toBe(expected);
    expect(after(opened(), ...some.map((one): Step => [5, alerts(one)])).alertCount).toBe(expected);
  });

  test("what has ceased does not fire again because of an alert that was late", () => {
    const now = after(opened(), [5, alerts(alert(4, { state: "cleared" }))], [6, alerts(first)]);
    expect(Object.values(now.alerts).map(({ firing }) => firing)).toEqual([{}]);
  });

  test("nothing new is nothing at all", () => {
    expect(ask(after(opened(), [3, alerts(first)]), 4, alerts(first))).toEqual([]);
    expect(ask(opened(), 4, alerts())).toEqual([]);
  });
});

describe("actions", () => {
  const asked = after(opened(), [1, act("a1")]);
  test.each<[string, Step[], string]>([
    ["asked for", [], "requested"],
    ["approved", [[2, approve("a1")]], "started"],
    ["rejected", [[2, reject("a1")]], "rejected"],
    [
      "done",
      [
        [2, approve("a1")],
        [3, finish("a1")],
      ],
      "done",
    ],
    [
      "failed",
      [
        [2, approve("a1")],
        [3, finish("a1", false)],
      ],
      "failed",
    ],
    [
      "to be undone while it runs",
      [
        [2, approve("a1")],
        [3, undo("a1")],
      ],
      "undoing",
    ],
    [
      "undone",
      [
        [2, approve("a1")],
        [3, finish("a1")],
        [4, undo("a1")],
        [5, finish("a1")],
      ],
      "undone",
    ],
    [
      "not undone, though tried",
      [
        [2, approve("a1")],
        [4, undo("a1")],
        [5, finish("a1", false)],
      ],
      "done",
    ],
  ])("an action that was %s", (_, steps, state) => {
    const { actions, status: now } = after(asked, ...steps);
    expect(actions.map((one) => one.state)).toEqual([state]);
    expect(now).toBe("open");
  });

  test("who asked, and who approved", () => {
    const [events] = [ask(asked, 2, approve("a1"))];
    expect(events).toEqual([{ type: "action.started", action: "a1", at: at(2), by: "p_ada" }]);
    expect(after(asked, [2, approve("a1")]).actions[0]).toMatchObject({ by: "p_ada", approvedBy: "p_ada" });
  });

  test.each([
    ["needs no approval", act("a2", "none"), ["action.requested", "action.started", "begun"]],
    ["waits for approval", act("a2"), ["action.requested"]],
    ["is approved", approve("a1"), ["action.started", "begun"]],
  ])("whoever has acknowledged and whose action %s has begun to mitigate, or not yet", (_, command, expected) => {
    expect(ask(after(asked, [2, acknowledge]), 3, command).map(words)).toEqual(expected);
  });
});

describe("what ends or begins another", () => {
  const page = after(opened(), [2, alerts(alert(2))]);
  const joined: Command = { type: "join", children: [page] };

  test("a ticket that takes a page in is a page", () => {
    const parent = after({ ...opened("ticket"), id: "inc_2" }, [3, joined]);
    expect(parent.severity).toBe("page");
    expect(clock(parent, 9)).toEqual(["8: level 2 of round 1 (unacknowledged)"]);
  });

  test("a page that reopens a ticket calls people", () => {
    const again = after(mitigated("ticket"), [20, resolve], [25, alerts(alert(25))]);
    expect([again.status, again.severity]).toEqual(["open", "page"]);
    expect(clock(again, 31)).toEqual(["30: level 2 of round 1 (unacknowledged)"]);
  });

  test("an action under a name that is taken is refused", () => {
    expect(refusal(after(opened(), [1, act("a1")]), 2, act("a1", "none"))).toMatch(/a1/);
  });

  test("what was open again is not closed with the postmortem of the time before", () => {
    const before = after(mitigated(), [20, resolve], [21, postmortem(1, true)], [25, alerts(alert(25))]);
    const again = checks(after(before, [26, acknowledge], [27, mitigate]), "PP").incident;
    expect(refusal(after(again, [50, resolve]), 51, close)).toMatch(/postmortem is not complete/);
  });
});
