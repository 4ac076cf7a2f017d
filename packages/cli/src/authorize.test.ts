import { createHash, createHmac } from "node:crypto";
import { describe, expect, test } from "vitest";
import { authorizer, signed } from "./authorize.ts";
import { config } from "./config.ts";

const credentials = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "a secret", sessionToken: "a session" };

test("a request is signed as AWS Signature Version 4 says, for API Gateway", async () => {
  const url = new URL(
    "https://abc.execute-api.eu-west-1.amazonaws.com/v1/records?tool=read%20file&limit=5&server=a%2Fb",
  );
  const headers = await signed(async () => ({ credentials, region: "eu-west-1" }))("GET", url);
  const date = headers["x-amz-date"] ?? "";
  expect(headers["x-amz-security-token"]).toBe("a session");
  expect(headers.authorization).toBe(
    signature({
      method: "GET",
      body: "",
      date,
      path: "/v1/records",
      query: "limit=5&server=a%2Fb&tool=read%20file",
      headers: {
        host: url.host,
        "x-amz-content-sha256": headers["x-amz-content-sha256"] ?? "",
        "x-amz-date": date,
        "x-amz-security-token": "a session",
      },
    }),
  );
});

test("of a body, its type and the hash of its bytes are signed", async () => {
  const url = new URL("https://abc.execute-api.eu-west-1.amazonaws.com/v1/series");
  const body = JSON.stringify({ document: { metadata: { name: "zürich-☂" } } });
  const headers = await signed(async () => ({ credentials, region: "eu-west-1" }))("POST", url, body);
  expect(headers["content-type"]).toBe("application/json");
  expect(headers["x-amz-content-sha256"]).toBe(createHash("sha256").update(Buffer.from(body, "utf8")).digest("hex"));
  expect(headers.authorization).toBe(
    signature({
      method: "POST",
      body,
      date: headers["x-amz-date"] ?? "",
      path: "/v1/series",
      query: "",
      headers: {
        "content-type": "application/json",
        host: url.host,
        "x-amz-content-sha256": headers["x-amz-content-sha256"] ?? "",
        "x-amz-date": headers["x-amz-date"] ?? "",
        "x-amz-security-token": "a session",
      },
    }),
  );
});

/** By the description of Signature Version 4: canonical request, text to sign, derived key. */
function signature(request: {
  method: string;
  body: string;
  date: string;
  path: string;
  query: string;
  headers: { [name: string]: string };
}): string {
  const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
  const hmac = (key: string | Buffer, text: string): Buffer => createHmac("sha256", key).update(text).digest();
  const names = Object.keys(request.headers).sort();
  const canonical = [
    request.method,
    request.path,
    request.query,
    ...names.map((name) => `${name}:${request.headers[name]}`),
    "",
    names.join(";"),
    sha256(request.body),
  ].join("\n");
  const scope = `${request.date.slice(0, 8)}/eu-west-1/execute-api/aws4_request`;
  const key = scope
    .split("/")
    .reduce<Buffer | string>((last, part) => hmac(last, part), `AWS4${credentials.secretAccessKey}`);
  const signed = hmac(key, ["AWS4-HMAC-SHA256", request.date, scope, sha256(canonical)].join("\n")).toString("hex");
  return `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${scope}, SignedHeaders=${names.join(";")}, Signature=${signed}`;
}

describe("who asks is proved", () => {
  const ask = (env: NodeJS.ProcessEnv) => authorizer(config(env));
  const url = new URL("https://audit.example.com/v1/records");

  test("with a JWT where one is given", async () => {
    const env = { TOOLTRAIL_ENDPOINT: "https://audit.example.com", TOOLTRAIL_TOKEN: "a.b.c" };
    expect(await ask(env)("GET", url)).toEqual({ authorization: "Bearer a.b.c" });
  });

  test("to nobody over plain http", () => {
    expect(() => ask({ TOOLTRAIL_ENDPOINT: "http://audit.example.com", TOOLTRAIL_TOKEN: "a.b.c" })).toThrow(/no https/);
  });

  test("on this machine by its token alone, which a JWT for elsewhere is not", () => {
    const env = { TOOLTRAIL_ENDPOINT: "http://127.0.0.1:4747", TOOLTRAIL_TOKEN: "a.b.c", TOOLTRAIL_DATA: "/nowhere" };
    expect(() => ask(env)).toThrow(/no readable \/nowhere\/token/);
  });

  test("and where nothing tells the region, that is said", async () => {
    await expect(ask({ TOOLTRAIL_ENDPOINT: "https://audit.example.com" })("GET", url)).rejects.toThrow(
      /Set AWS_REGION/,
    );
  });
});
