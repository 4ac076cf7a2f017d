import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type {
  IncidentAnswer,
  IncidentEventsAnswer,
  IncidentSummary,
  IncidentsPage,
  PostmortemAnswer,
} from "@tooltrail/api/types";
import { isOwnAct, ownActRecord } from "@tooltrail/core/own-acts";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  eventually,
  makePlace,
  type Place,
  type Ran,
  type RunningPipeline,
  records,
  root,
  startPipeline,
  tooltrail,
} from "../support/pipeline.ts";

/*
 * Three servers fail at a real pipeline, and people deal with it by the command line alone, from the first acknowledgement to the closed postmortem. Tests go on from one another. What takes minutes, the
 * checks, is done by a pipeline on the same data whose clock runs faster.
 */

const place = makePlace();
let pipeline: RunningPipeline;
const ids: { [server: string]: string } = {};

beforeAll(async () => {
  pipeline = await startPipeline(place);
});
afterAll(async () => {
  await pipeline.stop("SIGKILL");
  place.remove();
});

const run = (...words: string[]): Promise<Ran> => tooltrail(place, pipeline.endpoint, ...words);
const incident = (...words: string[]): Promise<Ran> => run("incident", ...words);

async function answerOf<T>(...words: string[]): Promise<T> {
  const { code, stdout, stderr } = await run(...words, "--json");
  if (code !== 0) throw new Error(`${words.join(" ")} ended with ${code}: ${stderr}`);
  return JSON.parse(stdout) as T;
}
const list = async (...words: string[]): Promise<readonly IncidentSummary[]> =>
  (await answerOf<IncidentsPage>("incident", "list", ...words)).incidents;
const show = (id: string): Promise<IncidentAnswer & IncidentEventsAnswer> =>
  answerOf("incident", "show", id, "--events");
const countOf = async (id: string, type: string): Promise<number> =>
  (await show(id)).events.filter((event) => event.type === type).length;
const idOf = (server: string): string => ids[server] ?? "";

async function report(server: string, outcome: string, count: number): Promise<void> {
  const Entries = Array.from({ length: count }, () => ({
    Source: server,
    DetailType: "MCP Tool Call",
    Detail: JSON.stringify({ server, tool: "run", outcome }),
  }));
  for (let from = 0; from < count; from += 10) {
    const response = await fetch(pipeline.endpoint, {
      method: "POST",
      headers: { "x-amz-target": "AWSEvents.PutEvents" },
      body: JSON.stringify({ Entries: Entries.slice(from, from + 10) }),
    });
    expect(await response.json()).toMatchObject({ FailedEntryCount: 0 });
  }
}

/** It is refused, and the sentence says what is possible. */
async function expectRefused(ran: Promise<Ran>, why: RegExp): Promise<void> {
  const { code, stdout, stderr } = await ran;
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toMatch(why);
}

test("an outage is an incident, which one screen tells all about", async () => {
  expect(await incident("list", "--live")).toMatchObject({ code: 0, stdout: "No incident.\n" });
  expect(await incident("show", "latest")).toMatchObject({ code: 1, stdout: "" });
  for (const server of ["billing", "search", "mail"]) await report(server, "timeout", 20);
  const open = await eventually(
    () => list(),
    ({ length }) => length === 3,
    30_000,
  );
  for (const { id, cause } of open) ids[cause.server] = id;
  expect(Object.keys(ids).sort()).toEqual(["billing", "mail", "search"]);
  expect(await list("--server", "mail")).toMatchObject([{ id: ids.mail, status: "open", severity: "page" }]);
  const { code, stdout } = await incident("list", "--live");
  expect(code).toBe(0);
  expect(stdout.split("\n")[0]).toBe(
    "id                             status       severity level age        title                                        owner            playbook",
  );

  const shown = (await incident("show", idOf("billing"))).stdout;
  expect(shown).toContain(`${ids.billing}: availability of billing\nopen, page, since `);
  expect(shown).toContain("burns");
  expect(shown).toContain(`npx tooltrail incident approve ${ids.billing} a1\n`);
  expect(shown).toContain("there is no runbook");
  expect(shown).toMatch(/level 2 is told/);
  expect(shown).toContain(`Possible now:\n  npx tooltrail incident ack ${ids.billing}\n`);
});

