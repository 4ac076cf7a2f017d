import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as pause } from "node:timers/promises";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { bodyLines, recordId } from "@tooltrail/format";
import { hashLeaf, inclusionProof, openCheckpoint, parseVkey, verifyInclusion } from "@tooltrail/format/log";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { aPipeline } from "../support/a-pipeline.ts";
import { inFolder, isGrownFrom, overHttp, type SeenLog, seeLog } from "../support/log-reader.ts";
import {
  behindProxy,
  eventually,
  makePlace,
  node,
  type Place,
  type RunningPipeline,
  records,
  root,
  server,
  startPipeline,
} from "../support/pipeline.ts";

interface PutAnswer {
  readonly Entries: readonly { readonly EventId?: string }[];
}

/** Reports a call, as anybody can. @returns whether the bus has it. */
async function put(endpoint: string, id: string): Promise<boolean> {
  const Detail = JSON.stringify({
    server: "billing",
    tool: "refund",
    outcome: "ok",
    principal: "grace",
    id,
    requestId: id,
  });
  const response = await fetch(endpoint, {
    method: "POST",
    headers: { "x-amz-target": "AWSEvents.PutEvents" },
    body: JSON.stringify({ Entries: [{ Source: "billing", DetailType: "MCP Tool Call", Detail }] }),
  });
  return ((await response.json()) as PutAnswer).Entries[0]?.EventId !== undefined;
}

/** Every record that the ledger of a stopped pipeline holds, by id. */
function idsInLedger({ data }: Place): string[] {
  const db = new DatabaseSync(join(data, "tooltrail.db"), { readOnly: true });
  try {
    const rows = db.prepare("SELECT emitter, seq, body FROM ledger").all() as unknown as LedgerRow[];
    return rows
      .flatMap(({ emitter, seq, body }) => (bodyLines(body) ?? []).map((_, index) => recordId({ emitter, seq, index })))
      .sort();
  } finally {
    db.close();
  }
}
interface LedgerRow {
  readonly emitter: string;
  readonly seq: number;
  readonly body: string;
}

const idsInLog = async (log: SeenLog | undefined): Promise<string[]> =>
  ((await log?.leaves()) ?? []).map(recordId).sort();

const grown = (endpoint: string, over: number, withinMs: number): Promise<SeenLog | undefined> =>
  eventually(
    () => seeLog(overHttp(endpoint)),
    (log) => (log?.size ?? 0) > over,
    withinMs,
  );

