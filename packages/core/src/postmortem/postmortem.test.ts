import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Incident, IncidentEvent } from "../incidents/incident.ts";
import { ownActRecord } from "../own-acts.ts";
import { defaultPolicy } from "../response/response.ts";
import { draftPostmortem } from "./draft.ts";
import { type Change, editPostmortem } from "./edit.ts";
import type { Evidence } from "./evidence.ts";
import { markdownOf, maxMarkdownBytes } from "./markdown.ts";
import { markerOf, markerWord, type Postmortem } from "./postmortem.ts";
import { bytesOf, maxDraftBytes } from "./size.ts";

const minute = 60_000;
const test1 = {
  server: "files",
  tool: "read",
  definition: "d",
  fileName: "files.read.test.mjs",
  source: "// a test\n",
};
const evidence: Evidence = {
  startedAt: 10 * minute,
  impact: {
    from: 10 * minute,
    to: 41 * minute,
    calls: { total: 10, bad: 3 },
    principals: { count: 1, atLeast: false, listed: ["p_a"] },
    tools: [{ name: "read", bad: 3 }],
    versions: [{ server: "files", name: "2", bad: 3 }],
  },
  candidates: [{ at: 9 * minute, what: "Version 2 of files was seen for the first time." }],
  records: [],
  contractTests: [test1],
  limits: [],
  missingReceipts: [],
};
const incident: Incident = {
  id: "inc_1",
  version: 9,
  status: "resolved",
  severity: "page",
  title: "files fails",
  cause: { environment: "", server: "files", tool: "", signal: "availability" },
  episode: 1,
  playbook: {
    kind: "Playbook",
    id: "D1",
    version: 3,
    title: "An upstream fails",
    trigger: [],
    hypothesis: "An upstream is down.",
    immediateAction: { kind: "open_breaker", params: {}, approval: "none", why: "" },
    engineeringControl: "",
    verificationTarget: [],
    rollbackTrigger: { gate: "verification", consecutiveFails: 2 },
    communication: { owner: "on-call", etaMinutes: 30, cadenceMinutes: 20 },
    learning: { postmortem: "required", questions: ["Who noticed first?"], testTemplates: ["contract"] },
  },
  policy: defaultPolicy,
  children: [],
  alerts: {},
  alertCount: 1,
  startedAt: 11 * minute,
  openedAt: 12 * minute,
  at: 12 * minute,
  calls: 0,
  escalation: { level: 1, round: 1, overdue: 0 },
  told: [],
  timers: {},
  checks: { passes: 0, fails: 0, inconclusive: 0, from: 0 },
  actions: [],
  tickets: [],
};
const events: readonly IncidentEvent[] = [
  { type: "incident.acknowledged", at: 14 * minute, by: "p_a", record: "rec_1", untilAt: 0 },
  { type: "incident.mitigated", at: 20 * minute },
  { type: "incident.resolved", at: 25 * minute },
  { type: "incident.reopened", at: 30 * minute, episode: 2 },
  { type: "incident.acknowledged", at: 31 * minute, by: "p_b", record: "rec_2", untilAt: 0 },
  { type: "incident.mitigated", at: 35 * minute },
  { type: "incident.resolved", at: 40 * minute },
];
const aPostmortem = (more: Partial<Postmortem> = {}): Postmortem => ({
  ...draftPostmortem(incident, events, evidence, 50 * minute),
  ...more,
});

