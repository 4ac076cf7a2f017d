import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { eventually, makePlace, records, startPipeline, tooltrail } from "../support/pipeline.ts";

/** Reports calls, as anybody can. */
async function put(endpoint: string, ids: readonly string[]): Promise<void> {
  const Entries = ids.map((id) => ({
    Source: "billing",
    DetailType: "MCP Tool Call",
    Detail: JSON.stringify({ server: "billing", tool: "refund", outcome: "ok", id }),
  }));
  const headers = { "x-amz-target": "AWSEvents.PutEvents" };
  const response = await fetch(endpoint, { method: "POST", headers, body: JSON.stringify({ Entries }) });
  expect(response.status).toBe(200);
}

test("a running pipeline is verified with its ledger, a record is proven offline, and so is the folder that a stopped one leaves", async () => {
  const place = makePlace();
  const pipeline = await startPipeline(place);
  const { endpoint } = pipeline;
  const run = (...args: string[]) => tooltrail(place, endpoint, ...args);
  try {
    await put(endpoint, ["1", "2", "3"]);
    const [record] = await eventually(
      () => records(place, endpoint, "--server", "billing"),
      (all) => all.length === 3,
      20_000,
    );
    const id = record?.id ?? "";
    const proof = await eventually(
      () => run("record", id, "--proof"),
      ({ code }) => code === 0,
      20_000,
    );
    const receipt = join(place.dir, "record.tlog-proof");
    writeFileSync(receipt, proof.stdout);

    const first = await run("verify", "--json");
    expect([first.code, first.stderr]).toEqual([0, ""]);
    const report = JSON.parse(first.stdout);
    expect(report).toMatchObject({ sound: true, failures: [] });
    expect(report.checked.ledgerBatches).toBe(report.checked.batches);
    expect(report.checked.leaves).toBeGreaterThanOrEqual(3);

    const proven = await run("verify", "--receipt", receipt); // by the key that has just been pinned
    expect([proven.code, proven.stdout]).toEqual([0, expect.stringContaining(`Proven: ${id}`)]);
    await put(endpoint, ["4", "5"]);
    const resumed = await run("verify", "--resume", "--json");
    expect([resumed.code, JSON.parse(resumed.stdout).from]).toEqual([0, report.size]);
    expect((await run("record", `rec_${"a".repeat(26)}_0_0`, "--proof")).code).toBe(1);

    // An object that cannot be read is named although the ledger's side comes upon it, too.
    const bundle = join(
      place.data,
      "log/tile/entries",
      readdirSync(join(place.data, "log/tile/entries")).sort()[0] ?? "",
    );
    const object = statSync(bundle).isDirectory() ? readdirSync(bundle).map((name) => join(bundle, name)) : [bundle];
    const kept = object.map((file) => readFileSync(file));
    for (const file of object) writeFileSync(file, "no bundle");
    const damaged = await run("verify", "--json");
    expect([damaged.code, JSON.parse(damaged.stdout).failures]).toEqual([
      1,
      [expect.objectContaining({ code: "object", leaf: 0, detail: expect.stringContaining("tile/entries/000") })],
    ]);
    for (const [i, file] of object.entries()) writeFileSync(file, kept[i] ?? "");

    await pipeline.stop();
    const folder = await run("verify", "--from", place.data, "--json");
    expect(JSON.parse(folder.stdout)).toMatchObject({ sound: true, failures: [] });
    expect(JSON.parse(folder.stdout).checked.objects).toBeGreaterThan(4);
    expect(JSON.parse(folder.stdout).unchecked).toEqual([expect.stringMatching(/^Cosignatures/)]);
  } finally {
    await pipeline.stop("SIGKILL");
    place.remove();
  }
}, 120_000);
