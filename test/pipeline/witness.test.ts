import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import {
  addCheckpointText,
  type Checkpoint,
  consistencyProof,
  openCheckpoint,
  parseVkey,
  tileReader,
  type VerifierKey,
  vkeyText,
} from "@tooltrail/format/log";
import { afterEach, beforeAll, expect, test } from "vitest";
import { httpWitnesses } from "../../functions/lib/witnesses.ts";
import { eventually, makePlace, node, type Place, root, startPipeline } from "../support/pipeline.ts";
import {
  aKey,
  aSignedLog,
  batchesOf,
  logKey,
  origin,
  type SignedLog,
  signedCheckpoint,
} from "../support/signed-log.ts";

const running: ChildProcess[] = [];
const folders: string[] = [];
afterEach(() => {
  for (const child of running.splice(0)) child.kill("SIGKILL");
  for (const dir of folders.splice(0)) rmSync(dir, { recursive: true, force: true });
});

let log: SignedLog;
let fork: SignedLog;
beforeAll(async () => {
  const [a, b, c, d] = (await batchesOf(1, [3, 40, 5, 60])).map((batch) => [batch]);
  const other = (await batchesOf(2, [3, 40, 5, 60])).map((batch) => [batch]);
  log = await aSignedLog([a, b, c, d] as Parameters<typeof aSignedLog>[0]);
  fork = await aSignedLog([other[0], other[1], other[2], other[3]] as Parameters<typeof aSignedLog>[0]);
});

function aFolder(): string {
  const dir = mkdtempSync(join(tmpdir(), "tooltrail-witness-"));
  folders.push(dir);
  return join(dir, "witness");
}

interface Running {
  readonly url: string;
  readonly key: VerifierKey;
  readonly process: ChildProcess;
  ask(request: string): Promise<{ status: number; text: string; type: string | null }>;
}

const commandLine = join(root, "packages/cli/bin/tooltrail.js");
const started = (dir: string, ...args: string[]): ChildProcess => {
  const child = spawn(
    node,
    [commandLine, "witness", "--data", dir, "--port", "0", "--log", vkeyText(logKey.key), ...args],
    { stdio: ["ignore", "pipe", "pipe"], env: { PATH: process.env.PATH, HOME: dir } },
  );
  running.push(child);
  return child;
};

async function aWitness(dir: string, ...args: string[]): Promise<Running> {
  const child = started(dir, ...args);
  const vkey = String(await firstLine(child.stdout, () => true));
  const url =
    /http:\/\/\S+[0-9]/.exec(String(await firstLine(child.stderr, (line) => line.includes("ready"))))?.[0] ?? "";
  return {
    url,
    key: parseVkey(vkey),
    process: child,
    async ask(request) {
      const response = await fetch(`${url}/add-checkpoint`, { method: "POST", body: request });
      return { status: response.status, text: await response.text(), type: response.headers.get("content-type") };
    },
  };
}

async function firstLine(
  stream: ChildProcess["stdout"],
  wanted: (line: string) => boolean,
): Promise<string | undefined> {
  if (stream === null) return undefined;
  for await (const line of createInterface({ input: stream })) if (wanted(line)) return line;
  return undefined;
}

const at = (some: SignedLog, i: number): Checkpoint & { text: string } =>
  some.checkpoints[i] as Checkpoint & { text: string };

async function request(some: SignedLog, from: number | undefined, to: number): Promise<string> {
  const { size, text } = at(some, to);
  const oldSize = from === undefined ? 0 : at(some, from).size;
  const read = tileReader(async (name) => some.objects.get(name));
  const proof = oldSize === 0 || oldSize === size ? [] : await consistencyProof(oldSize, size, read);
  return addCheckpointText({ oldSize, proof, checkpoint: text });
}