test("an id may be abbreviated to what is its own", async () => {
  const id = idOf("billing");
  for (const part of [id.slice(-6), id.slice(4, -2), id.slice(0, -2)])
    expect((await incident("show", part)).stdout).toContain(`${id}: `);
  const several = await incident("show", id.slice(4, 10));
  expect(several.code).toBe(64);
  for (const one of Object.values(ids)) expect(several.stderr).toContain(one);
  expect(await incident("ack", id.slice(-5))).toMatchObject({ code: 64, stdout: "" });
  expect(await incident("ack", "inc_nothing")).toMatchObject({ code: 1, stdout: "" });
});

test("what is not possible now is refused, with what is", async () => {
  for (const word of ["mitigate", "resolve", "close"])
    await expectRefused(
      incident(word, idOf("billing")),
      /is open: \w+ is not possible\. Possible now: acknowledge, status, note, cancel/,
    );
  await expectRefused(incident("finish", idOf("billing"), "a1", "--detail", "x"), /a1 is requested.*Possible now/);
  await expectRefused(incident("merge", idOf("billing"), "--into", idOf("billing")), /into itself.*Possible now/);
});

test("a request that is sent again with its key is done once", async () => {
  const once = await incident("ack", idOf("billing"), "--key", "first");
  expect(once).toMatchObject({ code: 0, stderr: "" });
  expect(once.stdout).toMatch(/^inc_\w+: acknowledged, page, availability of billing\. Possible now: .*mitigate.*\n$/);
  expect(await incident("ack", idOf("billing"), "--key", "first")).toEqual(once);
  expect(await countOf(idOf("billing"), "incident.acknowledged")).toBe(1);
  await expectRefused(incident("note", idOf("billing"), "x", "--key", "first"), /used for something else/);
});

test("of two people at the same time nobody is lost", async () => {
  const both = await Promise.all([incident("ack", idOf("search")), incident("note", idOf("search"), "on my way")]);
  expect(both.map(({ code }) => code)).toEqual([0, 0]);
  expect(await countOf(idOf("search"), "incident.acknowledged")).toBe(1);
  expect(await countOf(idOf("search"), "incident.noted")).toBe(1);
  // Who says again that he is at it puts nothing off.
  expect(await incident("ack", idOf("search"))).toMatchObject({ code: 0 });
  expect(await countOf(idOf("search"), "incident.acknowledged")).toBe(1);
});

test("one is merged into another, which is cancelled", async () => {
  const merged = await incident("merge", idOf("mail"), "--into", idOf("search").slice(-8));
  expect(merged).toMatchObject({ code: 0 });
  expect(merged.stdout).toContain(`${ids.mail}: merged into ${ids.search}, page`);
  expect((await show(idOf("search"))).incident.children).toEqual([ids.mail]);
  expect((await incident("show", idOf("search"))).stdout).toContain(`children    ${ids.mail}\n`);
  await expectRefused(incident("ack", idOf("mail")), /is merged: acknowledge is not possible\. Nothing is\./);
  const cancelled = await incident("cancel", idOf("search"), "--reason", "a test of the network");
  expect(cancelled.stdout).toContain(`${ids.search}: cancelled, page`);
  await expectRefused(incident("note", idOf("search"), "late"), /is cancelled/);
  expect(await list()).toMatchObject([{ id: ids.billing }]);
  expect(await list("--status", "cancelled")).toMatchObject([{ id: ids.search }]);
  expect((await list("--status", "all", "--limit", "2")).length).toBe(2);
});

