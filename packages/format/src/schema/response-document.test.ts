import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, test } from "vitest";
import { pipelineEvent, responseDocument } from "./index.ts";

const published = readFileSync(new URL("../../schema/response-document.schema.json", import.meta.url), "utf8");
const validate = new Ajv2020({ strict: false }).compile(JSON.parse(published));

/** What is checked here, and what others check by the published schema. */
const isTaken = (value: unknown): [boolean, boolean] => [responseDocument.safeParse(value).success, validate(value)];

const webhook = (url: unknown, signingKey: unknown = { secret: "key-1" }) => ({
  kind: "Destination",
  name: "hook",
  type: "webhook",
  url,
  signingKey,
});

describe("something is sent to", () => {
  test.each([
    "https://example.com",
    "https://example.com:8443/a/b?c=d#e",
    "http://127.0.0.1:8080/",
    "http://127.1.2.3",
    "http://127.255.255.255/x",
    "http://localhost",
    "http://localhost:1",
    "http://[::1]:4747/x",
  ])("%s", (url) => expect(isTaken(webhook(url))).toEqual([true, true]));

  test.each([
    "http://example.com",
    "http://localhost.example.com",
    "http://127.0.0.1.example.com",
    "http://127.0.0.1@example.com",
    "http://127.0.0.256",
    "http://127.1",
    "http://10.0.0.1",
    "http://[::2]",
    "http://0.0.0.0",
    "https://user:password@example.com",
    "https://token@example.com",
    "https://",
    "https:///x",
    "https://example.com\\@other.example",
    "https://example.com/a b",
    "ftp://example.com",
    "file:///etc/passwd",
    "//example.com",
    "HTTPS://EXAMPLE.COM\n",
    `https://example.com/${"x".repeat(2_048)}`,
    "",
  ])("and never to %j", (url) => expect(isTaken(webhook(url))).toEqual([false, false]));
});

describe("a secret", () => {
  test.each([{ secret: "a" }, { secret: "pagerduty-payments-2" }, { secret: "x".repeat(63) }])(
    "is named: %j",
    (secret) => expect(isTaken(webhook("https://example.com", secret))).toEqual([true, true]),
  );
  test.each([
    "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
    { secret: "whsec_C2FVsBQIhrscChlQIMV" },
    { secret: "0123456789abcdef0123456789abcdef" },
    { secret: "x".repeat(64) },
    { secret: "" },
    { secret: "A" },
    { secret: "a", value: "b" },
    {},
  ])("and not written: %j", (secret) =>
    expect(isTaken(webhook("https://example.com", secret))).toEqual([false, false]),
  );

  test("that is written in clear is said to be one, and is not said again", () => {
    const issues = responseDocument.safeParse(webhook("https://example.com", "hunter2")).error?.issues ?? [];
    expect(issues.map(({ path, message }) => [path, message])).toEqual([
      [["signingKey"], expect.stringMatching(/^is a secret written in clear\. .*\{secret: its name\}\.$/)],
    ]);
    expect(JSON.stringify(issues)).not.toContain("hunter2");
  });
});

test("what the longest playbook and runbook say, events of incidents have room for", () => {
  const example = (name: string) =>
    JSON.parse(readFileSync(new URL(`../../examples/${name}.json`, import.meta.url), "utf8"));
  const playbook = { ...example("response-playbook"), hypothesis: "h".repeat(2_048) };
  expect(isTaken(playbook)).toEqual([true, true]);
  expect(isTaken({ ...playbook, hypothesis: "h".repeat(2_049) })).toEqual([false, false]);
  const steps = Array.from({ length: 50 }, () => "s".repeat(1_024));
  const url = `https://example.com/${"u".repeat(2_028)}`;
  const runbook = { ...example("response-runbook"), name: "n".repeat(63), rollbackTo: "r".repeat(128), steps, url };
  expect(isTaken(runbook)).toEqual([true, true]);

  const said = (name: string, more: object) => {
    const event = example(`pipeline-event-${name}`);
    return pipelineEvent.safeParse({ ...event, detail: { ...event.detail, ...more } }).error;
  };
  const { name, rollbackTo } = runbook;
  expect(said("incident-opened", { hypothesis: playbook.hypothesis })).toBeUndefined();
  expect(said("rollback-requested", { runbook: { name, rollbackTo, url, steps } })).toBeUndefined();
});
