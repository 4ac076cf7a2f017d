import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { stageConfig } from "../../stacks/config.ts";
import { needs } from "../support/requirements.ts";
import { sstIsThere } from "./evaluate.ts";

const root = join(import.meta.dirname, "../..");

test.runIf(needs("SST's platform (npm run sst-types)", sstIsThere()))("the stacks are right by SST's own types", () => {
  const { status, stdout } = spawnSync(join(root, "node_modules/.bin/tsc"), ["-p", "stacks"], {
    cwd: root,
    encoding: "utf8",
  });
  expect([status, stdout]).toEqual([0, ""]);
});

describe("the configuration of a stage", () => {
  test("needs nothing but its name", () => {
    expect(stageConfig("production", {})).toMatchObject({ production: true, name: "tooltrail", jwt: undefined });
    expect(stageConfig("staging", {})).toMatchObject({ production: false, name: "tooltrail-staging" });
  });

  test("names everything that cannot be used", () => {
    const env = {
      TOOLTRAIL_JWT_ISSUER: "http://login.example.com",
      TOOLTRAIL_JWT_OPERATOR_SCOPE: "read write",
      TOOLTRAIL_ALARM_EMAIL: "nobody",
      TOOLTRAIL_RELEASE: "a b",
      TOOLTRAIL_LOG_LEVEL: "LOUD",
      TOOLTRAIL_LOG_ORIGIN: "two words",
      TOOLTRAIL_LOG_KEY: "0",
      TOOLTRAIL_LOG_FORMER_KEY_UNTIL: "soon",
      TOOLTRAIL_WITNESS_POLICY: "x".repeat(2_049),
      TOOLTRAIL_LOG_PUBLIC: "all",
      TOOLTRAIL_LOG_DOMAIN: "https://log.example.com",
      TOOLTRAIL_LOG_CERTIFICATE: "arn:aws:acm:eu-central-1:111122223333:certificate/c",
      TOOLTRAIL_LOG_LOCK_DAYS: "long",
      TOOLTRAIL_RESPONSE_EMAIL_IDENTITY: "ops@example.com",
      TOOLTRAIL_RESPONSE_TOPICS: "pages",
    };
    expect(() => stageConfig("Production", env)).toThrow(
      new RegExp(
        [
          ...["--stage", "JWT_ISSUER", "JWT_AUDIENCE", "OPERATOR_SCOPE", "ALARM_EMAIL", "RELEASE", "LOG_LEVEL"],
          ...["LOG_ORIGIN", "LOG_KEY", "FORMER_KEY_UNTIL", "WITNESS_POLICY", "LOG_PUBLIC", "LOG_DOMAIN", "CERTIFICATE"],
          ...["LOCK_DAYS", "EMAIL_IDENTITY", "RESPONSE_TOPICS"],
        ].join("[^]*"),
      ),
    );
  });

  test("does not open the API to tokens of any issuer", () => {
    expect(() => stageConfig("production", { TOOLTRAIL_JWT_AUDIENCE: "tooltrail" })).toThrow("TOOLTRAIL_JWT_ISSUER");
    const scope = { TOOLTRAIL_JWT_OPERATOR_SCOPE: "operate" };
    expect(() => stageConfig("production", scope)).toThrow("TOOLTRAIL_JWT_ISSUER");
  });

  test("asks tokens for a scope to operate, which a stage may call otherwise", () => {
    const env = { TOOLTRAIL_JWT_ISSUER: "https://login.example.com/", TOOLTRAIL_JWT_AUDIENCE: "tooltrail" };
    expect(stageConfig("production", env).jwt).toMatchObject({ operatorScope: "tooltrail/operate" });
    const named = { ...env, TOOLTRAIL_JWT_OPERATOR_SCOPE: "https://login.example.com/operate" };
    expect(stageConfig("production", named).jwt).toMatchObject({ operatorScope: "https://login.example.com/operate" });
  });

  test.each(["WARN", "ERROR"])("keeps Lambda from dropping metrics (%s)", (level) => {
    expect(() => stageConfig("production", { TOOLTRAIL_LOG_LEVEL: level })).toThrow("drops the metrics");
  });

  test("locks what is final in production, and only hashes are for the world", () => {
    expect(stageConfig("production", {}).log).toMatchObject({
      lockDays: 2_557,
      publicEntries: false,
      keyGeneration: 1,
    });
    expect(stageConfig("staging", {}).log.lockDays).toBeUndefined();
    expect(() => stageConfig("production", { TOOLTRAIL_LOG_LOCK_DAYS: "0" })).toThrow("a day at least");
  });

  test("lets nobody be told by email or in a topic unless it says whose", () => {
    expect(stageConfig("production", {}).response).toEqual({ emailIdentityArn: undefined, topicArns: [] });
    const email = "arn:aws:ses:eu-central-1:111122223333:identity/example.com";
    const topics = ["pages", "tickets"].map((name) => `arn:aws:sns:eu-central-1:111122223333:${name}`);
    const env = { TOOLTRAIL_RESPONSE_EMAIL_IDENTITY: email, TOOLTRAIL_RESPONSE_TOPICS: topics.join(",") };
    expect(stageConfig("production", env).response).toEqual({ emailIdentityArn: email, topicArns: topics });
  });

  test.each([
    { TOOLTRAIL_RESPONSE_EMAIL_IDENTITY: "arn:aws:ses:eu-central-1:111122223333:identity/*" },
    { TOOLTRAIL_RESPONSE_TOPICS: "arn:aws:sns:eu-central-1:111122223333:*" },
    { TOOLTRAIL_RESPONSE_TOPICS: "arn:aws:sns:eu-central-1:111122223333:pages.fifo" },
    { TOOLTRAIL_RESPONSE_TOPICS: Array(21).fill("arn:aws:sns:eu-central-1:111122223333:pages").join(",") },
  ])("does not let somebody be told by more than it can name ($#)", (env) => {
    expect(() => stageConfig("production", env)).toThrow(Object.keys(env)[0]);
  });

  test("a second key says how long the first signs beside it", () => {
    const until = "2027-01-31T00:00:00Z";
    expect(() => stageConfig("production", { TOOLTRAIL_LOG_KEY: "2" })).toThrow("TOOLTRAIL_LOG_FORMER_KEY_UNTIL");
    expect(() => stageConfig("production", { TOOLTRAIL_LOG_FORMER_KEY_UNTIL: until })).toThrow("LOG_FORMER_KEY_UNTIL");
    const env = { TOOLTRAIL_LOG_KEY: "2", TOOLTRAIL_LOG_FORMER_KEY_UNTIL: until };
    expect(stageConfig("production", env).log).toMatchObject({ keyGeneration: 2, formerKeyUntil: until });
  });
});