describe("a draft", () => {
  test("counts from when it began to hurt, to the first who acknowledged, and to the last end", () => {
    expect(aPostmortem().durations).toEqual({
      timeToDetectMs: 2 * minute,
      timeToAcknowledgeMs: 2 * minute,
      timeToMitigateMs: 25 * minute,
      timeToResolveMs: 30 * minute,
    });
  });

  test("names no cause, and owes an owner for each contract test", () => {
    const { rootCause, trigger, drafted, actionItems, status } = aPostmortem();
    expect([rootCause, trigger, drafted, status]).toEqual(["", "", ["summary"], "draft"]);
    expect(actionItems).toEqual([
      {
        id: "item_1_1",
        title: "Run files.read.test.mjs in the server's own tests before each release",
        type: "prevent",
      },
    ]);
  });

  test("says who did what when, and by which record that is proven", () => {
    expect(aPostmortem().timeline[0]).toEqual({ at: 14 * minute, text: "Acknowledged.", by: "p_a", record: "rec_1" });
  });

  test("names the record of what the pipeline did by itself, whatever is left out between", () => {
    const many = Array.from({ length: 400 }, (_, i): IncidentEvent => ({ type: "incident.mitigated", at: i }));
    const { timeline } = draftPostmortem(incident, many, evidence, 50 * minute);
    const which = { incident: "inc_1", version: 400, type: "incident.mitigated", at: 399 };
    expect(timeline.at(-1)?.record).toBe(ownActRecord(which));
  });

  test("fits a row however much there is to tell, and drops receipts before it drops anything else", () => {
    const records = Array.from({ length: 20 }, (_, i) => ({
      record: `rec_${i}`,
      at: 0,
      what: "",
      receipt: "r".repeat(5_000),
    }));
    const texts = Array.from(
      { length: 200 },
      (_, at): IncidentEvent => ({ type: "incident.noted", at, text: "\u4e2d".repeat(300) }),
    );
    const draft = draftPostmortem(incident, texts, { ...evidence, records }, 0);
    expect(bytesOf(draft)).toBeLessThanOrEqual(maxDraftBytes);
    expect(draft.timeline).toHaveLength(200);
    expect(draft.evidence.filter(({ receipt }) => receipt !== undefined).length).toBeGreaterThan(0);
    expect(draft.limits.join()).toContain("no room");
    const longest = draftPostmortem(
      incident,
      texts.map((event) => ({ ...event, text: "\u4e2d".repeat(500) })),
      evidence,
      0,
    );
    expect(bytesOf(longest)).toBeLessThanOrEqual(maxDraftBytes);
  });

  test("of very many events tells the first and the last, and says so", () => {
    const many = Array.from(
      { length: 1_000 },
      (_, i): IncidentEvent => ({ type: "incident.noted", at: i, text: `${i}` }),
    );
    const { timeline, limits } = draftPostmortem(incident, many, evidence, 0);
    expect([timeline[0]?.text, timeline.at(-1)?.text, timeline.length]).toEqual(["Note: 0", "Note: 999", 200]);
    expect(limits.join()).toContain("1000 events");
  });
});

function edited(change: Change, postmortem = aPostmortem(), by = "p_a"): Postmortem {
  const result = editPostmortem(postmortem, change, by, 5);
  if ("refused" in result) throw new Error(result.refused);
  return result.postmortem;
}
const refusedOf = (change: Change, postmortem = aPostmortem()): string => {
  const result = editPostmortem(postmortem, change, "p_a", 5);
  return "refused" in result ? result.refused : "";
};

