import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RecordView } from "@tooltrail/api/types";
import type { LifecycleRecord } from "@tooltrail/format";
import { afterAll, describe, expect, test } from "vitest";
import { aPipeline } from "../support/a-pipeline.ts";
import { eventually, records, tooltrail } from "../support/pipeline.ts";
import { fixture, leaveNobody, line, startProxy, talkTo } from "../support/proxied.ts";
import { mountTinyDisk } from "../support/tiny-disk.ts";

const { place, pipeline } = aPipeline();

const recorded = (id: string, ...args: string[]): Promise<RecordView[]> =>
  records(place, pipeline.endpoint, "--server", id, ...args);

function byHand(id: string, flags: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const proxy = startProxy(place, fixture("tools"), {
    flags: ["--server", id, ...flags],
    endpoint: pipeline.endpoint,
    env,
  });
  return { proxy, client: talkTo(proxy) };
}

/** What the spool held of a call to `destroy` when the server got it. */
type Answer = { result?: { content: { text: string }[] }; error?: { code: number; message: string } };
const seenByServer = (answer: object): string[] =>
  (JSON.parse((answer as Answer).result?.content[0]?.text ?? "{}") as { kinds: string[] }).kinds;

describe("an intent", () => {
  test.concurrent.each(["open", "closed"])("is in the spool before a destructive call arrives (%s)", async (mode) => {
    const { client } = byHand(`intent-${mode}`, ["--on-spool-failure", mode]);
    await client.greet();
    await client.ask("tools/list");
    await client.call("echo");
    expect(seenByServer(await client.call("destroy", { message: "all" }))).toContain("intent");
    await client.end();
    const [intent, ...others] = await eventually(
      () => recorded(`intent-${mode}`, "--kind", "intent"),
      (seen) => seen.length > 0,
      15_000,
    );
    expect(others).toEqual([]);
    expect(intent).toMatchObject({ tool: "destroy", annotations: { destructiveHint: true } });
    const [call] = await recorded(`intent-${mode}`, "--tool", "destroy");
    expect(call).toMatchObject({ callId: (intent as { callId?: string }).callId, outcome: { class: "ok" } });
  });

  test.concurrent("is written for what the operator names, whatever a server declares", async () => {
    const { client } = byHand("intent-named", ["--intent", "echo", "--intent", "destroy"]);
    await client.greet();
    // Never listed: here only the operator knows that it is destructive.
    expect(seenByServer(await client.call("destroy"))).toContain("intent");
    await client.call("echo");
    await client.end();
    await eventually(
      () => recorded("intent-named", "--kind", "intent"),
      (seen) => seen.length === 2,
      15_000,
    );
  });
});

describe("a spool that is over its bound from the start", () => {
  const full = (name: string): NodeJS.ProcessEnv => {
    const spool = join(place.dir, name, "spool");
    mkdirSync(spool, { recursive: true, mode: 0o700 });
    writeFileSync(join(spool, "filler"), Buffer.alloc(1_100_000));
    return { TOOLTRAIL_SPOOL: spool, TOOLTRAIL_SPOOL_MAX_MB: "1" };
  };

  test.concurrent("refuses what is destructive where failure is closed, and nothing else", async () => {
    const { client } = byHand("bound-closed", ["--on-spool-failure", "closed"], full("bound-closed"));
    await client.greet();
    await client.ask("tools/list");
    expect(await client.call("destroy")).toMatchObject({ error: { code: -32603, message: /cannot be recorded/ } });
    expect(await client.call("echo", { message: "on" })).toMatchObject({ result: { content: [{ text: "on" }] } });
    // A JSON-RPC batch goes or is refused whole, and its client is answered for each request in it.
    const [echo, destroy] = ["echo", "destroy"].map((name) => client.request("tools/call", { name }));
    client.send([echo, { jsonrpc: "2.0", method: "notifications/x" }, destroy]);
    expect(await client.receive()).toEqual([
      expect.objectContaining({ id: echo?.id, error: expect.anything() }),
      expect.objectContaining({ id: destroy?.id, error: expect.anything() }),
    ]);
    expect(await client.end()).toEqual({ code: 0, signal: null });
  });

  test.concurrent("lets everything pass where it is open", async () => {
    const { client } = byHand("bound-open", [], full("bound-open"));
    await client.greet();
    await client.ask("tools/list");
    expect(seenByServer(await client.call("destroy"))).toEqual([]);
    expect(await client.end()).toEqual({ code: 0, signal: null });
  });
});

describe("a spool that cannot be made", () => {
  const blocked = (name: string): NodeJS.ProcessEnv => {
    const file = join(place.dir, name);
    mkdirSync(file);
    writeFileSync(join(file, "spool"), "a file where the folder should be");
    return { TOOLTRAIL_SPOOL: join(file, "spool") };
  };

  test.concurrent("is no obstacle to calls where failure is open, and is said", async () => {
    const { proxy, client } = byHand("blocked-open", [], blocked("blocked-open"));
    const [said] = await Promise.all([line(proxy.stderr, /calls are NOT recorded: .*EEXIST/), client.greet()]);
    expect(said).toBeDefined();
    expect(await client.call("echo", { message: "on" })).toMatchObject({ result: { content: [{ text: "on" }] } });
    expect(await client.end()).toEqual({ code: 0, signal: null });
  });

  test.concurrent("keeps the server from starting where it is closed", async () => {
    const { proxy } = byHand("blocked-closed", ["--on-spool-failure", "closed"], blocked("blocked-closed"));
    const [said] = await Promise.all([line(proxy.stderr, /^tooltrail: .*EEXIST/), proxy.closed]);
    expect(said).toBeDefined();
    expect(await proxy.closed).toEqual({ code: 2, signal: null });
  });
});

