import { join } from "node:path";
import { Client as ClientV2 } from "@modelcontextprotocol/client";
import { StdioClientTransport as StdioV2 } from "@modelcontextprotocol/client/stdio";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import type { RecordView } from "@tooltrail/api/types";
import type { CallRecord, DefinitionRecord, RecordKind } from "@tooltrail/format";
import { describe, expect, test } from "vitest";
import { aPipeline } from "../support/a-pipeline.ts";
import { behindProxy, eventually, node, records, server } from "../support/pipeline.ts";
import {
  descendants,
  fixture,
  gone,
  leaveNobody,
  line,
  plainEnv,
  proxyCommand,
  serverOf,
  start,
  startProxy,
  talkTo,
  watchOver,
} from "../support/proxied.ts";

const { place, pipeline } = aPipeline();
leaveNobody();

type CallView = RecordView & CallRecord;
type DefinitionView = RecordView & DefinitionRecord;

/** What is recorded about a server, oldest first, once it is so much. */
async function recorded(id: string, count: number, kind: RecordKind): Promise<RecordView[]> {
  const seen = await eventually(
    () => records(place, pipeline.endpoint, "--server", id, "--kind", kind),
    (seen) => seen.length >= count,
    15_000,
  );
  expect(seen).toHaveLength(count);
  return seen.reverse();
}
const callsOf = async (id: string, count: number) => (await recorded(id, count, "call")) as CallView[];
const definitionsOf = async (id: string, count: number) =>
  (await recorded(id, count, "definition")) as DefinitionView[];

const outcomes = (records: readonly CallView[]) =>
  records.map(({ tool, outcome, final }) => ({ tool, ...outcome, ...(!final && { final }) }));

/** Each test has a server id and a spool of its own, so that none adopts another's records. */
const ownSpool = (id: string) => ({ TOOLTRAIL_SPOOL: join(place.dir, id, "spool") });

function byHand(id: string, spool = id) {
  const proxy = startProxy(place, fixture("tools"), {
    flags: ["--server", id],
    endpoint: pipeline.endpoint,
    env: ownSpool(spool),
  });
  return { proxy, client: talkTo(proxy) };
}

function behind(id: string, command: readonly string[]) {
  const proxy = behindProxy(place, pipeline.endpoint, command, ["--server", id]);
  return { ...proxy, env: { ...proxy.env, ...ownSpool(id) }, stderr: "ignore" as const };
}

async function official(id: string, command: readonly string[]): Promise<{ client: Client; pid: number }> {
  const client = new Client({ name: "official", version: "1" });
  const transport = new StdioClientTransport(behind(id, command));
  await client.connect(transport);
  const pid = transport.pid ?? 0;
  watchOver(pid);
  return { client, pid };
}