test("status, notes and actions", async () => {
  const id = idOf("billing");
  expect(await incident("status", id, "--owner", "Ann", "--eta", "45m", "The database is full")).toMatchObject({
    code: 0,
  });
  const { lastStatus } = (await show(id)).incident;
  expect(lastStatus).toMatchObject({ owner: "Ann", text: "The database is full" });
  expect(Math.abs((lastStatus?.etaAt ?? 0) - Date.now() - 45 * 60_000)).toBeLessThan(60_000);
  await expectRefused(incident("status", id, "--owner", "Ann", "--eta", "2020-01-01T00:00Z", "x"), /ETA is over/);
  expect(await incident("status", id, "--owner", "Ann", "--eta", "soon", "x")).toMatchObject({ code: 64 });
  expect(await incident("note", id, "freed \u001b[31m20 GB")).toMatchObject({ code: 0 });
  expect((await incident("show", id)).stdout).toContain("Note: freed ?[31m20 GB (os:");

  expect((await incident("mitigate", id)).stdout).toContain(": mitigating, page");
  expect(await incident("approve", id, "a1")).toMatchObject({ code: 0 });
  await expectRefused(incident("approve", id, "a1"), /a1 is started, and not requested/);
  expect(await incident("finish", id, "a1", "--detail", "opened")).toMatchObject({ code: 0 });
  expect(await incident("undo", id, "a1")).toMatchObject({ code: 0 });
  expect(await incident("finish", id, "a1", "--detail", "closed again")).toMatchObject({ code: 0 });
  const act = ["act", id, "pin_schema", "--param", "to=last-good", "--param", "calls=16", "--key", "pin"];
  expect(await incident(...act)).toMatchObject({ code: 0 });
  expect(await incident(...act)).toMatchObject({ code: 0 });
  expect(await incident("reject", id, "a2", "--reason", "not needed")).toMatchObject({ code: 0 });
  expect(await incident("act", id, "degrade")).toMatchObject({ code: 0 });
  expect(await incident("approve", id, "a3")).toMatchObject({ code: 0 });
  expect(await incident("finish", id, "a3", "--detail", "no such switch", "--failed")).toMatchObject({ code: 0 });
  expect((await show(id)).incident.actions).toMatchObject([
    { id: "a1", kind: "open_breaker", state: "undone", detail: "closed again" },
    { id: "a2", kind: "pin_schema", state: "rejected", params: { to: "last-good", calls: 16 } },
    { id: "a3", kind: "degrade", state: "failed", detail: "no such switch" },
  ]);
  expect(await incident("act", id, "reboot")).toMatchObject({ code: 64 });
  expect(await incident("undelivered")).toMatchObject({ code: 0, stdout: "Everybody was told.\n" });
  expect(await incident("undelivered", "--retry")).toMatchObject({ code: 1 });
});

test("two checks that pass, and it can be resolved; what the postmortem stands on verifies, and it is closed", async () => {
  await pipeline.stop();
  pipeline = await startPipeline(hurried(place, 30));
  const id = idOf("billing");
  await eventually(
    async () => {
      await report("billing", "ok", 10);
      return (await show(id)).incident;
    },
    ({ status }) => status === "mitigated",
    90_000,
  );
  expect((await incident("show", id)).stdout).toMatch(/last check .*: pass, 2 in a row;\s+availability 1 of \d+ calls/);
  expect((await incident("resolve", id)).stdout).toContain(`${id}: resolved, page`);
  expect(await incident("list", "--live")).toMatchObject({ code: 0, stdout: "No incident.\n" });
  await expectRefused(incident("close", id), /postmortem is not complete/);

  await eventually(
    () => run("postmortem", "show", id),
    ({ code }) => code === 0,
    30_000,
  );
  const drafted = await run("postmortem", "show", id);
  expect(drafted.stdout).toContain("# Postmortem: availability of billing\n");
  expect(drafted.stdout).toContain(`npx tooltrail postmortem receipts ${id} --out DIR\n`);
  expect(drafted.stdout).not.toContain("c2sp.org/tlog-proof");
  expect((await run("postmortem", "show", id, "--markdown")).stdout).toContain("c2sp.org/tlog-proof");

  const edit = (...words: string[]): Promise<Ran> => run("postmortem", "edit", id, ...words);
  expect((await edit("--set", "summary=The disk of the database was full.", "--key", "edit")).stdout).toBe(
    `${id}: postmortem, revision 2, draft. It still needs a root cause, an action item.\n`,
  );
  expect(await edit("--set", "summary=The disk of the database was full.", "--key", "edit")).toMatchObject({ code: 0 });
  const items = await edit("--set", "rootCause=Nobody rotated logs.", "--item", "Rotate logs;type=prevent");
  expect(items.stdout).toBe(`${id}: postmortem, revision 3, draft. It still needs an owner for item_3_1.\n`);
  await expectRefused(edit("--owner", "item_3_1=Ann", "--expect-revision", "2"), /it is at revision 3, not 2/);
  await expectRefused(edit("--done", "item_9"), /there is no item_9/);
  expect((await edit("--owner", "item_3_1=Ann", "--done", "item_3_1", "--expect-revision", "3")).stdout).toBe(
    `${id}: postmortem, revision 4, complete. Possible now: npx tooltrail incident close ${id}\n`,
  );
  const { postmortem } = await answerOf<PostmortemAnswer>("postmortem", "show", id, "--revision", "3");
  expect(postmortem).toMatchObject({ revision: 3, status: "draft", rootCause: "Nobody rotated logs." });
  expect(await run("postmortem", "show", id, "--revision", "9")).toMatchObject({ code: 1 });

  const out = join(place.dir, "receipts");
  const written = await run("postmortem", "receipts", id, "--out", out);
  expect(written).toMatchObject({ code: 0, stderr: "" });
  const vkey = await (await fetch(`${pipeline.endpoint}/log/vkey`)).text();
  const receipts = readdirSync(out);
  expect(receipts.length).toBeGreaterThan(5);
  expect(written.stdout.split("\n").filter(Boolean).length).toBe(receipts.length);
  for (const receipt of receipts.slice(0, 5)) {
    expect(receipt).toMatch(/^rec_\w+\.tlog-proof$/);
    const verified = await run("verify", "--receipt", join(out, receipt), "--vkey", vkey.trim());
    expect(verified).toMatchObject({ code: 0 });
  }
  const [some = ""] = receipts;
  const text = readFileSync(join(out, some), "utf8");
  expect(await run("postmortem", "receipts", id, "--out", out)).toMatchObject({ code: 64, stdout: "" });
  expect(await run("postmortem", "receipts", id, "--out", out, "--force")).toMatchObject({ code: 0 });
  expect(readFileSync(join(out, some), "utf8")).toBe(text);
  // Plain events say nothing of definitions.
  expect(await run("postmortem", "tests", id, "--out", join(place.dir, "tests"))).toMatchObject({ code: 1 });

  expect((await incident("close", id)).stdout).toBe(
    `${id}: closed, page, availability of billing. Possible now: undo.\n`,
  );
  await expectRefused(edit("--set", "summary=Other."), /is closed/);
}, 240_000);