describe("a spool that stays full for long", () => {
  test.concurrent("tells how many records it lost", { timeout: 90_000 }, async () => {
    const spool = join(place.dir, "lossy", "spool");
    mkdirSync(spool, { recursive: true, mode: 0o700 });
    const filler = join(spool, "filler");
    writeFileSync(filler, "");
    truncateSync(filler, 33 * 1024 * 1024);
    const { proxy, client } = byHand("lossy", [], { TOOLTRAIL_SPOOL: spool, TOOLTRAIL_SPOOL_MAX_MB: "32" });
    proxy.stderr.resume();
    await client.greet();
    const [batches, size] = [60, 100];
    for (let i = 0; i < batches; i += 1) {
      client.send(Array.from({ length: size }, () => client.request("tools/call", { name: "echo" })));
      await client.receive();
    }
    rmSync(filler); // it looks every 15 s or so
    const lost = (await eventually(
      () => recorded("lossy", "--kind", "lifecycle"),
      (seen) => seen.some((record) => record.kind === "lifecycle" && record.event === "lost"),
      45_000,
    )) as (RecordView & LifecycleRecord)[];
    await client.end();
    const counts = lost.map((record) => (record.event === "lost" ? (record.count ?? 0) : 0));
    const kept = await eventually(
      async () =>
        (await tooltrail(place, pipeline.endpoint, "records", "--server", "lossy", "--all", "--format", "ndjson"))
          .stdout,
      (lines) => lines.split("\n").length - 1 + counts.reduce((a, b) => a + b) === batches * size,
      15_000,
    );
    expect(kept).not.toBe("");
  });
});

/** A real disk of 256 KB, where this user may mount one. */
function tinyDisk(): string | undefined {
  const dir = mkdtempSync(join(tmpdir(), "tooltrail-disk-"));
  const disk = mountTinyDisk(dir, 256);
  if (!("skipped" in disk)) return dir;
  rmSync(dir, { recursive: true });
  console.log(`A full disk was not tried: ${disk.skipped}`);
  return undefined;
}
const disks = Array.from({ length: 2 }, tinyDisk).filter((disk) => disk !== undefined);
afterAll(() => {
  for (const disk of disks) execFileSync("umount", [disk]);
  for (const disk of disks) rmSync(disk, { recursive: true });
});
leaveNobody(); // hooks run from the last to the first: a disk that is in use cannot be taken away

describe.skipIf(disks.length < 2)("a disk that fills up", () => {
  const [forClosed = "", forOpen = ""] = disks;

  function fill(disk: string): { makeRoom(): void } {
    const filler = join(disk, "filler");
    writeFileSync(filler, "");
    for (const bytes of [4_096, 1])
      for (;;)
        try {
          writeFileSync(filler, Buffer.alloc(bytes), { flag: "a" });
        } catch {
          break;
        }
    return { makeRoom: () => rmSync(filler) };
  }

  /** The last pages of the files that are open still take some. */
  async function untilRefused(client: ReturnType<typeof talkTo>): Promise<string[][]> {
    const seen: string[][] = [];
    for (let i = 0; i < 100; i += 1) {
      const answer = (await client.call("destroy")) as Answer;
      if (answer.error) return seen;
      seen.push(seenByServer(answer));
    }
    throw new Error("never refused");
  }

  test.concurrent("refuses what is destructive where failure is closed, until there is room", async () => {
    const { client } = byHand("disk-closed", ["--on-spool-failure", "closed"], {
      TOOLTRAIL_SPOOL: join(forClosed, "spool"),
    });
    await client.greet();
    await client.ask("tools/list");
    const disk = fill(forClosed);
    for (const kinds of await untilRefused(client)) expect(kinds).toContain("intent");
    expect(await client.call("echo", { message: "on" })).toMatchObject({ result: { content: [{ text: "on" }] } });
    disk.makeRoom();
    expect(seenByServer(await client.call("destroy"))).toContain("intent");
    await client.end();
    const refused = await eventually(
      () => recorded("disk-closed", "--outcome", "not_recorded"),
      (seen) => seen.length > 0,
      15_000,
    );
    expect(refused).toMatchObject([{ tool: "destroy", outcome: { class: "denied" }, final: true }]);
  });

  test.concurrent("lets all pass where it is open, and tells what it held once there is room", async () => {
    const { client } = byHand("disk-open", [], { TOOLTRAIL_SPOOL: join(forOpen, "spool") });
    await client.greet();
    await client.ask("tools/list");
    const disk = fill(forOpen);
    const calls = 200; // more than the disk has room for at once
    for (let i = 0; i < calls; i += 1) expect(await client.call("destroy")).toHaveProperty("result");
    disk.makeRoom();
    const seen = await eventually(
      () => recorded("disk-open", "--tool", "destroy"),
      (seen) => seen.length >= calls,
      15_000,
    );
    expect(new Set(seen.map((call) => (call as { callId?: string }).callId)).size).toBe(calls);
    await client.end();
  });
});
