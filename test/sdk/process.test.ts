/** A server and its process are as they were, whatever becomes of the records. */
import { once } from "node:events";
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { aPipeline } from "../support/a-pipeline.ts";
import { leaveNobody, start, talkTo } from "../support/proxied.ts";
import { callsOf, envOf, serverOf } from "./place.ts";
import { httpV1, httpV2, listening } from "./sessions.ts";

const { place, pipeline } = aPipeline();
leaveNobody();

const stdio = (name: string, more: Record<string, string> = {}, version: "v1" | "v2" = "v1") => {
  const { command, args, env } = serverOf(envOf(place, pipeline.endpoint, name), version, "stdio", "audited");
  const started = start([command, ...args], { env: { ...env, ...more } });
  const complaints: Buffer[] = [];
  started.stderr.on("data", (chunk: Buffer) => complaints.push(chunk));
  return { started, client: talkTo(started), complaints: () => Buffer.concat(complaints).toString() };
};
const outcomes = (name: string, count: number) =>
  callsOf(place, pipeline.endpoint, name, count).then((calls) =>
    calls.map(({ tool, outcome }) => ({ tool, ...outcome })),
  );

test("a server that is killed has lost no call that was answered; what was open is unknown", async () => {
  const { started, client } = stdio("killed");
  await client.greet();
  await client.call("echo", { message: "1" });
  client.send(client.request("tools/call", { name: "wait", arguments: {} }));
  await client.call("echo", { message: "2" });
  started.process.kill("SIGKILL");
  await started.exited;
  const heir = stdio("killed");
  await heir.client.greet();
  expect(await outcomes("killed", 3)).toEqual([
    { tool: "echo", class: "ok" },
    { tool: "echo", class: "ok" },
    { tool: "wait", class: "unknown", reason: "emitter_died" },
  ]);
  await heir.client.end();
});

test("whoever called a server that was killed is still known by name", async () => {
  const command = serverOf(envOf(place, pipeline.endpoint, "names"), "v1", "http", "audited");
  const { url, server } = await listening(command);
  const [ada, bob] = [await httpV1(url, "ada"), await httpV1(url, "bob")];
  await ada.call("echo", { message: "1" });
  void bob.call("wait").catch(() => undefined);
  await ada.call("echo", { message: "2" });
  server.process.kill("SIGKILL");
  await server.exited;
  const heir = await listening(command);
  await (await httpV1(heir.url, "eve")).call("echo", { message: "3" });
  const calls = await callsOf(place, pipeline.endpoint, "names", 4);
  expect(calls.map(({ principal, outcome }) => `${principal.subject} ${outcome.class}`).sort()).toEqual([
    "ada ok",
    "ada ok",
    "bob unknown",
    "eve ok",
  ]);
  heir.server.process.kill();
  await heir.server.exited;
});

test.each(["v1", "v2"] as const)("a server of SDK %s ends by itself when its client has gone", async (version) => {
  const { client, complaints } = stdio(`alone-${version}`, {}, version);
  await client.greet();
  await client.call("echo", { message: "1" });
  client.send(client.request("tools/call", { name: "wait", arguments: {} }));
  await client.call("echo", { message: "2" });
  const before = Date.now();
  expect(await client.end()).toEqual({ code: 0, signal: null });
  expect(Date.now() - before).toBeLessThan(5_000);
  expect(complaints()).toBe("");
  expect(await outcomes(`alone-${version}`, 3)).toContainEqual({
    tool: "wait",
    class: "cancelled",
    reason: "client_gone",
  });
  expect(readdirSync(join(place.dir, `spool-alone-${version}`))).toEqual([]); // all of it was sent
});

test("a pipeline that never answers holds up neither calls nor the end", async () => {
  const deaf = createServer(() => undefined).listen(0, "127.0.0.1");
  onTestFinished(() => void deaf.close());
  await once(deaf, "listening");
  const endpoint = `http://127.0.0.1:${(deaf.address() as AddressInfo).port}`;
  const { client } = stdio("deaf", { TOOLTRAIL_ENDPOINT: endpoint });
  await client.greet();
  await client.call("echo", { message: "1" });
  await new Promise((resolve) => setTimeout(resolve, 2_500)); // it has been trying to send for a while
  const before = Date.now();
  expect(await client.end()).toEqual({ code: 0, signal: null });
  expect(Date.now() - before).toBeLessThan(3_000);
});

