import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { EventBridgeClient, PutEventsCommand, type PutEventsRequestEntry } from "@aws-sdk/client-eventbridge";
import type { QuarantinePage, ReplayAnswer } from "@tooltrail/api/types";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { aPipeline } from "../support/a-pipeline.ts";
import { anEnvelope, anIdentity } from "../support/batches.ts";
import { inFolder, seeLog } from "../support/log-reader.ts";
import {
  eventually,
  makePlace,
  node,
  type Place,
  type RunningPipeline,
  records,
  root,
  startPipeline,
  tooltrail,
} from "../support/pipeline.ts";
import { mountTinyDisk } from "../support/tiny-disk.ts";

const plain = (more: object = {}) =>
  JSON.stringify({ server: "billing", tool: "refund", outcome: "ok", principal: "grace", ...more });
const entry = (more: Partial<PutEventsRequestEntry> = {}): PutEventsRequestEntry => ({
  Source: "billing",
  DetailType: "MCP Tool Call",
  Detail: plain(),
  EventBusName: "tooltrail",
  ...more,
});

describe("the bus, by the AWS SDK's own client", () => {
  const { place, pipeline } = aPipeline();
  let bus: EventBridgeClient;
  beforeAll(() => {
    bus = new EventBridgeClient({
      endpoint: pipeline.endpoint,
      region: "us-east-1",
      credentials: { accessKeyId: "none", secretAccessKey: "none" },
      maxAttempts: 1,
    });
  });
  afterAll(() => bus.destroy());
  const put = (...Entries: PutEventsRequestEntry[]) => bus.send(new PutEventsCommand({ Entries }));

  test("a plain event is put and found", async () => {
    const answer = await put(entry({ Detail: plain({ tool: "sdk" }), Time: new Date("2026-11-22T10:00:00Z") }));
    expect(answer).toMatchObject({
      FailedEntryCount: 0,
      Entries: [{ EventId: expect.stringMatching(/^[0-9a-f-]{36}$/) }],
    });
    const [call] = await eventually(
      () => records(place, pipeline.endpoint, "--tool", "sdk"),
      (seen) => seen.length > 0,
      5_000,
    );
    expect(call).toMatchObject({
      tool: "sdk",
      server: { id: "billing" },
      sealed: false,
      at: Date.parse("2026-11-22T10:00:00Z"),
      principal: { subject: "grace", verified: false },
    });
  });

  test.each<[string, Partial<PutEventsRequestEntry>, string, RegExp]>([
    [
      "no source",
      { Source: undefined },
      "InvalidArgument",
      /Parameter Source is not valid. Reason: Source is a required argument./,
    ],
    ["no detail-type", { DetailType: "" }, "InvalidArgument", /Parameter DetailType is not valid/],
    ["no detail", { Detail: undefined }, "InvalidArgument", /Parameter Detail is not valid/],
    ["a detail that is not JSON", { Detail: "{" }, "MalformedDetail", /Detail is malformed./],
    [
      "a detail that is nested without end",
      { Detail: `{"a":${"[".repeat(60_000)}${"]".repeat(60_000)}}` },
      "MalformedDetail",
      /Detail is malformed./,
    ],
    ["a detail that is no object", { Detail: "[1]" }, "MalformedDetail", /Detail is malformed./],
    ["a source of AWS", { Source: "aws.ec2" }, "NotAuthorizedForSourceException", /Not authorized for the source./],
    [
      "the pipeline's own source",
      { Source: "tooltrail.pipeline", DetailType: "incident.opened" },
      "NotAuthorizedForSourceException",
      /Not authorized for the source./,
    ],
  ])("an entry with %s is answered alone, and its neighbours are taken", async (_, wrong, code, message) => {
    const answer = await put(entry(), entry(wrong), entry());
    expect(answer.FailedEntryCount).toBe(1);
    expect(answer.Entries?.map(({ EventId }) => EventId !== undefined)).toEqual([true, false, true]);
    expect(answer.Entries?.[1]).toMatchObject({ ErrorCode: code, ErrorMessage: expect.stringMatching(message) });
  });

  test.each<[string, PutEventsRequestEntry[], RegExp]>([
    ["no entry", [], /length greater than or equal to 1/],
    ["11 entries", Array.from({ length: 11 }, () => entry()), /length less than or equal to 10/],
    [
      "an entry over 256 KB",
      [entry({ Detail: plain({ version: "x".repeat(262_144) }) })],
      /Total size of the entries in the request is over the limit/,
    ],
    [
      "entries over 256 KB together",
      Array.from({ length: 9 }, () => entry({ Detail: plain({ version: "x".repeat(30_000) }) })),
      /Total size/,
    ],
  ])("a request with %s is a ValidationException as a whole", async (_, entries, message) => {
    await expect(put(...entries)).rejects.toMatchObject({
      name: "ValidationException",
      message: expect.stringMatching(message),
      $metadata: { httpStatusCode: 400 },
    });
  });

  test("what no record can be made of is quarantined, listed, and replayed", async () => {
    await put(entry({ DetailType: "MCP Tool call" }), entry({ Detail: plain({ outcome: "fine" }) }));
    const list = async (): Promise<QuarantinePage> =>
      JSON.parse((await tooltrail(place, pipeline.endpoint, "quarantine", "list", "--json")).stdout) as QuarantinePage;
    const { entries } = await eventually(list, (seen) => seen.entries.length === 2, 5_000);
    expect(entries.map(({ reason }) => reason).sort()).toEqual(["invalid", "unknown_type"]);
    const invalid = entries.find(({ reason }) => reason === "invalid");
    expect(invalid?.detail).toMatch(/^detail\.outcome/);
    expect(JSON.parse(invalid?.body ?? "")).toMatchObject({ source: "billing", detail: { outcome: "fine" } });

    const again = await tooltrail(place, pipeline.endpoint, "quarantine", "replay", invalid?.id ?? "", "--json");
    expect(again.code).toBe(1);
    expect(JSON.parse(again.stdout) as ReplayAnswer).toEqual({
      id: invalid?.id,
      outcome: "quarantined",
      reason: "invalid",
    });
    expect((await tooltrail(place, pipeline.endpoint, "quarantine", "replay", "qua_none")).code).toBe(1);
    const reads = await records(place, pipeline.endpoint, "--kind", "control");
    expect(reads.filter((record) => record.kind === "control").map(({ action }) => action)).toContain(
      "quarantine.replay",
    );
  });

  test("a forged batch is refused, quarantined, and seen", async () => {
    const [mine, other] = [await anEnvelope(), await anEnvelope({ identity: anIdentity(2) })];
    await put(
      entry({
        Source: "tooltrail",
        DetailType: "tooltrail.batch/1",
        Detail: JSON.stringify({ ...mine, sig: other.sig }),
      }),
    );
    const { stdout } = await eventually(
      () => tooltrail(place, pipeline.endpoint, "quarantine", "list"),
      ({ stdout: text }) => text.includes("bad_signature"),
      5_000,
    );
    expect(stdout).toMatch(/^qua_[a-z2-7]{26} \S+ bad_signature: sig: not this key's signature over these headers\.$/m);
  });
});

describe("the door", () => {
  const { place, pipeline } = aPipeline();

  const ask = (path: string, headers: Record<string, string> = {}, method = "GET", body = ""): Promise<number> =>
    new Promise((resolve, reject) => {
      const sent = request({ port: pipeline.port, host: "127.0.0.1", path, method, headers }, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      });
      sent.on("error", reject);
      sent.end(body);
    });
  const bearer = () => ({ authorization: `Bearer ${pipeline.token}` });

  test("queries need the token, health does not", async () => {
    expect(await ask("/healthz")).toBe(200);
    expect(await ask("/v1/records")).toBe(401);
    expect(await ask("/v1/records", { authorization: `Bearer ${"x".repeat(43)}` })).toBe(401);
    expect(await ask("/v1/records", bearer())).toBe(200);
    expect(await ask("/v1/nothing", bearer())).toBe(404);
  });

  test.each([
    ["a foreign Host", { host: "evil.example:4747" }, "/healthz"],
    ["a foreign Host that begins like ours", { host: "127.0.0.1.evil.example" }, "/"],
    ["a foreign Origin", { origin: "https://evil.example" }, "/"],
  ])("%s is refused, at the bus too", async (_, headers, path) => {
    expect(await ask(path, { ...headers, "x-amz-target": "AWSEvents.PutEvents" }, path === "/" ? "POST" : "GET")).toBe(
      403,
    );
  });

  test.each(["//", "http://[", "*"])("the target %j is answered, not met with an error", async (path) => {
    expect([400, 401]).toContain(await ask(path));
  });

  test("a body is bounded before it is parsed", async () => {
    expect(await ask("/", { "x-amz-target": "AWSEvents.PutEvents" }, "POST", "x".repeat(2_200_000))).toBe(413);
  });

  test("the folder, the token and the database are the owner's alone", () => {
    expect(statSync(place.data).mode & 0o777).toBe(0o700);
    for (const file of ["token", "tooltrail.db"]) expect(statSync(join(place.data, file)).mode & 0o077).toBe(0);
  });

  test.each([
    ["?outcome=fine", 400],
    ["?limit=0", 400],
    ["?limit=1001", 400],
    ["?since=yesterday", 400],
    ["?surprise=1", 400],
    ["?cursor=x", 400],
    ["?since=15m&until=2030-01-01&limit=1000&kind=lifecycle", 200],
  ])("GET /v1/records%s answers %i", async (query, status) => {
    expect(await ask(`/v1/records${query}`, bearer())).toBe(status);
  });

  test("each query leaves one record of itself", async () => {
    const before = (await records(place, pipeline.endpoint, "--kind", "control")).length;
    expect(await ask("/v1/records", bearer())).toBe(200);
    const after = await records(place, pipeline.endpoint, "--kind", "control");
    expect(after.length).toBe(before + 2); // the query above, and the one that counted before; this one's own comes after it was read
  });
});