describe("an edit", () => {
  test("is the next revision, and says whose it is", () => {
    const first = edited({ rootCause: " A pool of one. " });
    expect(first).toMatchObject({ revision: 2, by: "p_a", at: 5, authors: ["p_a"], rootCause: "A pool of one." });
    const second = edited({ trigger: "A release" }, first, "p_b");
    expect(second).toMatchObject({ revision: 3, by: "p_b", authors: ["p_a", "p_b"], rootCause: "A pool of one." });
  });

  test("of what somebody else has changed meanwhile is refused, and says where it is by now", () => {
    expect(refusedOf({ rootCause: "x", expectedRevision: 7 })).toContain("revision 1, not 7");
    expect(edited({ rootCause: "x", expectedRevision: 1 }).revision).toBe(2);
  });

  test("makes a drafted summary somebody's own", () => {
    expect(aPostmortem().drafted).toEqual(["summary"]);
    expect(edited({ summary: "Calls failed." }).drafted).toEqual([]);
    expect(edited({ trigger: "A release" }).drafted).toEqual(["summary"]);
  });

  test("adds, changes and removes action items, whose ids are never used again", () => {
    const added = edited({
      actionItems: [{ op: "add", title: "Alert earlier", type: "detect", owner: "ada", dueAt: 9 }],
    });
    expect(added.actionItems.at(-1)).toEqual({
      id: "item_2_1",
      title: "Alert earlier",
      type: "detect",
      owner: "ada",
      dueAt: 9,
    });
    const done = edited({ actionItems: [{ op: "change", id: "item_2_1", done: true, dueAt: null }] }, added);
    expect(done.actionItems.at(-1)).toEqual({
      id: "item_2_1",
      title: "Alert earlier",
      type: "detect",
      owner: "ada",
      done: true,
    });
    const removed = edited({ actionItems: [{ op: "remove", id: "item_2_1" }] }, done);
    expect(removed.actionItems).toEqual(aPostmortem().actionItems);
    const again = edited({ actionItems: [{ op: "add", title: "Other", type: "prevent" }] }, removed);
    expect(again.actionItems.at(-1)?.id).toBe("item_5_1");
  });

  test.each<[string, Change, string]>([
    ["that changes nothing", {}, "Nothing"],
    ["that is too long", { lessons: "x".repeat(4_001) }, "lessons: 4001"],
    ["that is no Unicode", { lessons: "\ud800" }, "well-formed"],
    ["without a title", { title: "  " }, "title: empty"],
    ["of an item that is not there", { actionItems: [{ op: "remove", id: "item_9_9" }] }, "There are: item_1_1"],
    ["with an owner that is nobody", { actionItems: [{ op: "change", id: "item_1_1", owner: " " }] }, "owner: empty"],
    ["with a time that is none", { actionItems: [{ op: "change", id: "item_1_1", dueAt: Number.NaN }] }, "dueAt"],
    ["of another type", { actionItems: [{ op: "add", title: "x", type: "blame" as "prevent" }] }, "prevent"],
    ["with too many items", { actionItems: Array(50).fill({ op: "add", title: "x", type: "prevent" }) }, "50"],
  ])("%s is refused, with the reason", (_, change, reason) => {
    expect(refusedOf(change)).toContain(reason);
  });

  test("that is refused in part is refused as a whole", () => {
    const before = aPostmortem();
    refusedOf(
      {
        rootCause: "x",
        actionItems: [
          { op: "remove", id: "item_1_1" },
          { op: "remove", id: "item_1_1" },
        ],
      },
      before,
    );
    expect(before).toEqual(aPostmortem());
  });
});

test("it is complete when people have written summary and cause and each action item has an owner, and no earlier", () => {
  const steps: Change[] = [
    { summary: "s" },
    { rootCause: "c" },
    { actionItems: [{ op: "change", id: "item_1_1", owner: "ada" }] },
  ];
  const states: string[] = [];
  let now = aPostmortem();
  for (const step of steps) {
    now = edited(step, now);
    states.push(now.status);
  }
  expect(states).toEqual(["draft", "draft", "complete"]);
  expect(edited({ actionItems: [{ op: "add", title: "x", type: "process" }] }, now).status).toBe("draft");
  expect(edited({ actionItems: [{ op: "remove", id: "item_1_1" }] }, now).status).toBe("draft");
  expect(edited({ rootCause: "" }, now).status).toBe("draft");
});

