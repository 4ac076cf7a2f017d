import { expect, test } from "vitest";
import { alerted, aNotice, opened, openedAt, requested } from "../../../../test/support/destinations/notice.ts";
import type { IncidentEvent } from "../incidents/incident.ts";
import { escapeMrkdwn } from "./tell-slack.ts";
import { asText, cut, plainText, wordsOf } from "./words.ts";

const at = openedAt + 60_000;
const saidOf = (event: IncidentEvent, later: readonly IncidentEvent[] = []): string => {
  const words = wordsOf(aNotice(event, later));
  return words === undefined ? "" : asText(words);
};

test("whoever is told of a new incident sees what burns, what to do, and who does it", () => {
  expect(saidOf(opened)).toBe(`[page] Opened: availability of billing/refund in production burns

Incident: inc_abcdefghijklmnopqrstuvwxyz
Status: open, page, since 2026-02-03 12:03:04 UTC
Burns: availability of billing/refund in production (page) since 2026-02-03 12:01:04 UTC: 14.4 times as fast as the budget allows
Version: 2.0.1
Playbook: Refunds fail (refunds-fail)
Hypothesis: One refund of one euro fails, with the last release and without any other load.
Immediate action: degrade (tool refund, maxQueued 500), requested. Refunds that wait are worth more than refunds that fail half done.
To approve degrade: npx tooltrail incident approve inc_abcdefghijklmnopqrstuvwxyz act_1
Owner: on-call engineer of payments, to be over at 2026-02-03 13:03:04 UTC by the playbook; a status is due every 20 min
Runbook: billing-2 (versions >=2.0.0 <3) back to 1.9.4
Next: npx tooltrail incident ack inc_abcdefghijklmnopqrstuvwxyz
Runbook: https://wiki.example.com/billing?page=rollback&from=2
`);
});

const acknowledged: IncidentEvent = { type: "incident.acknowledged", at, by: "p_ann", untilAt: at + 1 };
const mitigating: IncidentEvent = { type: "incident.mitigating", at, why: "begun" };
const mitigated: IncidentEvent = { type: "incident.mitigated", at };

test.each<[string, IncidentEvent, readonly IncidentEvent[], RegExp]>([
  ["who has it", acknowledged, [], /^\[page\] Acknowledged by p_ann: .*Next: npx tooltrail incident mitigate inc_/s],
  [
    "who is next when nobody comes",
    { type: "incident.escalated", at, level: 2, round: 1, why: "unacknowledged" },
    [],
    /^\[page\] Escalated to level 2 in round 1, nobody has acknowledged it: /,
  ],
  [
    "when all were told in vain",
    { type: "incident.escalation.exhausted", at, rounds: 5 },
    [],
    /Nobody came in 5 rounds/,
  ],
  [
    "what a person says, who does it and until when",
    { type: "incident.status.published", at, text: "Rolled\nback", owner: "Ann", etaAt: at + 60_000 },
    [],
    /Status, Rolled back: .*Owner: Ann, to be over at 2026-02-03 12:05:04 UTC/s,
  ],
  [
    "since when nobody has said anything",
    { type: "incident.status.overdue", at, dueAt: at },
    [],
    /due since 2026-02-03 12:04:04 UTC/,
  ],
  [
    "the runbook's steps, when it is time for them",
    { type: "rollback.requested", at, runbook: opened.runbook },
    [],
    /Roll back to 1\.9\.4: .*Step 2: Wait until no call names 2\.x any more\./s,
  ],
  ["that it is a page now", { ...alerted, raised: true }, [], /Has become a page/],
  ["that more is befallen", { ...alerted, widened: true }, [], /Has become wider/],
  ["that an action waits", requested, [], /Action waits for approval, degrade: /],
  ["that it is over", { type: "incident.resolved", at }, [], /Resolved: .*Next: npx tooltrail postmortem show inc_/s],
  [
    "that an action was refused, and why",
    { type: "action.rejected", at, action: "act_1", reason: "too early" },
    [],
    /Action act_1 rejected, too early: .*degrade .*, rejected\./s,
  ],
])("it is told %s", (_, event, later, expected) => {
  const before = event.type === "incident.resolved" ? [acknowledged, mitigating, mitigated, event] : later;
  expect(saidOf(event, before)).toMatch(expected);
});

test.each<[string, IncidentEvent]>([
  ["more alerts of what it knows", alerted],
  ["an action that is started at once", { ...requested, approval: "none" }],
  ["a postmortem that is still being written", { type: "postmortem.updated", at, revision: 2, isComplete: false }],
  ["its tickets", { type: "ticket.linked", at, ticket: { destination: "x", id: "1", url: "https://x", revision: 1 } }],
])("nobody is told %s", (_, event) => expect(saidOf(event)).toBe(""));

test("nothing that a server is called makes lines, heads of mails or writing from right to left", () => {
  const evil = "a\r\nBcc: all@example.com\u202e\u0007\u001b[31m\u2028x";
  const words = wordsOf(aNotice(opened, [], { title: evil, text: evil }));
  const said = words && [words.title, ...words.lines.map(({ text }) => text)].join("|");
  expect(said).toContain("a Bcc: all@example.com???[31m x");
  expect(said).not.toMatch(/[\p{C}\u2028]/u);
});

test("a link that is no web page's is not one", () => {
  const ticket = { destination: "x", id: "1", url: "javascript:alert(1)", revision: 1 };
  const words = wordsOf(aNotice(opened, [{ type: "ticket.linked", at, ticket }]));
  expect(words?.links.map(({ text }) => text)).toEqual(["Runbook"]);
});

test("of many causes the first are told, and how many there are more", () => {
  const alerts = Array.from({ length: 9 }, (_, i) => ({
    ...alerted.alerts[0],
    cause: { ...alerted.alerts[0].cause, tool: `tool${i}` },
  }));
  const said = saidOf(opened, [{ ...alerted, alerts }]);
  expect(said.match(/^Burns: /gm)).toHaveLength(6);
  expect(said).toContain("Burns: and 5 more");
});

test.each([
  ["a mention", "<!channel> & co", "&lt;!channel&gt; &amp; co"],
  ["a link", "<https://evil.example|Approve>", "&lt;https://evil.example|Approve&gt;"],
  ["code", "```x` y", "'''x' y"],
  ["emphasis", "*now* ~no~ _x_", "∗now∗ ∼no∼ ˍxˍ"],
  ["a name with underscores, which does nothing", "read_file_now", "read_file_now"],
])("in Slack nothing is %s", (_, text, expected) => expect(escapeMrkdwn(text)).toBe(expected));

test("what is cut ends with a whole character", () => {
  expect(cut("abc", 3)).toBe("abc");
  expect(cut("ab😀d", 4)).toBe("ab…");
  expect(plainText("a\ud83dz")).toBe("a?z");
});