describe("how a call ended", () => {
  test.concurrent("an unknown tool, invalid arguments and a tool's own error are told apart", async () => {
    const { client } = await official("everything", server("mcp-server-everything"));
    const say = (name: string, args: Record<string, unknown>) =>
      client.callTool({ name, arguments: args }).catch(() => undefined);
    await say("echo", { message: "hi" });
    await say("no-such-tool", {});
    await say("echo", { message: 5 });
    await say("get-resource-reference", { resourceType: "Text", resourceId: -1 });
    await client.close();
    expect(outcomes(await callsOf("everything", 4))).toEqual([
      { tool: "echo", class: "ok" },
      expect.objectContaining({ tool: "no-such-tool", reason: "unknown_tool" }),
      expect.objectContaining({ tool: "echo", reason: "invalid_arguments" }),
      expect.objectContaining({ tool: "get-resource-reference", class: "tool_error", reason: "invalid_arguments" }),
    ]);
  });

  test.concurrent("a client that cancels, and one whose patience ends", async () => {
    const { client } = await official("impatient", fixture("tools"));
    await client.callTool({ name: "wait" }, undefined, { timeout: 100 }).catch(() => undefined);
    const cancel = new AbortController();
    const cancelled = client.callTool({ name: "wait" }, undefined, { signal: cancel.signal }).catch(() => undefined);
    cancel.abort("the user pressed stop");
    await cancelled;
    await client.callTool({ name: "echo" });
    await client.close();
    expect(outcomes(await callsOf("impatient", 3))).toEqual([
      { tool: "wait", class: "timeout", reason: "client_timeout" },
      { tool: "wait", class: "cancelled", reason: "client_cancelled" },
      { tool: "echo", class: "ok" },
    ]);
  });

  test.concurrent.each([
    ["exit", { class: "transport_error", reason: "server_exited", code: 7 }, { code: 7, signal: null }],
    ["die", { class: "transport_error", reason: "server_exited", code: "SIGKILL" }, { code: null, signal: "SIGKILL" }],
  ])("a server that does not survive it: %s", async (tool, outcome, ended) => {
    const { proxy, client } = byHand(`mortal-${tool}`);
    await client.greet();
    client.send(client.request("tools/call", { name: "wait" }));
    client.send(client.request("tools/call", { name: tool }));
    expect(await proxy.closed).toEqual(ended);
    expect(outcomes(await callsOf(`mortal-${tool}`, 2))).toEqual([
      { tool: "wait", ...outcome },
      { tool, ...outcome },
    ]);
  });

  test.concurrent.each(["hangs up", "SIGTERM"] as const)("a client that goes: %s", async (how) => {
    const { proxy, client } = byHand(`left-${how}`);
    await client.greet();
    client.send(client.request("tools/call", { name: "wait" }));
    await client.call("echo"); // the one before has arrived
    if (how === "hangs up") proxy.stdin.end();
    else proxy.process.kill(how);
    await proxy.closed;
    expect(outcomes(await callsOf(`left-${how}`, 2))).toEqual(left);
  });
  const left = [
    { tool: "echo", class: "ok" },
    { tool: "wait", class: "cancelled", reason: "client_gone" },
  ];

  test.concurrent("a client that is killed, with a server that would live on", async () => {
    const client = `const { spawn } = require("node:child_process");
      const [frames, command, ...args] = process.argv.slice(1);
      spawn(command, args, { stdio: ["pipe", "inherit", "inherit"] }).stdin.write(frames);
      process.stdin.resume();`;
    const frames = ["wait", "echo"].map((name, id) =>
      JSON.stringify({ jsonrpc: "2.0", id, method: "tools/call", params: { name } }),
    );
    const proxy = proxyCommand(fixture("tools", "stay"), ["--server", "left-behind"]);
    const parent = start([node, "-e", client, `${frames.join("\n")}\n`, ...proxy], {
      env: { ...plainEnv(place.env(pipeline.endpoint)), ...ownSpool("left-behind") },
    });
    await line(parent.stdout, /"id":1/);
    const below = descendants(parent.pid);
    below.forEach(watchOver);
    parent.process.kill("SIGKILL");
    await gone(below, 10_000);
    expect(outcomes(await callsOf("left-behind", 2))).toEqual(left);
  });

  test.concurrent("a proxy that is killed: another one says that nobody knows", async () => {
    const { proxy, client } = byHand("killed-proxy");
    await client.greet();
    client.send(client.request("tools/call", { name: "wait" }));
    await client.call("echo");
    await serverOf(proxy);
    proxy.process.kill("SIGKILL");
    await proxy.exited;
    const heir = byHand("heir", "killed-proxy");
    await heir.client.greet();
    await heir.client.call("echo");
    expect(outcomes(await callsOf("killed-proxy", 2))).toEqual([
      { tool: "echo", class: "ok" },
      { tool: "wait", class: "unknown", reason: "emitter_died" },
    ]);
    await heir.client.end();
  });
});