test("a pipeline that is not there holds up neither calls nor the end, and gets all of it later", async () => {
  const gone = createServer().listen(0, "127.0.0.1");
  await once(gone, "listening");
  const endpoint = `http://127.0.0.1:${(gone.address() as AddressInfo).port}`;
  await new Promise((resolve) => gone.close(resolve));
  const { client } = stdio("absent", { TOOLTRAIL_ENDPOINT: endpoint });
  await client.greet();
  await client.call("echo", { message: "1" });
  const before = Date.now();
  expect(await client.end()).toEqual({ code: 0, signal: null });
  expect(Date.now() - before).toBeLessThan(800); // it would try for a second if anybody listened
  const heir = stdio("absent");
  await heir.client.greet();
  expect(await outcomes("absent", 1)).toEqual([{ tool: "echo", class: "ok" }]);
  await heir.client.end();
});

test("a server that exits within a call says so itself, and its code is its own", async () => {
  const { started, client } = stdio("exits");
  await client.greet();
  client.send(client.request("tools/call", { name: "exit", arguments: {} }));
  expect(await started.closed).toEqual({ code: 7, signal: null });
  const heir = stdio("exits");
  await heir.client.greet();
  expect(await outcomes("exits", 1)).toEqual([
    { tool: "exit", class: "transport_error", reason: "server_exited", code: 7 },
  ]);
  await heir.client.end();
});

test("a signal ends a server as it did, and nothing that was answered is lost", async () => {
  const { started, client } = stdio("terminated");
  await client.greet();
  await client.call("echo", { message: "1" });
  started.process.kill("SIGTERM");
  expect(await started.closed).toEqual({ code: null, signal: "SIGTERM" });
  const heir = stdio("terminated");
  await heir.client.greet();
  expect(await outcomes("terminated", 1)).toEqual([{ tool: "echo", class: "ok" }]);
  await heir.client.end();
});

describe("a spool that cannot be written", () => {
  const blocked = (name: string): Record<string, string> => {
    writeFileSync(join(place.dir, `file-${name}`), "");
    return { TOOLTRAIL_SPOOL: join(place.dir, `file-${name}`, "spool") };
  };

  test("leaves the server as it was, which says once that nothing is recorded", async () => {
    const { client, complaints } = stdio("blocked", blocked("open"));
    await client.greet();
    await client.ask("tools/list");
    for (const id of ["1", "2"])
      expect(await client.call("wipe", { id })).toMatchObject({ result: { content: [{ text: `wiped ${id}` }] } });
    expect(await client.end()).toEqual({ code: 0, signal: null });
    expect(complaints().match(/NOT recorded/g)).toHaveLength(1);
  });

  test.each(["v1", "v2"] as const)("refuses destructive calls alone where it is told to (SDK %s)", async (version) => {
    const closed = { ...blocked(`closed-${version}`), AUDIT_OPTIONS: '{"onSpoolFailure":"closed"}' };
    const { client } = stdio("blocked", closed, version);
    await client.greet();
    await client.ask("tools/list");
    expect(await client.call("wipe", { id: "1" })).toMatchObject({
      error: { code: -32603, message: expect.stringContaining("cannot be recorded") },
    });
    expect(await client.call("echo", { message: "hi" })).toMatchObject({ result: { content: [{ text: "hi" }] } });
    await client.end();
  });

  test("refuses them by HTTP too, as an answer to the call", async () => {
    const env = { ...envOf(place, pipeline.endpoint, "refusing"), ...blocked("http") };
    const closed = { ...env, AUDIT_OPTIONS: '{"onSpoolFailure":"closed","intentTools":["echo"]}' };
    for (const [version, open] of [
      ["v1", httpV1],
      ["v2", httpV2],
    ] as const) {
      const { url, server } = await listening(serverOf(closed, version, "http", "audited"));
      const session = await open(url);
      expect(String(await session.call("echo", { message: "hi" }))).toContain("cannot be recorded");
      await session.close();
      server.process.kill();
      await server.exited;
    }
  });

  test("settings that are wrong are such a fault, too", async () => {
    const { client, complaints } = stdio("wrong", { TOOLTRAIL_SPOOL_MAX_MB: "much" });
    await client.greet();
    expect(await client.call("echo", { message: "hi" })).toMatchObject({ result: { content: [{ text: "hi" }] } });
    await client.end();
    expect(complaints()).toContain("TOOLTRAIL_SPOOL_MAX_MB");
  });

  test("that becomes so while it runs", async () => {
    const { client } = stdio("lost");
    await client.greet();
    const spool = join(place.dir, "spool-lost");
    rmSync(spool, { recursive: true });
    mkdirSync(spool, { mode: 0o500 });
    for (let n = 0; n < 300; n += 1) {
      const message = `${n}`;
      expect(await client.call("echo", { message })).toMatchObject({ result: { content: [{ text: message }] } });
    }
    expect(await client.end()).toEqual({ code: 0, signal: null });
  });
});
