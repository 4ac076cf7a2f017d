import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { hostname, userInfo } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { constants, gunzipSync } from "node:zlib";
import { Client as ClientV2 } from "@modelcontextprotocol/client";
import { StdioClientTransport as StdioV2 } from "@modelcontextprotocol/client/stdio";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as StdioV1 } from "@modelcontextprotocol/sdk/client/stdio.js";
import type { RecordView } from "@tooltrail/api/types";
import { keyedDigest } from "@tooltrail/format";
import { loadKeys } from "@tooltrail/format/keys";
import { describe, expect, test } from "vitest";
import { aPipeline } from "../support/a-pipeline.ts";
import { behindProxy, eventually, node, records, root, server, tooltrail } from "../support/pipeline.ts";

const { place, pipeline } = aPipeline();
const files = join(place.dir, "files");
mkdirSync(files);

interface Caller {
  listTools(): Promise<unknown>;
  callTool(params: { name: string; arguments: Record<string, unknown> }): Promise<unknown>;
  close(): Promise<void>;
}

const clients: readonly (readonly [string, (command: readonly string[]) => Promise<Caller>])[] = [
  [
    "the v1 client",
    async (command) => {
      const client = new ClientV1({ name: "check-v1", version: "1.0.0" });
      await client.connect(new StdioV1({ ...behindProxy(place, pipeline.endpoint, command), stderr: "ignore" }));
      return client;
    },
  ],
  [
    "the v2 client of 2026-07-28",
    async (command) => {
      const client = new ClientV2({ name: "check-v2", version: "2.0.0" }, { versionNegotiation: { mode: "auto" } });
      await client.connect(new StdioV2({ ...behindProxy(place, pipeline.endpoint, command), stderr: "ignore" }));
      return client;
    },
  ],
];

const secret = (who: string): string => `planted-secret-of-${who.replaceAll(" ", "-")}`;

describe.each(clients)("%s", (who, connect) => {
  test("drives server-everything: each call is there once, within 5 s, with all that an auditor asks for", async () => {
    const client = await connect(server("mcp-server-everything"));
    await client.listTools();
    const message = secret(who);
    await client.callTool({ name: "echo", arguments: { message } });
    await client.callTool({ name: "get-sum", arguments: { a: 1, b: 2 } });
    const mine = (seen: RecordView[]) =>
      seen.filter((r) => "client" in r && r.client?.name.startsWith(`check-${who.includes("v1") ? "v1" : "v2"}`));
    const seen = await eventually(
      async () => mine(await records(place, pipeline.endpoint, "--server", "mcp-servers/everything")),
      (found) => found.length >= 2,
      5_000,
    );
    const { digest, bytes } = keyedDigest(loadKeys(place.spool, undefined).digestKey, { message });
    expect(seen.map((r) => "tool" in r && r.tool).sort()).toEqual(["echo", "get-sum"]);
    expect(seen.find((r) => "tool" in r && r.tool === "echo")).toMatchObject({
      id: expect.stringMatching(/^rec_[a-z2-7]{26}_\d+_\d+$/),
      kind: "call",
      at: expect.any(Number),
      server: { id: "mcp-servers/everything", version: expect.any(String) },
      principal: {
        subject: `os:${userInfo().username}@${hostname()}`,
        ref: expect.stringMatching(/^p_/),
        method: "os",
        verified: true,
      },
      outcome: { class: "ok" },
      durationUs: expect.any(Number),
      args: { digest, bytes, shape: { message: "string" } },
      result: { digest: expect.stringMatching(/^hmac-sha256:[0-9a-f]{64}$/), bytes: expect.any(Number) },
      final: true,
      sealed: true,
    });
    await client.close();
  });

  test("drives server-filesystem: writes have an intent, and a refusal is told from a failure", async () => {
    const client = await connect([...server("mcp-server-filesystem"), files]);
    await client.listTools();
    const path = join(files, `${who.replaceAll(" ", "-")}.txt`);
    await client.callTool({ name: "write_file", arguments: { path, content: secret(who) } });
    await client.callTool({ name: "read_text_file", arguments: { path } });
    await client.callTool({ name: "read_text_file", arguments: { path: "/etc/passwd" } });
    await client.callTool({ name: "read_text_file", arguments: { path: `${path}-not-there` } });
    await client.close();
    const calls = await eventually(
      async () =>
        (await records(place, pipeline.endpoint, "--server", "secure-filesystem-server")).filter(
          (r) => "client" in r && r.client?.name === `check-${who.includes("v1") ? "v1" : "v2"}`,
        ),
      (found) => found.length >= 4,
      5_000,
    );
    expect(calls.map((r) => r.kind === "call" && [r.tool, r.outcome.class, r.outcome.reason]).reverse()).toEqual([
      ["write_file", "ok", undefined],
      ["read_text_file", "ok", undefined],
      ["read_text_file", "tool_error", "forbidden"],
      ["read_text_file", "tool_error", "not_found"],
    ]);
    const intents = await records(place, pipeline.endpoint, "--kind", "intent", "--tool", "write_file");
    const write = calls.find((r) => r.kind === "call" && r.tool === "write_file");
    expect(intents.map((r) => "callId" in r && r.callId)).toContain(write && "callId" in write && write.callId);
  });
});

