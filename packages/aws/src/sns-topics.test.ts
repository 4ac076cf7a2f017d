import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type Answer, type Destination, startServer } from "../../../test/support/destinations/server.ts";
import { snsTopics } from "./sns-topics.ts";

const message = {
  topicArn: "arn:aws:sns:us-east-1:000000000000:incidents",
  subject: "[page] Opened: payments",
  text: "one & zwölf\ntwo\n",
};

const xml = (status: number, inner: string): Answer => ({
  status,
  headers: { "content-type": "text/xml" },
  body: inner,
});
const published = xml(
  200,
  '<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>1</MessageId></PublishResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></PublishResponse>',
);
const error = (status: number, code: string): Answer =>
  xml(
    status,
    `<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error><Type>Sender</Type><Code>${code}</Code><Message>as planned</Message></Error><RequestId>1</RequestId></ErrorResponse>`,
  );

let server: Destination;
beforeEach(async () => {
  server = await startServer(() => published);
  vi.stubEnv("AWS_ENDPOINT_URL_SNS", server.url);
  vi.stubEnv("AWS_REGION", "us-east-1");
  vi.stubEnv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE");
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", "secret");
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await server.stop();
});

const publish = () => snsTopics({ requestTimeoutMs: 200, pause: async () => undefined }).publish(message);

test("a message is published as SNS takes it", async () => {
  await publish();
  const [request] = server.requests();
  expect(request).toMatchObject({ method: "POST", path: "/" });
  expect(request?.headers["content-type"]).toBe("application/x-www-form-urlencoded");
  expect(Object.fromEntries(new URLSearchParams(request?.body))).toEqual({
    Action: "Publish",
    Version: "2010-03-31",
    TopicArn: message.topicArn,
    Subject: message.subject,
    Message: message.text,
  });
});

test.each<[string, Answer | "slow" | "reset", object, number]>([
  ["throttled", error(429, "ThrottledException"), { code: "unavailable", outcome: "not-applied" }, 4],
  ["broken", error(500, "InternalError"), { code: "unavailable", outcome: "unknown" }, 4],
  ["a topic that is not there", error(404, "NotFound"), { code: "internal", outcome: "not-applied" }, 1],
  ["no answer", "slow", { code: "unavailable", outcome: "unknown" }, 4],
  ["a reset", "reset", { code: "unavailable", outcome: "unknown" }, 4],
])("%s is told as what it is", async (_, fault, expected, times) => {
  server.answerWith(fault);
  await expect(publish()).rejects.toMatchObject(expected);
  expect(server.requests()).toHaveLength(times);
});