test("a log that grows is cosigned, step by step, and the signature counts for a policy", async () => {
  const dir = aFolder();
  const witness = await aWitness(dir, "--name", "witness.example.com/one");
  expect([witness.key.name, witness.key.type]).toEqual(["witness.example.com/one", 4]);
  for (const [from, to] of [
    [undefined, 0],
    [0, 2],
    [2, 2],
    [2, 3],
  ] as const) {
    const { status, text } = await witness.ask(await request(log, from, to));
    expect(status).toBe(200);
    const opened = await openCheckpoint(at(log, to).text + text, [logKey.key, witness.key]);
    const [, cosigned] = opened.signedBy;
    expect(cosigned?.key.name).toBe("witness.example.com/one");
    expect(Math.abs((cosigned?.atSeconds ?? 0) * 1_000 - Date.now())).toBeLessThan(60_000);
  }
  expect(statSync(dir).mode & 0o777).toBe(0o700);
  expect(statSync(join(dir, "key.json")).mode & 0o777).toBe(0o600);
});

test("what the protocol refuses is refused, each with its own status", async () => {
  const witness = await aWitness(aFolder());
  expect((await witness.ask(await request(log, undefined, 1))).status).toBe(200);
  const stranger = aKey("another.example.com", 60);
  const strangers = signedCheckpoint({ ...at(log, 2), origin: "another.example.com" }, [stranger]);
  const forged = signedCheckpoint(at(log, 2), [aKey(origin, 61)]);
  const good = await request(log, 1, 2);
  const cases: [what: string, request: string, status: number, text?: string, type?: string][] = [
    ["not a request", "hello", 400],
    ["nothing", "", 400],
    ["an old size above the new one", addCheckpointText({ oldSize: 99, proof: [], checkpoint: at(log, 2).text }), 400],
    ["an unknown log", addCheckpointText({ oldSize: 0, proof: [], checkpoint: strangers }), 404],
    ["another's signature", addCheckpointText({ oldSize: at(log, 1).size, proof: [], checkpoint: forged }), 403],
    ["another old size", await request(log, 0, 2), 409, `${at(log, 1).size}\n`, "text/x.tlog.size"],
    [
      "a fork of the same size",
      addCheckpointText({ oldSize: at(log, 1).size, proof: [], checkpoint: at(fork, 1).text }),
      409,
    ],
    ["no proof", addCheckpointText({ oldSize: at(log, 1).size, proof: [], checkpoint: at(log, 2).text }), 422],
    ["a fork's proof", await request(fork, 1, 2), 422],
    ["a rollback", await request(log, undefined, 0), 409, `${at(log, 1).size}\n`],
    ["more than it reads", "x".repeat(100_000), 413],
  ];
  for (const [what, asked, status, text, type] of cases) {
    const answer = await witness.ask(asked);
    expect([what, answer.status]).toEqual([what, status]);
    if (text !== undefined) expect(answer.text).toBe(text);
    if (type !== undefined) expect(answer.type).toBe(type);
  }
  expect((await fetch(`${witness.url}/add-checkpoint`)).status).toBe(405);
  expect((await fetch(`${witness.url}/elsewhere`)).status).toBe(404);
  expect((await witness.ask(good)).status).toBe(200);
});

test("of two forks of one size only one is ever cosigned, however they race", async () => {
  for (let round = 0; round < 5; round += 1) {
    const witness = await aWitness(aFolder());
    const asked = [await request(log, undefined, 2), await request(fork, undefined, 2)];
    const answers = await Promise.all(
      Array.from({ length: 20 }, async (_, i) => ({ i, ...(await witness.ask(asked[i % 2] ?? "")) })),
    );
    const cosigned = answers.filter(({ status }) => status === 200).map(({ i }) => i % 2);
    expect(new Set(cosigned).size).toBe(1);
    expect(answers.filter(({ status }) => status !== 200).every(({ status }) => status === 409)).toBe(true);
  }
});

test("killed at any moment, it has signed nothing that it does not remember", async () => {
  const dir = aFolder();
  let key: string | undefined;
  const signed: number[] = [];
  for (let round = 0; round < 6; round += 1) {
    const witness = await aWitness(dir);
    key ??= vkeyText(witness.key);
    expect(vkeyText(witness.key)).toBe(key);
    const last = signed.at(-1);
    // It goes on where it was, or one further: a request that it kept, but had no time to answer.
    const steps: Promise<void>[] = [];
    for (const to of [0, 1, 2, 3])
      steps.push(
        request(log, last, Math.max(to, last ?? 0))
          .then(witness.ask)
          .then(({ status }) => void (status === 200 && signed.push(Math.max(to, last ?? 0))))
          .catch(() => undefined),
      );
    if (round % 2 === 0) await Promise.race(steps);
    witness.process.kill("SIGKILL");
    await once(witness.process, "exit");
    await Promise.all(steps);
    signed.sort();
  }
  const witness = await aWitness(dir);
  expect(signed.length).toBeGreaterThan(0);
  const highest = Math.max(...signed);
  for (const some of [log, fork]) {
    for (let to = 0; to < highest; to += 1)
      expect((await witness.ask(await request(some, undefined, to))).status).toBe(409);
  }
  expect((await witness.ask(await request(fork, highest, highest))).status).toBe(409);
}, 120_000);