describe("what the ledger must never hold", () => {
  const inflated = (text: string): string[] => [
    text,
    ...[...text.matchAll(/H4sI[A-Za-z0-9+/]+={0,2}/g)].map(([body]) => inflate(body)),
  ];

  /** Every file below a folder, as it is, and with every base64(gzip) in it inflated. */
  const everyByteBelow = (dir: string): string[] =>
    readdirSync(dir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .flatMap((entry) => inflated(readFileSync(join(entry.parentPath, entry.name)).toString("latin1")));

  /** Every row of the database. In its file a body is cut up by the pages' own bytes, and what lies behind the first cut cannot be inflated. */
  const everyRow = (data: string): string[] => {
    const copy = mkdtempSync(join(place.dir, "copy-")); // the pipeline has the database to itself
    cpSync(data, copy, { recursive: true });
    const db = new DatabaseSync(join(copy, "tooltrail.db"));
    const tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
    const rows = tables.flatMap(({ name }) => db.prepare(`SELECT * FROM "${name}"`).all());
    db.close();
    return rows.flatMap((row) => Object.values(row).flatMap((value) => inflated(String(value))));
  };

  const inflate = (body: string): string => {
    try {
      return gunzipSync(Buffer.from(body, "base64"), { finishFlush: constants.Z_SYNC_FLUSH }).toString("utf8");
    } catch {
      return "";
    }
  };

  test("no argument and no result is anywhere under the data and spool folders, bodies included", async () => {
    const rows = everyRow(place.data);
    const all = [...rows, ...everyByteBelow(place.data), ...everyByteBelow(place.spool)];
    expect(rows.some((text) => text.includes('"tool":"write_file"'))).toBe(true); // the search sees into the bodies
    expect(all.filter((text) => text.includes("planted-secret"))).toEqual([]);
  });
});

describe("the command line", () => {
  const run = (...args: string[]) => tooltrail(place, pipeline.endpoint, ...args);

  test("prints a table, NDJSON and CSV of the same records, page after page", async () => {
    const json = (await records(place, pipeline.endpoint)).map(({ id }) => id);
    const ndjson = (await run("records", "--format", "ndjson", "--all")).stdout
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as RecordView).id);
    const [head = "", ...csv] = (await run("records", "--format", "csv", "--all")).stdout.trim().split("\n");
    const table = (await run("records")).stdout.trim().split("\n").slice(1);
    expect(ndjson).toEqual(json);
    expect(head.split(",").slice(0, 4)).toEqual(["id", "kind", "at", "server"]);
    expect(csv.map((line) => line.split(",")[0])).toEqual(json);
    expect(table.map((line) => line.trim().split(" ").at(-1))).toEqual(json);
    const paged: string[] = [];
    for (let cursor: string | null = ""; cursor !== null; ) {
      const { stdout } = await run("records", "--json", "--limit", "3", ...(cursor === "" ? [] : ["--cursor", cursor]));
      const page = JSON.parse(stdout) as { records: RecordView[]; next: string | null };
      paged.push(...page.records.map(({ id }) => id));
      cursor = page.next;
    }
    expect(paged).toEqual(json);
  });

  test("filters by every word of the contract", async () => {
    const count = async (...args: string[]): Promise<number> =>
      (await records(place, pipeline.endpoint, ...args)).length;
    const all = await count();
    expect(await count("--tool", "echo")).toBe(2);
    expect(await count("--principal", `os:${userInfo().username}@${hostname()}`)).toBe(all);
    expect(await count("--principal", "nobody")).toBe(0);
    expect(await count("--outcome", "tool_error")).toBe(4);
    expect(await count("--outcome", "forbidden")).toBe(2);
    expect(await count("--since", "15m")).toBe(all);
    expect(await count("--until", "2020-01-01")).toBe(0);
    expect(await count("--kind", "definition", "--tool", "echo")).toBeGreaterThanOrEqual(2);
    expect(await count("--limit", "2")).toBe(2);
  });

  test("a reader that has read enough ends it quietly", async () => {
    const script = `set -o pipefail; ${node} ${join(root, "packages/cli/bin/tooltrail.js")} records --all --format ndjson | head -1`;
    const [code, stderr] = await new Promise<[number, string]>((resolve) => {
      execFile("bash", ["-c", script], { env: place.env(pipeline.endpoint) }, (error, _, said) =>
        resolve([Number(error?.code ?? 0), said]),
      );
    });
    expect([code, stderr]).toEqual([0, ""]);
  });

  test("shows one record by its id", async () => {
    const [first] = await records(place, pipeline.endpoint, "--limit", "1");
    const { code, stdout } = await run("record", first?.id ?? "", "--json");
    expect([code, JSON.parse(stdout)]).toEqual([0, first]);
  });

  test.each([
    [["record", "rec_none"], 1, /There is no record rec_none/],
    [["records", "--outcome", "fine"], 64, /outcome: /],
    [["records", "--limit", "5000"], 64, /1 to 1000/],
    [["records", "--since", "yesterday"], 64, /since: "yesterday" is neither/],
    [["records", "--nonsense"], 64, /nonsense/],
    [["nonsense"], 64, /nonsense/],
    [["proxy", "--server", "x".repeat(300), "--", "true"], 64, /1 to 256 characters/],
    [["proxy"], 64, /CMD|Expected/],
    [["records", "--data", "/nowhere"], 2, /no readable \/nowhere\/token/],
  ])("%j ends with %i and says why", async (args, status, message) => {
    const { code, stderr, stdout } = await run(...args);
    expect(code).toBe(status);
    expect(stderr).toMatch(message);
    expect(stdout).toBe("");
  });

  test("says when no pipeline answers", async () => {
    const { code, stderr } = await tooltrail(place, "http://127.0.0.1:59", "records");
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/^tooltrail: no pipeline answers at http:\/\/127\.0\.0\.1:59 \(ECONNREFUSED\)/),
    ]);
  });
});