test("what the pipeline does by itself is a record, once, in its own name", async () => {
  const done = async () => {
    const of = async (incident: string) =>
      (await show(incident)).events.flatMap((event, i) => {
        const { type, at } = event;
        return isOwnAct(event) ? [[ownActRecord({ incident, version: i + 1, type, at }), type, incident]] : [];
      });
    return (await Promise.all(Object.values(ids).map(of))).flat().sort();
  };
  const onRecord = async () =>
    (await records(place, pipeline.endpoint, "--kind", "control", "--principal", "pipeline"))
      .map((record) => [record.id, ...(record.kind === "control" ? [record.action, record.params.incident] : [])])
      .sort();
  const { wanted, found } = await eventually(
    async () => ({ wanted: await done(), found: await onRecord() }),
    (seen) => seen.found.length === seen.wanted.length,
    30_000,
  );
  expect(new Set(wanted.map(([, type]) => type))).toContain("incident.opened");
  expect(found).toEqual(wanted);
  const some = wanted[0]?.[0] ?? "";
  const proven = () => run("record", some, "--proof");
  expect(await eventually(proven, ({ code }) => code === 0, 30_000)).toMatchObject({ code: 0 });
  const { checked, failures } = JSON.parse((await run("verify", "--ledger", "--json")).stdout);
  expect(checked.ledgerBatches).toBeGreaterThan(wanted.length);
  // The pipeline's clock runs faster than the verifier's.
  expect(failures.filter(({ code }: { code: string }) => code !== "future")).toEqual([]);
}, 90_000);

test("each command is a record with its principal, and the event names it", async () => {
  const controls = (await records(place, pipeline.endpoint, "--kind", "control")).filter(
    (record) => record.kind === "control",
  );
  const byId = new Map(controls.map((record) => [record.id, record]));
  const done: string[] = [];
  for (const id of Object.values(ids))
    for (const { type, by, record } of (await show(id)).events) {
      if (by === undefined) continue;
      const control = byId.get(record ?? "");
      expect(control, `${type} has a record`).toMatchObject({
        principal: { ref: by, subject: expect.stringMatching(/^os:/), verified: true },
      });
      expect([id, ids.mail]).toContain(control?.params.incident); // a merge is said of both
      done.push(control?.action ?? "");
    }
  expect([...new Set(done)].sort()).toEqual([
    "incident.acknowledge",
    "incident.act",
    "incident.approve",
    "incident.cancel",
    "incident.close",
    "incident.finish",
    "incident.merge",
    "incident.mitigate",
    "incident.note",
    "incident.reject",
    "incident.resolve",
    "incident.status",
    "incident.undo",
    "postmortem.edit",
  ]);
});

/** The same place for a pipeline whose clock is so many times as fast from now on. */
const hurried = (at: Place, factor: number): Place => ({
  ...at,
  env: (endpoint) => ({
    ...at.env(endpoint),
    NODE_OPTIONS: `--import=${join(root, "test/support/fast-clock.ts")}`,
    TOOLTRAIL_STORY_FACTOR: String(factor),
    TOOLTRAIL_STORY_EPOCH: String(Date.now()),
  }),
});