describe("the log of a pipeline", () => {
  const { place, pipeline } = aPipeline();

  test("a proxied call and a plain event are under a signed checkpoint within moments, and provably so", async () => {
    const client = new Client({ name: "check", version: "1.0.0" });
    const command = behindProxy(place, pipeline.endpoint, server("mcp-server-everything"));
    await client.connect(new StdioClientTransport({ ...command, stderr: "ignore" }));
    await client.callTool({ name: "echo", arguments: { message: "hello" } });
    await client.close();
    await put(pipeline.endpoint, "refund-1");
    const seen = await eventually(
      () => records(place, pipeline.endpoint),
      (found) => found.length >= 2,
      5_000,
    );
    const { log } = await eventually(
      async () => {
        const found = await seeLog(overHttp(pipeline.endpoint));
        return { log: found, ids: await idsInLog(found) };
      },
      ({ ids }) => seen.every(({ id }) => ids.includes(id)),
      5_000,
    );
    if (log === undefined) throw new Error("There is no checkpoint.");
    expect(log.signers).toBe(1);
    const leaves = await log.leaves();
    for (const { id, ...view } of seen) {
      const index = leaves.findIndex((leaf) => recordId(leaf) === id);
      const bundle = await log.read({ level: 0, index: 0, width: Math.min(256, log.size) });
      const leaf = bundle.subarray(index * 32, index * 32 + 32);
      const proof = await inclusionProof(index, log.size, log.read);
      expect(verifyInclusion({ index, size: log.size, root: log.root, leaf, proof })).toBe(true);
      expect(leaves[index]).toMatchObject({ account: "000000000000", server: { id: view.server.id } });
    }
  });

  test("from PutEvents to a checkpoint that holds it takes less than 3 s", async () => {
    const before = (await seeLog(overHttp(pipeline.endpoint)))?.size ?? 0;
    await put(pipeline.endpoint, "refund-2");
    expect((await grown(pipeline.endpoint, before, 3_000))?.size).toBeGreaterThan(before);
  });

  test("other automation is told: the log has grown, then a checkpoint of that size is published", async () => {
    const before = (await seeLog(overHttp(pipeline.endpoint)))?.size ?? 0;
    await put(pipeline.endpoint, "refund-3");
    const size = (await grown(pipeline.endpoint, before, 5_000))?.size;
    const said = await eventually(
      async () =>
        readFileSync(join(place.data, "events.ndjson"), "utf8")
          .trimEnd()
          .split("\n")
          .map((line) => JSON.parse(line) as { "detail-type": string; detail: { size: number } })
          .filter(({ detail }) => detail.size === size)
          .map((event) => event["detail-type"]),
      (types) => types.length >= 2,
      5_000,
    );
    expect(said).toEqual(["log.sequenced", "log.advanced"]);
  });

  interface Got {
    readonly status: number | undefined;
    readonly headers: { readonly [name: string]: string | string[] | undefined };
    readonly body: string;
  }
  const ask = (path: string, headers: Record<string, string> = {}, method = "GET"): Promise<Got> =>
    new Promise((resolve, reject) => {
      const sent = request({ port: pipeline.port, host: "127.0.0.1", path, method, headers }, async (response) => {
        let body = "";
        for await (const chunk of response.setEncoding("utf8")) body += chunk;
        resolve({ status: response.statusCode, headers: response.headers, body });
      });
      sent.on("error", reject);
      sent.end();
    });

  test.each([
    ["checkpoint", "no-cache", /^text\/plain/],
    ["vkey", "public, max-age=3600", /^text\/plain/],
  ])(
    "/log/%s needs no token, says how long it holds, and is not sent again to whoever has it",
    async (name, cache, type) => {
      // Others' reads are on record, too, so the checkpoint may change between two requests.
      const asked = async () => {
        const got = await ask(`/log/${name}`);
        const etag = String(got.headers.etag);
        return {
          got,
          again: await ask(`/log/${name}`, { "if-none-match": etag }),
          head: await ask(`/log/${name}`, {}, "HEAD"),
        };
      };
      const { got, again, head } = await eventually(
        asked,
        (seen) => seen.got.headers.etag === seen.head.headers.etag,
        5_000,
      );
      expect(got).toMatchObject({ status: 200, body: expect.stringContaining("tooltrail.local/") });
      expect(got.headers["content-type"]).toMatch(type);
      expect(got.headers["cache-control"]).toContain(cache.split(", ")[0]);
      expect(again).toMatchObject({ status: 304, body: "" });
      expect(await ask(`/log/${name}`, { "if-none-match": '"other"' })).toMatchObject({ status: 200 });
      expect([head.status, head.body, head.headers["content-length"]]).toEqual([
        200,
        "",
        String(Buffer.byteLength(got.body)),
      ]);
    },
  );

  test("a tile never changes, and says so", async () => {
    const { size = 0 } = (await seeLog(overHttp(pipeline.endpoint))) ?? {};
    const { status, headers } = await ask(`/log/tile/0/000.p/${size}`);
    expect(status).toBe(200);
    expect(headers).toMatchObject({
      "content-type": "application/octet-stream",
      "content-length": String(size * 32),
      "cache-control": expect.stringMatching(/max-age=31536000.*immutable/),
    });
  });

  test.each([
    ["a tile that is not there", "/log/tile/0/x999/000", 404],
    ["another spelling of a tile", "/log/tile/00/000", 404],
    ["a folder", "/log/tile/0", 404],
    ["what is staged", "/log/staged/0", 404],
    ["a way out of the folder", "/log/tile/../../token", 401],
    ["the same, hidden", "/log/%2e%2e/token", 401],
    ["the same, hidden better", "/log/..%2ftoken", 404],
    ["a temporary file", "/log/.tmp", 404],
  ])("%s is not given out", async (_, path, status) => {
    const got = await ask(path);
    expect([got.status, got.headers["cache-control"]]).toEqual([status, "no-store"]);
  });

  test("the log is read, and by this machine alone", async () => {
    expect(await ask("/log/checkpoint", {}, "PUT")).toMatchObject({ status: 405 });
    expect(await ask("/log/checkpoint", { host: "evil.example" })).toMatchObject({ status: 403 });
    expect(await ask("/log/checkpoint", { origin: "https://evil.example" })).toMatchObject({ status: 403 });
  });

  test("the key of the log is its owner's alone, and nobody is served it", async () => {
    expect(readdirSync(place.data)).toContain("log-keys.json");
    expect((await ask("/log/log-keys.json")).status).toBe(404);
  });
});

