import type { IncidentEvent } from "@tooltrail/core/incidents/incident";
import type { Ways } from "@tooltrail/core/incidents/ports";
import type { Destination as Told } from "@tooltrail/core/response/response";
import { tell } from "@tooltrail/core/telling/tell";
import { runAction } from "@tooltrail/core/telling/tell-executor";
import { afterEach, describe, expect, test } from "vitest";
import { fetchHttp } from "../../functions/lib/http.ts";
import { alerted, aNotice, opened, openedAt, requested } from "../support/destinations/notice.ts";
import { startPagerDuty } from "../support/destinations/pagerduty.ts";
import { broken, type Destination, type Fault, rateLimited } from "../support/destinations/server.ts";
import { startSlack } from "../support/destinations/slack.ts";
import { startWebhook } from "../support/destinations/webhook.ts";

const now = openedAt + 60_000;
const timeoutMs = 300;
const running: Destination[] = [];
afterEach(async () => {
  for (const server of running.splice(0)) await server.stop();
});
async function started<T extends Destination>(server: Promise<T>): Promise<T> {
  running.push(await server);
  return server;
}

const waysWith = (secrets: { readonly [name: string]: string }, more: Partial<Ways> = {}): Ways => ({
  now: () => now,
  http: fetchHttp({ timeoutMs }),
  secrets: { read: async (name) => secrets[name] },
  ...more,
});

/** A server, a destination that names it, and how often it has been told something. */
interface Place {
  readonly server: Destination;
  readonly ways: Ways;
  readonly destination: Told;
  readonly secret: string;
  told(): number;
}

async function pagerDuty() {
  const server = await started(startPagerDuty());
  const destination: Told = {
    kind: "Destination",
    name: "on-call",
    type: "pagerduty",
    url: server.url,
    routingKey: { secret: "pagerduty" },
  };
  const told = () => server.incidents().flatMap(({ actions }) => actions).length;
  return { server, destination, ways: waysWith({ pagerduty: server.routingKey }), secret: server.routingKey, told };
}

async function slack() {
  const server = await started(startSlack());
  const destination: Told = { kind: "Destination", name: "channel", type: "slack", url: { secret: "slack" } };
  const secret = new URL(server.url).pathname;
  return { server, destination, ways: waysWith({ slack: server.url }), secret, told: () => server.messages().length };
}

async function webhook() {
  const server = await started(startWebhook(() => now));
  const destination: Told = {
    kind: "Destination",
    name: "hook",
    type: "webhook",
    url: server.url,
    signingKey: { secret: "webhook" },
  };
  const told = () => server.deliveries().length;
  return { server, destination, ways: waysWith({ webhook: server.signingKey }), secret: server.signingKey, told };
}

const places: readonly (readonly [string, () => Promise<Place>, isOnce: boolean])[] = [
  ["PagerDuty", pagerDuty, true],
  ["Slack", slack, false],
  ["a webhook", webhook, true],
];

