/** Servers that have many clients at once, and forget each of them after a request. */
import { describe, expect, test } from "vitest";
import { aPipeline } from "../support/a-pipeline.ts";
import { eventually, records } from "../support/pipeline.ts";
import { leaveNobody } from "../support/proxied.ts";
import { callsOf, envOf, serverOf } from "./place.ts";
import { httpV1, httpV2, listening } from "./sessions.ts";

const { place, pipeline } = aPipeline();
leaveNobody();

const variants = [
  ["v1", "http", httpV1],
  ["v1", "stateless", httpV1],
  ["v2", "http", httpV2],
] as const;

describe.each(variants)("a server of SDK %s (%s)", (version, transport, open) => {
  const serve = (name: string) =>
    listening(serverOf(envOf(place, pipeline.endpoint, name), version, transport, "audited"));
  const nameOf = (what: string) => `${what}-${version}-${transport}`;

  test("tells apart who calls at the same time with the same ids", async () => {
    const name = nameOf("two");
    const { url, server } = await serve(name);
    const people = ["ada", "bob", "cyd"];
    const sessions = await Promise.all(people.map((person) => open(url, person)));
    for (let n = 0; n < 10; n += 1)
      await Promise.all(sessions.map((session, i) => session.call("echo", { message: `${people[i]}` })));
    const calls = await callsOf(place, pipeline.endpoint, name, 30);
    expect(calls).toHaveLength(30);
    const byDigest = Map.groupBy(calls, ({ args }) => args?.digest);
    expect(byDigest.size).toBe(3); // each said a word of their own
    for (const same of byDigest.values()) expect(new Set(same.map(({ principal }) => principal.subject)).size).toBe(1);
    expect(new Set(calls.map(({ principal }) => principal.subject))).toEqual(new Set(people));
    expect(calls.every(({ principal, outcome }) => principal.verified && outcome.class === "ok")).toBe(true);
    await Promise.all(sessions.map((session) => session.close()));
    server.process.kill();
    await server.exited;
  });

  test("publishes each definition once, and knows it in every session", async () => {
    const name = nameOf("defined");
    const { url, server } = await serve(name);
    for (let n = 0; n < 3; n += 1) {
      const session = await open(url);
      await session.list();
      await session.call("wipe", { id: `${n}` });
      await session.close();
    }
    const calls = await callsOf(place, pipeline.endpoint, name, 3);
    const all = await eventually(
      () => records(place, pipeline.endpoint, "--server", "notes", "--kind", "definition"),
      (seen) => seen.some((record) => record.server.environment === name),
      10_000,
    );
    const own = all.filter((record) => record.server.environment === name) as unknown as {
      tool: string;
      digest: string;
    }[];
    expect(own.map(({ tool }) => tool).sort()).toEqual([...new Set(own.map(({ tool }) => tool))].sort());
    const wipe = own.find(({ tool }) => tool === "wipe")?.digest;
    expect(calls.map(({ definition }) => definition)).toEqual([wipe, wipe, wipe]);
    const intents = await records(place, pipeline.endpoint, "--server", "notes", "--kind", "intent");
    expect(intents.filter((record) => record.server.environment === name)).toHaveLength(3);
    server.process.kill();
    await server.exited;
  });

  if (transport === "http" && version === "v1") return; // in a session, hanging up is no word on the call (2025-11-25)
  test("a client that hangs up has cancelled its call", async () => {
    const name = nameOf("gone");
    const { url, server } = await serve(name);
    const session = await open(url);
    if (version === "v2") {
      const stop = new AbortController();
      setTimeout(() => stop.abort(), 300);
      await session.call("wait", {}, stop.signal);
    } else {
      void session.call("wait", {});
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    await session.close();
    const [call] = await callsOf(place, pipeline.endpoint, name, 1);
    expect(call).toMatchObject({ tool: "wait", final: true, outcome: { class: "cancelled", reason: "client_gone" } });
    server.process.kill();
    await server.exited;
  });
});