describe("whatever happens to the pipeline", () => {
  let place: Place;
  const running: RunningPipeline[] = [];
  beforeEach(() => {
    place = makePlace();
  });
  afterEach(async () => {
    await Promise.all(running.splice(0).map((one) => one.stop("SIGKILL")));
    place.remove();
  });
  const start = async (): Promise<RunningPipeline> => {
    const one = await startPipeline(place);
    running.push(one);
    return one;
  };

  test("killed in the middle of traffic, again and again: each record is in the log once, and no checkpoint was taken back", async () => {
    const taken: string[] = [];
    const checkpoints: SeenLog[] = [];
    for (let round = 0; round < 4; round += 1) {
      const one = await start();
      const traffic = Array.from({ length: 60 }, async (_, i) => {
        await pause(i * 20);
        const id = `${round}-${i}`;
        if (await put(one.endpoint, id).catch(() => false)) taken.push(id);
      });
      await pause(500 + round * 200);
      const log = await seeLog(overHttp(one.endpoint));
      if (log) checkpoints.push(log);
      await one.stop("SIGKILL");
      await Promise.all(traffic);
    }
    expect(taken.length).toBeGreaterThan(60);

    const last = await start();
    await put(last.endpoint, "last");
    expect(await last.stop("SIGTERM")).toBe(0); // works off the queue, the stream, and signs
    const log = await seeLog(inFolder(place.data));
    const [inLog, inLedger] = [await idsInLog(log), idsInLedger(place)];
    expect(inLog).toEqual(inLedger);
    expect(new Set(inLog).size).toBe(inLog.length);
    const leaves = (await log?.leaves()) ?? [];
    const found = leaves.map(({ record }) => JSON.stringify(record));
    for (const id of [...taken, "last"]) expect(found.filter((text) => text.includes(`"${id}"`))).toHaveLength(1);
    for (const seen of checkpoints) expect(log && (await isGrownFrom(log, seen))).toBe(true);
  });

  test("a log that was tampered with stands still and says so; events are taken all the same", async () => {
    const first = await start();
    for (let i = 0; i < 3; i += 1) await put(first.endpoint, `before-${i}`);
    const before = await grown(first.endpoint, 2, 5_000);
    await first.stop();
    // The right edge, which the next commit goes on from.
    const name = join(place.data, "log/tile/0", `000.p/${before?.size}`);
    const tile = readFileSync(name);
    tile[3] = (tile[3] ?? 0) ^ 1;
    writeFileSync(name, tile);

    const second = await start();
    await put(second.endpoint, "after");
    await eventually(
      async () => second.said(),
      (said) => said.includes("THE LOG STANDS STILL"),
      10_000,
    );
    await eventually(
      () => records(place, second.endpoint),
      (seen) => seen.length === 4,
      5_000,
    );
    expect((await seeLog(inFolder(place.data)))?.text).toBe(before?.text);
    await pause(3_000);
    expect(second.said().match(/^tooltrail: THE LOG STANDS STILL/gm)).toHaveLength(1); // it tries again, and does not go on about it
    expect(readFileSync(join(place.data, "events.ndjson"), "utf8")).toContain('"what":"log_diverged"');
    await second.stop();
  });

  test("a head from an old copy halts the log; a rebuild sets it to what is there, and it goes on", async () => {
    const first = await start();
    await put(first.endpoint, "one");
    await grown(first.endpoint, 0, 5_000);
    await first.stop();
    const database = join(place.data, "tooltrail.db");
    const old = headOf(database);

    const second = await start();
    await put(second.endpoint, "two");
    const before = await grown(second.endpoint, 1, 5_000);
    await second.stop();
    setHead(database, old);

    const third = await start();
    await put(third.endpoint, "three");
    await eventually(
      async () => third.said(),
      (said) => said.includes("THE LOG STANDS STILL"),
      10_000,
    );
    await third.stop();

    const rebuilt = await run("--rebuild-log");
    expect(rebuilt).toMatchObject({ code: 0, stderr: expect.stringMatching(/head .*2 leaves/) });
    const fourth = await start();
    await grown(fourth.endpoint, 2, 10_000);
    await fourth.stop();
    const after = await seeLog(inFolder(place.data));
    expect(await idsInLog(after)).toEqual(idsInLedger(place));
    // `before` read over an endpoint that is gone; its size and root say it all.
    expect(after && before && (await isGrownFrom(after, before))).toBe(true);
  });

  test("a new key signs beside the former one for the stated time, without a restart, and whoever knows either is content", async () => {
    const one = await start();
    await put(one.endpoint, "one");
    const before = await grown(one.endpoint, 0, 5_000);
    const former = await (await fetch(`${one.endpoint}/log/vkey`)).text();
    const { code, stdout, stderr } = await rotate("--overlap", "30d");
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringMatching(/until 20\d\d-/) });
    await put(one.endpoint, "two");
    const after = await grown(one.endpoint, 1, 5_000);
    expect([before?.signers, after?.signers]).toEqual([1, 2]);
    expect(await (await fetch(`${one.endpoint}/log/vkey`)).text()).toBe(stdout + former);
    for (const vkey of [stdout, former])
      await expect(openCheckpoint(after?.text ?? "", [parseVkey(vkey.trim())])).resolves.toMatchObject({
        size: after?.size,
      });
    expect(await rotate("--overlap", "soon")).toMatchObject({ code: 64, stderr: expect.stringContaining('"soon"') });
    expect(await rotate("--overlap", "0h")).toMatchObject({
      code: 64,
      stderr: expect.stringMatching(/--overlap: "0h" .*at least 1h/),
    });
    await one.stop();
  });

  test("neither a key is rotated nor a log rebuilt in a folder that is no pipeline's, and nothing is made there", async () => {
    const foreign = mkdtempSync(join(place.dir, "foreign-"));
    const why = expect.stringMatching(/^tooltrail: .*foreign-\S+ is no data folder of a pipeline: .*\n/);
    expect(await rotate("--data", foreign, "--overlap", "1h")).toMatchObject({ code: 64, stdout: "", stderr: why });
    expect(await run("--data", foreign, "--rebuild-log")).toMatchObject({ code: 1, stderr: why });
    expect(await run("--data", join(foreign, "none"), "--rebuild-log")).toMatchObject({ code: 1, stderr: why });
    expect(readdirSync(foreign)).toEqual([]);
  });

  const program = (file: string, ...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> =>
    new Promise((resolve) => {
      execFile(node, [join(root, file), ...args], { env: place.env() }, (error, stdout, stderr) =>
        resolve({ code: Number(error?.code ?? 0), stdout, stderr }),
      );
    });
  const run = (...args: string[]) => program("functions/start.js", ...args);
  const rotate = (...args: string[]) => program("functions/rotate-log-key.ts", ...args);

  interface HeadRow {
    readonly value: string;
    readonly version: number;
  }
  function headOf(file: string): HeadRow {
    expect(existsSync(file)).toBe(true);
    const db = new DatabaseSync(file);
    try {
      return db.prepare("SELECT * FROM registers WHERE name = 'head'").get() as unknown as HeadRow;
    } finally {
      db.close();
    }
  }
  function setHead(file: string, { value, version }: HeadRow): void {
    const db = new DatabaseSync(file);
    db.prepare("UPDATE registers SET value = ?, version = ? WHERE name = 'head'").run(value, version);
    db.close();
  }
});

test("a leaf is hashed as RFC 6962 has it, so that others can do the same", () => {
  expect(Buffer.from(hashLeaf(new Uint8Array())).toString("hex")).toBe(
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  );
});