describe.each(places)("%s", (name, open, isOnce) => {
  test("is told of an incident", async () => {
    const { ways, destination, told } = await open();
    expect(await tell(ways, destination, aNotice(opened))).toEqual({ outcome: "done" });
    expect(told()).toBe(1);
  });

  const later = { outcome: "failed", retryable: true };
  const never = { outcome: "failed", retryable: false };
  test.each<[string, Fault, object]>([
    ["asks to wait seven seconds", rateLimited, { ...later, retryAfterMs: 7_000 }],
    [
      "asks to wait until a time",
      { status: 503, headers: { "retry-after": new Date(now + 90_000).toUTCString() } },
      { ...later, retryAfterMs: 90_000 },
    ],
    ["asks to wait for it knows not what", { status: 429, headers: { "retry-after": "soon" } }, later],
    ["is broken", broken, later],
    ["does not know the secret, which may be being rotated", { status: 401 }, later],
    [
      "limits the rate as GitHub does",
      { status: 403, headers: { "retry-after": "1" } },
      { ...later, retryAfterMs: 1_000 },
    ],
    ["forbids it", { status: 403 }, never],
    ["refuses the request", { status: 400, body: "invalid" }, never],
    ["is not there any more", { status: 410 }, never],
    ["does not answer", "slow", later],
    ["answers a byte now and then", "dripping", later],
    ["closes the connection within its answer", "half-closed", later],
    ["resets the connection", "reset", later],
  ])("that %s", async (_, fault, expected) => {
    const { server, ways, destination, told, secret } = await open();
    server.answerWith(fault, 1);
    const attempt = await tell(ways, destination, aNotice(opened));
    expect(attempt).toMatchObject(expected);
    expect(attempt).toMatchObject({ why: expect.stringContaining(`"${destination.name}"`) });
    expect(JSON.stringify(attempt)).not.toContain(secret);
    expect(told()).toBe(0);
    // The next attempt.
    expect(await tell(ways, destination, aNotice(opened))).toEqual({ outcome: "done" });
    expect(told()).toBe(1);
  });

  test(`whose answer was lost is told ${isOnce ? "once" : "again"}`, async () => {
    const { server, ways, destination, told } = await open();
    server.answerWith("answer lost", 1);
    expect(await tell(ways, destination, aNotice(opened))).toMatchObject(later);
    expect(await tell(ways, destination, aNotice(opened))).toEqual({ outcome: "done" });
    // PagerDuty counts the second trigger, and has one incident.
    expect(name === "PagerDuty" ? 1 : told()).toBe(isOnce ? 1 : 2);
  });

  test("that points elsewhere is not followed: the secret stays here", async () => {
    const { server, ways, destination } = await open();
    const elsewhere = await started(startWebhook());
    server.answerWith({ status: 307, headers: { location: elsewhere.url } });
    expect(await tell(ways, destination, aNotice(opened))).toMatchObject(never);
    expect(elsewhere.requests()).toEqual([]);
  });

  test("that answers without an end is read no further", async () => {
    const { server, ways, destination } = await open();
    server.answerWith("endless");
    // That it was accepted is told by its beginning; Slack and PagerDuty have an answer of their own.
    const expected = name === "a webhook" ? { outcome: "done" } : later;
    expect(await tell(ways, destination, aNotice(opened))).toMatchObject(expected);
  });

  test("that is down is told later", async () => {
    const { server, ways, destination } = await open();
    await server.stop();
    running.splice(0);
    const attempt = await tell(ways, destination, aNotice(opened));
    expect(attempt).toMatchObject({ ...later, why: expect.stringContaining("ECONNREFUSED") });
  });

  test("whose secret is missing is told later, and the secret is named", async () => {
    const { ways, destination } = await open();
    const without = { ...ways, secrets: { read: async () => undefined } };
    const attempt = await tell(without, destination, aNotice(opened));
    expect(attempt).toMatchObject({
      ...later,
      why: expect.stringMatching(/there is no secret "(pagerduty|slack|webhook)"/),
    });
  });

  test("that sends the secret back does not get it into our log", async () => {
    const { server, ways, destination, secret } = await open();
    // At the place where the quotation is cut.
    server.answerWith({ status: 400, body: `${"x".repeat(290)}${secret}` });
    const attempt = await tell(ways, destination, aNotice(opened));
    expect(attempt).toMatchObject({ why: expect.stringContaining("(secret)") });
    expect(JSON.stringify(attempt)).not.toContain(secret.slice(0, 12));
  });

  test("whose secret cannot be sent, for a line feed in it, does not get it into our log", async () => {
    const { ways, destination, secret } = await open();
    const wrong = { ...ways, secrets: { read: async () => `${secret}\r\nx` } };
    expect(JSON.stringify(await tell(wrong, destination, aNotice(opened)))).not.toContain(secret);
  });
});