describe("as Markdown", () => {
  const receiptOf = (i: number, bytes: number) => ({
    record: `rec_${i}`,
    at: 0,
    what: "A call.",
    receipt: "r".repeat(bytes),
  });

  test("it ends with its marker, which is nowhere else, whatever anybody has written", () => {
    const text = `before ${markerOf("inc_1")} ${markerOf("inc_2")}`;
    const markdown = markdownOf(aPostmortem({ title: text, summary: text, hypothesis: text, limits: [text] }));
    expect(markdown.endsWith(`\n${markerOf("inc_1")}\n`)).toBe(true);
    expect(markdown.split(markerWord)).toHaveLength(2);
  });

  test("texts of others make no markup, no mention, no link and no row of a table of their own", () => {
    const hostile = "# x\n| a | [click](http://evil.example) <img src=x> @team #12 `code` **b** www.evil.example";
    const of = (text: string) =>
      markdownOf(
        aPostmortem({ timeline: [{ at: 0, text, by: text, record: text }], hypothesis: text, limits: [text] }),
      );
    const markdown = of(hostile);
    expect(markdown).not.toMatch(/@team|#12|http:|www\.|(?<!\\)<|(?<!\\)\[/);
    expect(markdown.split("\n")).toHaveLength(of("plain").split("\n").length);
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const row = of(text)
          .split("\n")
          .find((line) => line.startsWith("| 1970-01-01T00:00:00.000Z"));
        expect(row?.match(/(?<!\\)(?:\\\\)*\|/g)).toHaveLength(5);
        expect(row).not.toMatch(/(?<!\\)(?:\\\\)*[`<[*]/);
      }),
    );
  });

  test("what people write keeps its lines, its lists and its links", () => {
    const markdown = markdownOf(
      aPostmortem({ lessons: "Two:\n- one, see https://wiki.example/a_b.\n- two\n\nThat is all." }),
    );
    expect(markdown).toContain(
      "Two:\n\n- one, see [https\u200b://wiki.example/a_b](https://wiki.example/a_b).\n- two\n\nThat is all.",
    );
  });

  test.each([
    ["a terminal obeys", "\u001b[2J"],
    ["nobody sees", "\u00ad\u200b\u2060"],
    ["turns the direction of writing", "\u202e"],
    ["is blank, and no space", "\u3164\u2800\u034f"],
    ["ends a line for some", "\u0085\u2028"],
  ])("a link ends before what %s", (_, hidden) => {
    const markdown = markdownOf(aPostmortem({ lessons: `See https://x.example/${hidden}a, or not.` }));
    expect(markdown.match(/\]\([^)]*\)/g)).toEqual(["](https://x.example/)"]);
  });

  test("a fence holds whatever is in it", () => {
    const source = 'const text = "````";\n';
    const fence = { server: "files", tool: "read", definition: "d", fileName: "f.mjs", source };
    expect(markdownOf(aPostmortem({ contractTests: [fence] }))).toContain(`\`\`\`\`\`js\n${source}\`\`\`\`\``);
  });

  test("a draft is marked as one, and what nobody has written says so", () => {
    const markdown = markdownOf(aPostmortem());
    expect(markdown).toContain("**Draft, to be written by people:** ");
    expect(markdown).toContain("3 of 10");
    expect(markdown).toMatch(/## Root cause\n\nNobody has written this yet\./);
    expect(markdown).toContain("**nobody yet**");
  });

  test("what was not counted to the end is said to be so, and what nobody asked for to be the pipeline's", () => {
    const { impact } = evidence;
    const some = { ...impact, principals: { ...impact.principals, atLeast: true } };
    const action = { id: "a1", kind: "degrade", params: {}, approval: "none", state: "started" } as const;
    const text = markdownOf(aPostmortem({ impact: some, actions: [{ ...action, by: "", requestedAt: 1 }] }));
    for (const said of [
      "**Tools:** at least read (3)",
      "**Versions:** at least files 2 (3)",
      "by the pipeline: **started**",
    ])
      expect(text).toContain(said);
    expect(markdownOf(aPostmortem())).not.toContain("at least");
  });

  test("it has room in a ticket, and drops receipts before anything else", () => {
    const huge = aPostmortem({
      evidence: Array.from({ length: 20 }, (_, i) => receiptOf(i, 12_000)),
      lessons: "\\".repeat(4_000),
      limits: Array.from({ length: 10 }, () => "x"),
    });
    const markdown = markdownOf(huge);
    expect(Buffer.byteLength(markdown)).toBeLessThanOrEqual(maxMarkdownBytes);
    expect(markdown).toContain("## Lessons\n\n\\\\");
    expect(markdown).toMatch(/### rec_0\n\n```\nrrr/);
    expect(markdown).toMatch(/### rec_19\n\nThere is no room/);
    expect(markdown.endsWith(`${markerOf("inc_1")}\n`)).toBe(true);
  });
});