test("a second process on the same folder, and a log's key that is none, are refused with a reason", async () => {
  const dir = aFolder();
  await aWitness(dir);
  const second = started(dir);
  const said = firstLine(second.stderr, (line) => line.includes("tooltrail"));
  const [code] = (await once(second, "exit")) as [number];
  expect([code, await said]).toEqual([2, expect.stringContaining("in use by another witness")]);
  const wrong = started(aFolder(), "--log", "nonsense");
  const [usage] = (await once(wrong, "exit")) as [number];
  expect(usage).toBe(64);
});

test("the log's side asks over HTTP, and gives up on who does not answer", async () => {
  const witness = await aWitness(aFolder());
  const policy = (url: string) => `log ${vkeyText(logKey.key)}\nwitness w ${vkeyText(witness.key)} ${url}\nquorum w\n`;
  const [client] = httpWitnesses(policy(witness.url));
  const answer = await client?.cosign(await request(log, undefined, 3));
  expect(answer).toEqual({ status: 200, text: expect.stringMatching(/^— /) });
  const [dead] = httpWitnesses(policy("http://127.0.0.1:1"));
  await expect(dead?.cosign("")).rejects.toThrow();
  expect(httpWitnesses(undefined)).toEqual([]);
});

test("a pipeline whose witnesses are away publishes all the same, and says so of each on the bus and to whoever watches", async () => {
  const place = makePlace();
  folders.push(place.dir);
  const file = join(place.dir, "policy");
  const keys = [aKey("witness.example.com/away", 50, 4).key, aKey("witness.example.com/gone", 51, 4).key];
  const away = "http://127.0.0.1:1";
  const lines = keys.map((key, i) => `witness w${i} ${vkeyText(key)} ${away}\n`);
  writeFileSync(file, `log ${vkeyText(logKey.key)}\n${lines.join("")}quorum w0\n`);
  const pipeline = await startPipeline({ ...place, env: () => ({ ...place.env(), TOOLTRAIL_POLICY: file }) });
  running.push(pipeline.process);
  const Detail = JSON.stringify({ server: "s", tool: "t", outcome: "ok" });
  await fetch(pipeline.endpoint, {
    method: "POST",
    headers: { "x-amz-target": "AWSEvents.PutEvents" },
    body: JSON.stringify({ Entries: [{ Source: "billing", DetailType: "MCP Tool Call", Detail }] }),
  });
  const missed = await eventually(
    async () => eventsOf(place).filter((event) => event["detail-type"] === "log.witness.missed"),
    (seen) => seen.length >= keys.length,
    15_000,
  );
  expect(missed).toMatchObject(
    keys.map(({ name }) => ({
      source: "tooltrail.pipeline",
      detail: { size: 1, witness: name, why: expect.stringMatching(/./) },
    })),
  );
  const said = await eventually(
    async () => pipeline.said().match(/^tooltrail: the witness .*$/gm) ?? [],
    (lines) => lines.length >= keys.length,
    5_000,
  );
  expect(said).toEqual(
    keys.map(({ name }) =>
      expect.stringMatching(
        `the witness ${name} did not sign the checkpoint of 1 leaves: [^:].*[^.]\\. It is published without, `,
      ),
    ),
  );
  expect((await fetch(`${pipeline.endpoint}/log/checkpoint`)).status).toBe(200);
  await pipeline.stop();
});

const eventsOf = ({ data }: Place): Record<string, unknown>[] =>
  existsSync(join(data, "events.ndjson"))
    ? readFileSync(join(data, "events.ndjson"), "utf8")
        .split("\n")
        .filter(Boolean)
        .map((line) => JSON.parse(line))
    : [];