describe("PagerDuty", () => {
  const at = now;
  const acknowledged: IncidentEvent = { type: "incident.acknowledged", at, untilAt: at + 1 };
  const escalated: IncidentEvent = { type: "incident.escalated", at, level: 2, round: 1, why: "unacknowledged" };
  const resolved: IncidentEvent = { type: "incident.resolved", at };
  const reopened: IncidentEvent = { type: "incident.reopened", at, episode: 2 };

  test("has one incident for each episode", async () => {
    const { server, ways, destination } = await pagerDuty();
    const story = [opened, escalated, acknowledged, resolved];
    for (const event of story) await tell(ways, destination, aNotice(event));
    await tell(ways, destination, aNotice(reopened, []));
    expect(server.incidents()).toMatchObject([
      {
        dedupKey: "tooltrail/inc_abcdefghijklmnopqrstuvwxyz/1",
        state: "resolved",
        actions: ["trigger", "trigger", "acknowledge", "resolve"],
      },
      { dedupKey: "tooltrail/inc_abcdefghijklmnopqrstuvwxyz/2", state: "triggered", actions: ["trigger"] },
    ]);
  });

  test("shows what burns and what to do", async () => {
    const { server, ways, destination } = await pagerDuty();
    await tell(ways, destination, aNotice(opened));
    expect(server.incidents()[0]?.payload).toMatchObject({
      summary: "[page] Opened: availability of billing/refund in production burns",
      source: "billing",
      component: "refund",
      group: "production",
      class: "availability",
      severity: "critical",
      timestamp: "2026-02-03T12:03:04.000Z",
      custom_details: { Next: "npx tooltrail incident ack inc_abcdefghijklmnopqrstuvwxyz" },
    });
    const [request] = server.requests();
    expect(JSON.parse(request?.body ?? "")).toMatchObject({
      links: [{ href: opened.runbook.url, text: "Runbook" }],
    });
  });

  test.each<[string, IncidentEvent]>([
    ["Cancelled", { type: "incident.cancelled", at, reason: "a test" }],
    ["Merged", { type: "incident.merged", at, into: "inc_other" }],
  ])("%s is resolved there", async (_, event) => {
    const { server, ways, destination } = await pagerDuty();
    await tell(ways, destination, aNotice(opened));
    expect(await tell(ways, destination, aNotice(event))).toEqual({ outcome: "done" });
    expect(server.incidents()).toMatchObject([{ state: "resolved" }]);
  });

  test.each<[string, IncidentEvent]>([
    ["a page that was a ticket", { ...alerted, raised: true }],
    ["a status that is overdue", { type: "incident.status.overdue", at, dueAt: at }],
    ["that nobody comes", { type: "incident.escalation.exhausted", at, rounds: 5 }],
  ])("is told of %s", async (_, event) => {
    const { server, ways, destination } = await pagerDuty();
    expect(await tell(ways, destination, aNotice(event))).toEqual({ outcome: "done" });
    expect(server.incidents()).toMatchObject([{ state: "triggered" }]);
  });

  test.each<[string, IncidentEvent]>([
    ["more alerts of what it knows", alerted],
    ["a status", { type: "incident.status.published", at, text: "x", owner: "Ann", etaAt: at }],
    ["a mitigation", { type: "incident.mitigated", at }],
    ["an action", requested],
  ])("is not told of %s", async (_, event) => {
    const { server, ways, destination } = await pagerDuty();
    expect(await tell(ways, destination, aNotice(event))).toEqual({ outcome: "skipped" });
    expect(server.requests()).toEqual([]);
  });

  test.each<[string, readonly IncidentEvent[]]>([
    ["is resolved", [resolved]],
    ["was resolved, and is open again", [resolved, reopened]],
  ])("is not woken by an escalation that comes late, when the incident %s", async (_, meanwhile) => {
    const { server, ways, destination } = await pagerDuty();
    expect(await tell(ways, destination, aNotice(escalated, meanwhile))).toEqual({ outcome: "skipped" });
    expect(server.requests()).toEqual([]);
  });
});

