import { appendFileSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { bodyLines } from "@tooltrail/format";
import { hashLeaf, inclusionProof, leafBytes, receiptText, tileReader, vkeyText } from "@tooltrail/format/log";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { makePlace, type Place, type Ran, tooltrail } from "../support/pipeline.ts";
import {
  aKey,
  aMixedLog,
  aSignedLog,
  batchesOf,
  logKey,
  origin,
  type SignedLog,
  signedCheckpoint,
  writeDataFolder,
} from "../support/signed-log.ts";

let log: SignedLog;
beforeAll(async () => {
  log = await aMixedLog();
});

let place: Place;
beforeEach(async () => {
  place = makePlace();
  await writeDataFolder(place.data, log);
});
afterEach(() => place.remove());

const run = (...args: string[]): Promise<Ran> => tooltrail(place, "http://127.0.0.1:1", ...args);
const pins = (): string => join(place.dir, "pins");
const stateFile = (): string => join(pins(), readdirSync(pins()).find((name) => name.endsWith(".state")) ?? "");
const publish = (i: number): void => writeFileSync(join(place.data, "log/checkpoint"), log.checkpoints[i]?.text ?? "");

test("a sound folder is said to be, with what was checked, and pinned", async () => {
  const { code, stdout } = await run("verify", "--from", place.data);
  expect([code, stdout]).toEqual([0, expect.stringMatching(/^Sound: log\.example\.com\/test/)]);
  expect(stdout).toContain(`${log.checkpoints.at(-1)?.size} leaves`);
  expect(stdout).toContain("Nobody vouches for the log's key but the log itself");
  const [pin = "", state = ""] = readdirSync(pins()).sort();
  expect(state).toBe(`${pin}.state`);
  expect(statSync(join(pins(), state)).mode & 0o777).toBe(0o600);
  const again = await run("verify", "--from", place.data, "--resume", "--json");
  expect([again.stderr, JSON.parse(again.stdout)]).toMatchObject([
    "",
    { sound: true, from: log.checkpoints.at(-1)?.size, notices: [] },
  ]);
  expect(JSON.parse(again.stdout)).not.toHaveProperty("state");
});

test.each<[string, () => void, string]>([
  ["is gone", () => rmSync(stateFile()), "is not beside the pin"],
  ["is another", () => appendFileSync(stateFile(), "x"), "is not beside the pin"],
])("where what was known %s, --resume begins at leaf 0, and says so", async (_, change, said) => {
  expect((await run("verify", "--from", place.data)).code).toBe(0);
  change();
  const { code, stdout, stderr } = await run("verify", "--from", place.data, "--resume", "--json");
  expect([code, JSON.parse(stdout).from, stderr]).toEqual([0, 0, expect.stringContaining(said)]);
  const after = await run("verify", "--from", place.data, "--resume", "--json");
  expect(JSON.parse(after.stdout).from).toBe(log.checkpoints.at(-1)?.size);
});

test("what was verified without the ledger is verified anew with it", async () => {
  expect((await run("verify", "--from", place.data, "--no-ledger")).code).toBe(0);
  const { stdout, stderr } = await run("verify", "--from", place.data, "--resume", "--json");
  expect([JSON.parse(stdout).from, stderr]).toEqual([0, expect.stringContaining("the ledger was not asked")]);
});

test("an altered record is named, and nothing is pinned over it", async () => {
  const file = join(place.data, "log/tile/entries/000");
  const text = readFileSync(file, "latin1");
  writeFileSync(file, text.replace("tool-3", "tool-4"), "latin1");
  const { code, stdout } = await run("verify", "--from", place.data, "--vkey", vkeyText(logKey.key));
  expect([code, stdout]).toEqual([1, expect.stringMatching(/^NOT sound/)]);
  expect(stdout).toMatch(/FAILED object leaf \d+: .*tile\/entries\/000: entry \d+ \(leaf \d+\)/);
  expect(existsSync(pins())).toBe(false);
});

test("a log that is cut after it was seen, one that is another, and a pin that is none", async () => {
  expect((await run("verify", "--from", place.data)).code).toBe(0);
  publish(2);
  const cut = await run("verify", "--from", place.data);
  expect([cut.code, cut.stdout]).toEqual([1, expect.stringContaining("FAILED rollback")]);

  const other = aKey("another.example.com", 42);
  const checkpoint = { ...(log.checkpoints.at(-1) as SignedLog["checkpoints"][number]), origin: "another.example.com" };
  writeFileSync(join(place.data, "log/checkpoint"), signedCheckpoint(checkpoint, [other]));
  writeFileSync(join(place.data, "log/vkey"), `${vkeyText(other.key)}\n`);
  const renamed = await run("verify", "--from", place.data);
  expect([renamed.code, renamed.stdout]).toEqual([1, expect.stringContaining("Another log is here than before")]);

  publish(4);
  writeFileSync(stateFile().replace(/\.state$/, ""), "{}");
  const broken = await run("verify", "--from", place.data);
  expect([broken.code, broken.stderr]).toEqual([2, expect.stringContaining("is not a pin as verify writes it")]);
});

test("the key has changed: both are named", async () => {
  expect((await run("verify", "--from", place.data)).code).toBe(0);
  const other = aKey(origin, 42);
  rmSync(place.data, { recursive: true });
  await writeDataFolder(place.data, await aSignedLog([log.batches], [other]));
  const { code, stdout } = await run("verify", "--from", place.data);
  expect(code).toBe(1);
  expect(stdout).toContain(vkeyText(other.key));
  expect(stdout).toContain(vkeyText(logKey.key));
});

test.each([
  ["no log there", ["--from", "/nowhere"], 2, "There is no log"],
  ["nobody there", [], 2, "cannot be read"],
  ["nothing pinned", ["--from", "data", "--resume"], 2, "nothing is pinned"],
  ["a key that is none", ["--from", "data", "--vkey", "a+b+c"], 64, "--vkey"],
  ["no file of that name", ["--from", "data", "--vkey", "nofile"], 64, "--vkey"],
  ["a span that is none", ["--from", "data", "--max-lateness", "long"], 64, "span"],
  ["a policy that is none", ["--from", "data", "--policy", "data/token"], 64, "--policy"],
])("what cannot be told is not said to be sound: %s", async (_, args, code, said) => {
  writeFileSync(join(place.data, "token"), "a token\n");
  const ran = await run("verify", ...args);
  expect([ran.code, ran.stderr]).toEqual([code, expect.stringContaining(said)]);
});

describe("over HTTP", () => {
  let server: Server;
  let asked: string[];
  let url: string;
  beforeEach(async () => {
    asked = [];
    const { objects } = await aSignedLog([await batchesOf(1, [5, 300], Date.now() - 86_400_000)]);
    server = createServer(({ url = "" }, response) => {
      asked.push(url);
      const object = objects.get(url.replace("/log/", ""));
      response.writeHead(object ? 200 : 404).end(object ?? "");
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(() => server.close());

  test("a log is verified by its address alone, and what that cannot show is said", async () => {
    const { code, stdout } = await run("verify", "--from", url, "--vkey", vkeyText(logKey.key));
    expect(code).toBe(0);
    expect(stdout).toMatch(/Not checked: The ledger: .*only the pipeline at TOOLTRAIL_ENDPOINT/);
    expect(stdout).toMatch(/Not checked: Objects that a current reader never asks for/);
    expect(stdout).toMatch(/Not checked: Cosignatures/);
    expect(asked.every((path) => path.startsWith("/log/"))).toBe(true);
    expect(new Set(asked).size).toBe(asked.length); // each object once
  });
});

describe("a receipt", () => {
  async function aReceipt(index: number): Promise<string> {
    const { size, text } = log.checkpoints.at(-1) as SignedLog["checkpoints"][number];
    const read = tileReader(async (name) => log.objects.get(name));
    const [batch, first] = [...log.firstLeaves].findLast(([, firstLeaf]) => firstLeaf <= index) ?? [];
    const line = bodyLines(batch?.body ?? "")?.[index - (first ?? 0)] ?? "";
    const extra = leafBytes({ batch: batch as NonNullable<typeof batch>, index: index - (first ?? 0), line });
    return receiptText({ index, extra, proof: await inclusionProof(index, size, read), checkpoint: text });
  }
  const file = (): string => join(place.dir, "record.tlog-proof");

  test("is checked offline with the public key alone, and shows the record", async () => {
    writeFileSync(file(), await aReceipt(77));
    const { code, stdout } = await run("verify", "--receipt", file(), "--vkey", vkeyText(logKey.key));
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^Proven: rec_[a-z2-7]{26}_\d+_\d+ is leaf 77 of the \d+ that log\.example\.com\/test has signed/,
    );
    expect(stdout.match(/"tool": "tool-/g)).toHaveLength(1);
    expect(stdout).not.toContain('"line"');
    expect(stdout).toMatch(
      /the log states that this record came by the emitter [a-z2-7]{26} with the key \S{43}, 2027-/,
    );
    expect(stdout).toContain("Not in a receipt: the emitter's own signature.");
    const { stdout: json } = await run("verify", "--receipt", file(), "--vkey", vkeyText(logKey.key), "--json");
    expect(JSON.parse(json)).toMatchObject({ sound: true, index: 77, leaf: { record: { kind: "call" } } });
    expect(json).not.toContain('"line"');
  });

  test("of an event that nobody signed says so", async () => {
    const plain = [...log.firstLeaves].find(([{ sig }]) => sig === undefined)?.[1];
    writeFileSync(file(), await aReceipt(plain ?? -1));
    const { code, stdout } = await run("verify", "--receipt", file(), "--vkey", vkeyText(logKey.key));
    expect([code, stdout]).toEqual([
      0,
      expect.stringContaining("as an event of account 000000000000 that nobody signed"),
    ]);
    expect(stdout).not.toContain("the emitter's own signature");
  });

  test.each([
    ["no canonical JSON", (line: string) => ` ${line}`, {}, "record: not canonical"],
    ["another schema", (line: string) => line.replace("tooltrail.record/1", "tooltrail.record/9"), {}, "record.schema"],
    ["another kind", (line: string) => line.replace('"kind":"call"', '"kind":"ghost"'), {}, "record.kind"],
    ["no key, and a second batch", (line: string) => line, { seq: 1, count: 1 }, "key: missing"],
    ["no key, and two records", (line: string) => line, { seq: 0, count: 2 }, "key: missing"],
  ])(
    "of a leaf that the log has signed and that is none of a record proves nothing: %s",
    async (_, change, unsigned, said) => {
      const batch = log.batches.find(({ sig }) => sig !== undefined) as SignedLog["batches"][number];
      const { key, ...headers } = batch.headers as typeof batch.headers & { readonly key: string };
      const changed = { ...headers, count: 1, ...(Object.keys(unsigned).length > 0 ? unsigned : { key }) };
      const line = change(bodyLines(batch.body)?.[0] ?? "");
      const extra = leafBytes({ batch: { ...batch, headers: changed as typeof headers }, index: 0, line });
      const checkpoint = signedCheckpoint({ origin, size: 1, root: hashLeaf(extra) });
      writeFileSync(file(), receiptText({ index: 0, extra, proof: [], checkpoint }));
      const { code, stdout } = await run("verify", "--receipt", file(), "--vkey", vkeyText(logKey.key));
      expect([code, stdout]).toEqual([1, expect.stringContaining(`Not proven: ${said}`)]);
    },
  );

  test.each([
    [["--resume"], "--resume"],
    [["--from", "data"], "--from"],
    [["--no-ledger", "--max-lateness", "1h"], "--no-ledger, --max-lateness"],
    [["--data", "data"], "--data"],
  ])("has no use for %s", async (args, said) => {
    writeFileSync(file(), await aReceipt(5));
    const { code, stderr } = await run("verify", "--receipt", file(), "--vkey", vkeyText(logKey.key), ...args);
    expect([code, stderr]).toEqual([64, expect.stringContaining(said)]);
  });

  test("takes a key from a file with a + in its name", async () => {
    const keyFile = join(place.dir, "a+b+c");
    writeFileSync(keyFile, `${vkeyText(logKey.key)}\n`);
    writeFileSync(file(), await aReceipt(5));
    expect((await run("verify", "--receipt", file(), "--vkey", keyFile)).code).toBe(0);
  });

  test("without a key: the pinned one, or it cannot be told", async () => {
    writeFileSync(file(), await aReceipt(5));
    const before = await run("verify", "--receipt", file());
    expect([before.code, before.stderr]).toEqual([2, expect.stringContaining("--vkey")]);
    await run("verify", "--from", place.data);
    expect((await run("verify", "--receipt", file())).code).toBe(0);
  });

  test("for another record, of another key, or altered, proves nothing", async () => {
    const good = await aReceipt(77);
    const other = await aReceipt(78);
    const extraOf = (text: string): string => /^extra .*$/m.exec(text)?.[0] ?? "";
    for (const bad of [
      good.replace(extraOf(good), extraOf(other)),
      good.replace("index 77", "index 78"),
      good.slice(0, -10),
      "not a receipt\n",
    ]) {
      writeFileSync(file(), bad);
      const { code, stdout } = await run("verify", "--receipt", file(), "--vkey", vkeyText(logKey.key));
      expect([code, stdout]).toEqual([1, expect.stringContaining("Not proven")]);
    }
    writeFileSync(file(), good);
    expect((await run("verify", "--receipt", file(), "--vkey", vkeyText(aKey(origin, 43).key))).code).toBe(1);
  });
});

test("the pin is one file for each log", async () => {
  await run("verify", "--from", place.data, "--pin", join(place.dir, "mine.json"));
  const pin = JSON.parse(readFileSync(join(place.dir, "mine.json"), "utf8"));
  expect(pin).toMatchObject({ origin, keys: [vkeyText(logKey.key)], checkpoint: log.checkpoints.at(-1)?.text });
  expect(existsSync(pins())).toBe(false);
});
