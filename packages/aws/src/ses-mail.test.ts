import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type Answer, type Destination, startServer } from "../../../test/support/destinations/server.ts";
import { sesMail } from "./ses-mail.ts";

const mail = {
  from: "tooltrail@example.com",
  to: ["a@example.com", "b@example.com"],
  subject: "Ausfälle",
  text: "one\ntwo\n",
};

let server: Destination;
beforeEach(async () => {
  server = await startServer((): Answer => ({ status: 200, body: { MessageId: "1" } }));
  vi.stubEnv("AWS_ENDPOINT_URL_SESV2", server.url);
  vi.stubEnv("AWS_REGION", "us-east-1");
  vi.stubEnv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE");
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", "secret");
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await server.stop();
});

const send = () => sesMail({ requestTimeoutMs: 200, pause: async () => undefined }).send(mail);

test("an email is sent as SES takes it", async () => {
  await send();
  const [request] = server.requests();
  expect(request).toMatchObject({ method: "POST", path: "/v2/email/outbound-emails" });
  expect(request?.headers.authorization).toMatch(/^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/\d{8}\/us-east-1\/ses\//);
  expect(JSON.parse(request?.body ?? "")).toEqual({
    FromEmailAddress: mail.from,
    Destination: { ToAddresses: mail.to },
    Content: {
      Simple: {
        Subject: { Data: mail.subject, Charset: "UTF-8" },
        Body: { Text: { Data: mail.text, Charset: "UTF-8" } },
      },
    },
  });
});

const error = (status: number, type: string): Answer => ({
  status,
  headers: { "x-amzn-errortype": type },
  body: { message: "as planned" },
});
test.each<[string, Answer | "slow" | "reset", object, number]>([
  ["too many", error(429, "TooManyRequestsException"), { code: "unavailable", outcome: "not-applied" }, 4],
  ["broken", error(500, "InternalFailure"), { code: "unavailable", outcome: "unknown" }, 4],
  ["a sender that is not verified", error(400, "MessageRejected"), { code: "internal", outcome: "not-applied" }, 1],
  ["no answer", "slow", { code: "unavailable", outcome: "unknown" }, 4],
  ["a reset", "reset", { code: "unavailable", outcome: "unknown" }, 4],
])("%s is told as what it is", async (_, fault, expected, times) => {
  server.answerWith(fault);
  await expect(send()).rejects.toMatchObject(expected);
  expect(server.requests()).toHaveLength(times);
});

test("a failure that passes is not noticed", async () => {
  server.answerWith(error(500, "InternalFailure"), 2);
  await send();
  expect(server.requests()).toHaveLength(3);
});