describe("Slack", () => {
  test("shows all of it, the commands to copy, and the links", async () => {
    const { server, ways, destination } = await slack();
    await tell(ways, destination, aNotice(opened));
    const [message] = server.messages();
    expect(message).toContain("[page] Opened: availability of billing/refund in production burns");
    expect(message).toContain(
      "*To approve degrade:* `npx tooltrail incident approve inc_abcdefghijklmnopqrstuvwxyz act_1`",
    );
    expect(message).toContain("*Runbook:* billing-2 (versions &gt;=2.0.0 &lt;3) back to 1.9.4");
    expect(message).toContain("<https://wiki.example.com/billing?page=rollback&amp;from=2|Runbook>");
  });

  test("takes the longest that there can be, and nobody is mentioned in it", async () => {
    const { server, ways, destination } = await slack();
    const evil = `<!channel>${"&`".repeat(1_000)}`;
    const runbook = { ...opened.runbook, steps: Array(50).fill(evil), url: `https://example.com/?${"&".repeat(900)}` };
    const alerts = Array.from({ length: 9 }, (_, i) => ({
      ...alerted.alerts[0],
      cause: { ...alerted.alerts[0].cause, tool: `${i}${evil}` },
      text: evil,
    }));
    const notice = aNotice({ type: "rollback.requested", at: now, runbook }, [{ ...alerted, alerts }], { title: evil });
    const longest = { ...notice, incident: { ...notice.incident, runbook } };
    expect(await tell(ways, destination, longest)).toEqual({ outcome: "done" });
    const [message = ""] = server.messages();
    const [, sections = ""] = /^[^\n]*\n(.*)$/s.exec(message) ?? [];
    expect(sections.length).toBeLessThan(12_000);
    expect(sections).not.toContain("<!");
    expect(sections).toContain("*Steps:* and 40 more, in the runbook");
    expect(sections).toContain("`npx tooltrail incident ack inc_abcdefghijklmnopqrstuvwxyz`");
  });
});

describe("a webhook", () => {
  test("gets the event and a summary, signed with the time of the attempt", async () => {
    const { server, ways, destination } = await webhook();
    const event: IncidentEvent = {
      type: "gate.checked",
      at: openedAt,
      result: "fail",
      from: 1,
      to: 2,
      measured: [],
      consecutive: 1,
    };
    await tell(ways, destination, aNotice(event));
    expect(server.deliveries()).toMatchObject([
      {
        id: "inc_abcdefghijklmnopqrstuvwxyz/000001/000",
        type: "gate.checked",
        timestamp: "2026-02-03T12:03:04.000Z",
        data: { incident: { id: opened.id, status: "open", cause: opened.cause }, event },
      },
    ]);
    expect(server.requests()[0]?.headers["webhook-timestamp"]).toBe(String(now / 1_000));
  });

  test.each(["whsec_", "no base64!", "whsec_%"])("whose key is %j is told later, and the key is named", async (key) => {
    const { destination } = await webhook();
    const attempt = await tell(waysWith({ webhook: key }), destination, aNotice(opened));
    expect(attempt).toMatchObject({ outcome: "failed", retryable: true, why: expect.stringContaining(`"webhook"`) });
  });

  test("that signs with another key refuses it", async () => {
    const { destination, told } = await webhook();
    const other = waysWith({ webhook: `whsec_${Buffer.alloc(32, 1).toString("base64")}` });
    expect(await tell(other, destination, aNotice(opened))).toMatchObject({ outcome: "failed" });
    expect(told()).toBe(0);
  });
});