describe("starting and stopping", () => {
  let place: Place;
  const running: RunningPipeline[] = [];
  beforeEach(() => {
    place = makePlace();
  });
  afterEach(async () => {
    await Promise.all(running.splice(0).map((pipeline) => pipeline.stop("SIGKILL")));
    place.remove();
  });
  const start = async (...args: Parameters<typeof startPipeline>): Promise<RunningPipeline> => {
    const pipeline = await startPipeline(...args);
    running.push(pipeline);
    return pipeline;
  };
  const startBadly = async (
    ...[first, ...more]: [NodeJS.ProcessEnv | string, ...string[]]
  ): Promise<{ code: number; stderr: string }> => {
    const [set, args] = typeof first === "string" ? [{}, [first, ...more]] : [first, more];
    const child = spawn(node, [join(root, "functions/start.js"), ...args], {
      env: { ...place.env(), ...set },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    const [code] = (await once(child, "close")) as [number];
    return { code, stderr };
  };

  test("a taken port, a folder in use, an unwritable folder and a wrong flag are said in one line", async () => {
    const first = await start(place);
    expect(await startBadly("--data", join(place.dir, "other"), "--port", String(first.port))).toEqual({
      code: 1,
      stderr: `tooltrail: Port ${first.port} is taken. Another pipeline may be running on it; use --port, or --port 0 for any free one.\n`,
    });
    expect(await startBadly("--port", "0")).toEqual({
      code: 1,
      stderr: `tooltrail: ${place.data} is in use by another tooltrail. Stop that one, or choose another folder with --data.\n`,
    });
    writeFileSync(join(place.dir, "file"), "");
    expect(await startBadly("--data", join(place.dir, "file"), "--port", "0")).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^tooltrail: \S+file cannot be opened for writing: .*\n$/),
    });
    expect(await startBadly("--port", "many")).toMatchObject({
      code: 64,
      stderr: expect.stringContaining('"many" is not a port'),
    });
    expect(await startBadly("--nonsense")).toMatchObject({ code: 64 });
  });

  test("a key file that others can read is refused", async () => {
    const pipeline = await start(place);
    chmodSync(join(place.dir, "digest.key"), 0o644);
    const proxied = (...flags: string[]) => tooltrail(place, pipeline.endpoint, "proxy", ...flags, "--", "echo", "hi");
    const why = expect.stringMatching(/digest\.key must belong to this user alone/);
    expect(await proxied("--on-spool-failure", "closed")).toEqual({ code: 2, stdout: "", stderr: why });
    expect(await proxied()).toEqual({ code: 0, stdout: "hi\n", stderr: why }); // open: the call matters more than its record
    await pipeline.stop();
    expect(await startBadly("--port", "0")).toEqual({ code: 1, stderr: why });
  });

  test.each<[string, (file: string) => void, RegExp]>([
    ["is not there", () => undefined, /TOOLTRAIL_POLICY: \S+policy: ENOENT/],
    ["is none", (file) => writeFileSync(file, "quorum all\n"), /TOOLTRAIL_POLICY: \S+policy: .*line 1/],
  ])("a policy that %s is said in one line, with the variable and the file", async (_, write, why) => {
    const file = join(place.dir, "policy");
    write(file);
    const { code, stderr } = await startBadly({ TOOLTRAIL_POLICY: file }, "--port", "0");
    expect(stderr).toMatch(why);
    expect([code, stderr.trimEnd().split("\n")]).toEqual([1, [stderr.trimEnd()]]);
  });

  test.each<[string, (file: string) => void, RegExp]>([
    ["that others may read", (file) => chmodSync(file, 0o644), /log-keys\.json must belong to this user alone/],
    ["that are none", (file) => writeFileSync(file, '{"origin":"a b"}'), /log-keys\.json: origin must be/],
  ])("keys of the log %s are said in one line, with the folder's variable", async (_, spoil, why) => {
    await (await start(place)).stop();
    spoil(join(place.data, "log-keys.json"));
    const { code, stderr } = await startBadly("--port", "0");
    expect(stderr).toMatch(why);
    expect(stderr).toMatch(/TOOLTRAIL_DATA/);
    expect([code, stderr.trimEnd().split("\n")]).toEqual([1, [stderr.trimEnd()]]);
  });

  test("a graceful stop works off the queue, and nothing acknowledged is lost by kill -9", async () => {
    for (const [round, signal] of (["SIGTERM", "SIGKILL", "SIGINT"] as const).entries()) {
      const pipeline = await start(place);
      const bodies = Array.from({ length: 20 }, (_, i) => ({
        Entries: Array.from({ length: 10 }, (_, j) => ({
          Source: "s",
          DetailType: "MCP Tool Call",
          Detail: plain({ id: `${round}-${i}-${j}` }),
        })),
      }));
      const answers = await Promise.all(
        bodies.map((body) =>
          fetch(pipeline.endpoint, {
            method: "POST",
            headers: { "x-amz-target": "AWSEvents.PutEvents" },
            body: JSON.stringify(body),
          }).then((response) => response.json() as Promise<{ FailedEntryCount: number }>),
        ),
      );
      expect(answers.every(({ FailedEntryCount }) => FailedEntryCount === 0)).toBe(true);
      expect(await pipeline.stop(signal)).toBe(signal === "SIGKILL" ? null : 0);
      if (signal !== "SIGKILL") {
        const db = new DatabaseSync(join(place.data, "tooltrail.db"), { readOnly: true });
        expect(db.prepare("SELECT count(*) AS n FROM queue").get()).toEqual({ n: 0 });
        expect(db.prepare("SELECT count(*) AS n FROM ledger WHERE server = 'billing'").get()).toEqual({
          n: 200 * (round + 1),
        });
        db.close();
      }
    }
  });

  test("a full disk refuses events with EventBridge's retryable code, loses none that it took, and goes on when there is room", async ({
    skip,
  }) => {
    const disk = mountTinyDisk(place.data, 20_480);
    if ("skipped" in disk) return skip(disk.skipped);
    try {
      const pipeline = await start(place);
      const filler = join(place.data, "filler");
      writeFileSync(filler, "x".repeat(19_000_000));
      const taken: string[] = [];
      const put = async (id: string): Promise<string | undefined> => {
        const Detail = plain({ id, tool: "fill", version: id.padEnd(100, "v") });
        const response = await fetch(pipeline.endpoint, {
          method: "POST",
          headers: { "x-amz-target": "AWSEvents.PutEvents" },
          body: JSON.stringify({ Entries: [{ Source: "s", DetailType: "MCP Tool Call", Detail }] }),
        });
        const { Entries } = (await response.json()) as { Entries: { EventId?: string; ErrorCode?: string }[] };
        if (Entries[0]?.EventId) taken.push(id);
        return Entries[0]?.ErrorCode;
      };
      let refusal: string | undefined;
      for (let i = 0; i < 3_000 && refusal === undefined; i += 1) refusal = await put(`full-${i}`);
      expect(refusal).toBe("InternalFailure");
      rmSync(filler);
      await eventually(
        () => put("after"),
        (code) => code === undefined,
        10_000,
      );
      const db = async (): Promise<number> =>
        (await records(place, pipeline.endpoint, "--tool", "fill", "--limit", "1000")).length;
      const wanted = Math.min(1_000, new Set(taken).size);
      // What could not even be released is seen again when its visibility ends, after a minute.
      await eventually(db, (count) => count >= wanted, 75_000);
      expect(await db()).toBe(wanted);
      await pipeline.stop();
      const ledger = new DatabaseSync(join(place.data, "tooltrail.db"), { readOnly: true });
      const counts = "SELECT sum(json_extract(headers, '$.count')) AS records FROM ledger";
      const { records: stored } = ledger.prepare(counts).get() as { records: number };
      ledger.close();
      expect((await seeLog(inFolder(place.data)))?.size).toBe(stored);
    } finally {
      disk.unmount();
    }
  }, 120_000);

  test("no name is in the ledger's bodies, and none is left in the file once it was worked off", async () => {
    const pipeline = await start(place);
    await fetch(pipeline.endpoint, {
      method: "POST",
      headers: { "x-amz-target": "AWSEvents.PutEvents" },
      body: JSON.stringify({
        Entries: [{ Source: "s", DetailType: "MCP Tool Call", Detail: plain({ principal: "zaphod-beeblebrox" }) }],
      }),
    });
    await eventually(
      () => records(place, pipeline.endpoint, "--principal", "zaphod-beeblebrox"),
      (seen) => seen.length === 1,
      5_000,
    );
    await pipeline.stop();
    const db = new DatabaseSync(join(place.data, "tooltrail.db"));
    db.exec("PRAGMA secure_delete = ON; DELETE FROM principals"); // forgets the name as an erasure would
    db.close();
    expect(readFileSync(join(place.data, "tooltrail.db")).includes("zaphod")).toBe(false);
  });
});