describe("one record for each call", () => {
  test.concurrent("of a JSON-RPC batch, and none for a notification", async () => {
    const { client } = byHand("batches");
    await client.greet();
    const one = client.request("tools/call", { name: "echo", arguments: { message: "1" } });
    const two = client.request("tools/call", { name: "echo", arguments: { message: "2" } });
    const note = { jsonrpc: "2.0", method: "notifications/progress", params: { progressToken: 1, progress: 1 } };
    const unasked = { jsonrpc: "2.0", method: "tools/call", params: { name: "echo" } }; // no id: yet a lax server runs it
    client.send([one, note, unasked, two]);
    expect(await client.receive()).toHaveLength(2);
    client.send([note, note]);
    await client.call("change");
    await client.end();
    const calls = await callsOf("batches", 4);
    expect(calls.filter(({ outcome }) => outcome.reason === "no_answer_due")).toMatchObject([{ final: true }]);
    expect(
      calls.filter(({ outcome }) => outcome.class === "ok").map(({ tool, links }) => [tool, links?.requestId]),
    ).toEqual([
      ["echo", String(one.id)],
      ["echo", String(two.id)],
      ["change", "4"],
    ]);
    expect(new Set(calls.map((call) => call.callId)).size).toBe(4);
  });

  test.concurrent("whatever frames are cut or joined, or of 20 MB", async () => {
    const { proxy, client } = byHand("cut");
    await client.greet();
    const frames = Buffer.from(
      [1, 2, 3]
        .map((n) => client.request("tools/call", { name: "echo", arguments: { message: `${n} é漢🦜` } }))
        .map((frame) => `${JSON.stringify(frame)}\n`)
        .join(""),
    );
    for (const byte of frames) proxy.stdin.write(Buffer.of(byte));
    for (let i = 0; i < 3; i += 1) await client.receive();
    await client.call("echo", { message: "x".repeat(20 * 1024 * 1024) });
    await client.end();
    const calls = await callsOf("cut", 4);
    expect(outcomes(calls)).toEqual(Array(4).fill({ tool: "echo", class: "ok" }));
    expect(calls[3]?.args?.bytes).toBeGreaterThan(20 * 1024 * 1024);
    expect(calls[3]?.result?.bytes).toBeGreaterThan(20 * 1024 * 1024);
  });

  test.concurrent.each([1, 3])(
    "in %d rounds of input_required (2026-07-28), of which the last counts",
    async (rounds) => {
      const id = `rounds-${rounds}`;
      const client = new ClientV2(
        { name: "official", version: "2" },
        { capabilities: { elicitation: { form: {} } }, versionNegotiation: { mode: { pin: "2026-07-28" } } },
      );
      client.setRequestHandler("elicitation/create", async () => ({ action: "accept", content: { confirm: true } }));
      await client.connect(
        new StdioV2({
          ...behindProxy(place, pipeline.endpoint, fixture("rounds"), ["--server", id]),
          stderr: "ignore",
        }),
      );
      const { content } = await client.callTool({ name: "deploy", arguments: { rounds } });
      expect(content).toEqual([{ type: "text", text: `deployed after ${rounds} rounds` }]);
      await client.close();
      const attempts = await callsOf(id, rounds + 1);
      expect(attempts.map(({ attempt, final, outcome }) => [attempt, final, outcome.class])).toEqual([
        ...Array.from({ length: rounds }, (_, i) => [i + 1, false, "input_required"]),
        [rounds + 1, true, "ok"],
      ]);
      expect(new Set(attempts.map((record) => record.callId)).size).toBe(1);
      expect(new Set(attempts.map((record) => record.links?.requestId)).size).toBe(rounds + 1);
      expect(new Set(attempts.map((record) => record.links?.protocol))).toEqual(new Set(["2026-07-28"]));
    },
  );
});

describe("definitions", () => {
  test.concurrent("are recorded once, and again when they change", async () => {
    const { client } = byHand("defined");
    await client.greet();
    await client.ask("tools/list");
    await client.ask("tools/list");
    await client.call("change");
    await client.ask("tools/list");
    await client.call("change");
    await client.end();
    const definitions = await definitionsOf("defined", 5);
    expect(definitions.map(({ tool }) => tool)).toEqual(["echo", "wait", "change", "destroy", "change"]);
    const changes = definitions.filter(({ tool }) => tool === "change").map(({ digest }) => digest);
    const calls = await callsOf("defined", 2);
    expect(calls.map(({ definition }) => definition)).toEqual(changes); // each call names the one that it was made under
  });

  test.concurrent("are recorded once for each emitter", async () => {
    for (const _ of [1, 2]) {
      const { client } = byHand("defined-twice");
      await client.greet();
      await client.ask("tools/list");
      await client.end();
    }
    const definitions = await definitionsOf("defined-twice", 8);
    expect(new Set(definitions.map(({ digest }) => digest)).size).toBe(4);
  });
});

describe("proxies that start and end at once on one spool", () => {
  test("each record their call", async () => {
    const proxies = 12;
    const complaints: Buffer[] = [];
    const one = async () => {
      const { proxy, client } = byHand("at-once");
      proxy.stderr.on("data", (chunk) => complaints.push(chunk));
      await client.greet();
      await client.call("echo");
      await client.end();
    };
    await Promise.all(Array.from({ length: proxies }, one));
    expect(Buffer.concat(complaints).toString()).toBe("");
    // What one of them could not send any more is the next one's to send.
    const heir = byHand("heir", "at-once");
    await heir.client.greet();
    await callsOf("at-once", proxies);
    await heir.client.end();
  });
});
