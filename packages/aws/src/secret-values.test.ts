import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type Destination, startServer } from "../../../test/support/destinations/server.ts";
import { secretValues } from "./secret-values.ts";

let server: Destination;
let stored: string;
let now: number;
beforeEach(async () => {
  now = 1_000_000;
  stored = JSON.stringify({ "slack-url": "https://one\n", pagerduty: "key", empty: "", number: 1 });
  server = await startServer(({ headers, body }) =>
    headers["x-amz-target"] === "secretsmanager.GetSecretValue" && JSON.parse(body).SecretId === "destinations"
      ? { status: 200, body: { Name: "destinations", SecretString: stored } }
      : { status: 400, body: { __type: "ResourceNotFoundException" } },
  );
  vi.stubEnv("AWS_ENDPOINT_URL_SECRETS_MANAGER", server.url);
  vi.stubEnv("AWS_REGION", "us-east-1");
  vi.stubEnv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE");
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", "secret");
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await server.stop();
});

const open = (name = "destinations") => secretValues(name, () => now, { pause: async () => undefined });

test.each([
  ["slack-url", "https://one"],
  ["pagerduty", "key"],
  ["empty", undefined],
  ["number", undefined],
  ["constructor", undefined],
])("%s is %s", async (name, value) => expect(await open().read(name)).toBe(value));

test("several who ask at once, and within a minute, ask once", async () => {
  const secrets = open();
  await Promise.all([secrets.read("pagerduty"), secrets.read("slack-url")]);
  now += 59_999;
  await secrets.read("pagerduty");
  expect(server.requests()).toHaveLength(1);
});

test("a rotated secret is used a minute later", async () => {
  const secrets = open();
  await secrets.read("pagerduty");
  stored = JSON.stringify({ pagerduty: "other" });
  now += 60_000;
  expect(await secrets.read("pagerduty")).toBe("other");
});

test.each(["SECRET", "[]", "null"])(
  "%j is no such secret, is not quoted, and may be put right at once",
  async (wrong) => {
    const good = stored;
    stored = wrong;
    const secrets = open();
    const failure = await secrets.read("pagerduty").catch((error: Error) => error);
    expect(failure).toMatchObject({ code: "unavailable", retryable: true });
    expect(String(failure)).not.toContain("SECRET");
    stored = good;
    expect(await secrets.read("pagerduty")).toBe("key");
  },
);

test("one that may not be read is told as what it is", async () => {
  await expect(open("another").read("x")).rejects.toMatchObject({ code: "internal" });
});