describe("an executor", () => {
  const at = now;
  const startedAction: IncidentEvent = { type: "action.started", at, action: "act_1" };
  const undone: IncidentEvent = { type: "action.undo.started", at, action: "act_1" };
  const rollback: IncidentEvent = { type: "rollback.requested", at, serverVersion: "2.0.1", runbook: opened.runbook };

  test.each<[string, IncidentEvent, object]>([
    [
      "an action",
      startedAction,
      { action: { id: "act_1", kind: "degrade", params: { tool: "refund", maxQueued: 500 } } },
    ],
    ["one to take back", undone, { action: { id: "act_1", kind: "degrade" } }],
    ["a rollback", rollback, { event: { serverVersion: "2.0.1", runbook: { rollbackTo: "1.9.4" } } }],
  ])("is given %s, with all that it needs, once", async (_, event, data) => {
    const { server, ways, destination } = await webhook();
    server.answerWith("answer lost", 1);
    expect(await runAction(ways, destination, aNotice(event))).toMatchObject({ outcome: "failed", retryable: true });
    const run = await runAction(ways, destination, aNotice(event));
    expect(run).toEqual({ outcome: "done", answer: '{"accepted":"inc_abcdefghijklmnopqrstuvwxyz/000001/000"}' });
    expect(server.deliveries()).toMatchObject([{ type: event.type, data }]);
  });

  test("is given nothing else", async () => {
    const { server, ways, destination } = await webhook();
    expect(await runAction(ways, destination, aNotice(opened))).toEqual({ outcome: "skipped" });
    expect(server.requests()).toEqual([]);
  });

  test("that is no webhook carries nothing out", async () => {
    const { ways, destination } = await slack();
    expect(await runAction(ways, destination, aNotice(startedAction))).toMatchObject({
      outcome: "failed",
      retryable: false,
    });
  });
});

describe("email and topics", () => {
  const email: Told = {
    kind: "Destination",
    name: "mail",
    type: "email",
    from: "a@example.com",
    to: ["b@example.com"],
  };
  const topic: Told = {
    kind: "Destination",
    name: "topic",
    type: "sns",
    topicArn: "arn:aws:sns:us-east-1:000000000000:incidents",
  };

  test.each([
    ["email", email, /sends no email: that needs Amazon SES/],
    ["topics", topic, /has no topics: that needs Amazon SNS/],
  ])("without %s it is said, and not tried again", async (_, destination, why) => {
    const attempt = await tell(waysWith({}), destination, aNotice(opened));
    expect(attempt).toMatchObject({ outcome: "failed", retryable: false, why: expect.stringMatching(why) });
  });

  test("have a subject of one line, and say the rest as text", async () => {
    const sent: { readonly subject: string; readonly text: string }[] = [];
    const push = async (message: { readonly subject: string; readonly text: string }) => void sent.push(message);
    const ways = waysWith({}, { mail: { send: push }, topics: { publish: push } });
    const notice = aNotice(opened, [], { title: `Ausfälle\r\nBcc: x\u202e ${"ü".repeat(500)}` });
    expect(await tell(ways, email, notice)).toEqual({ outcome: "done" });
    expect(await tell(ways, topic, notice)).toEqual({ outcome: "done" });
    const [mail, message] = sent;
    expect(mail?.subject).toMatch(/^\[page\] Opened: Ausfälle Bcc: x\? ü+…$/);
    expect(message?.subject).toMatch(/^[\x20-\x7e]{1,99}$/);
    expect(mail?.text).toContain("Next: npx tooltrail incident ack inc_");
    expect(message?.text).toBe(mail?.text);
  });
});

test.each<Told>([
  { kind: "Destination", name: "x", type: "github", repository: "a/b", token: { secret: "x" } },
  { kind: "Destination", name: "x", type: "jira", url: "https://x", project: "OPS", user: "x", token: { secret: "x" } },
  { kind: "Destination", name: "x", type: "folder", path: "x" },
])("$type takes tickets, and is told nothing", async (destination) => {
  expect(await tell(waysWith({ x: "x" }), destination, aNotice(opened))).toMatchObject({
    outcome: "failed",
    retryable: false,
  });
});
