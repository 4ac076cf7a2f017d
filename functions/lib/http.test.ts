import { afterEach, beforeEach, expect, test } from "vitest";
import { type Destination, type Fault, startServer } from "../../test/support/destinations/server.ts";
import { fetchHttp } from "./http.ts";

let server: Destination;
beforeEach(async () => {
  server = await startServer(({ method, body }) => ({
    status: 201,
    headers: { "x-method": method },
    body: `got ${body}`,
  }));
});
afterEach(() => server.stop());

const http = fetchHttp({ timeoutMs: 300 });
const post = (url = server.url, headers: { readonly [name: string]: string } = {}) =>
  http.send({ method: "POST", url, headers: { "content-type": "text/plain", ...headers }, body: "hällo" });

test.each(["GET", "POST", "PUT", "PATCH"] as const)("a %s is sent as it is, with its length", async (method) => {
  const body = method === "GET" ? {} : { body: "hällo" };
  const answer = await http.send({ method, url: `${server.url}/a?b=c`, headers: { "X-Key": "k" }, ...body });
  expect(answer).toMatchObject({ status: 201, headers: { "x-method": method }, body: `got ${body.body ?? ""}` });
  expect(server.requests()).toMatchObject([
    { method, path: "/a?b=c", headers: { "x-key": "k", ...(body.body && { "content-length": "6" }) } },
  ]);
});

test("a redirect is an answer", async () => {
  server.answerWith({ status: 302, headers: { location: "/elsewhere" } });
  expect(await post()).toMatchObject({ status: 302, headers: { location: "/elsewhere" } });
  expect(server.requests()).toHaveLength(1);
});

test("an answer without an end is read up to 256 KiB", async () => {
  server.answerWith("endless");
  expect((await post()).body).toBe("x".repeat(256 * 1024));
});

test.each<[Fault, RegExp]>([
  ["slow", /within 300 ms/],
  ["dripping", /within 300 ms/],
  ["half-closed", /ended before all of the answer/],
  ["reset", /ended before all of the answer/],
])("%s: it may have been taken", async (fault, message) => {
  server.answerWith(fault);
  const begun = performance.now();
  await expect(post()).rejects.toMatchObject({
    code: "unavailable",
    retryable: true,
    outcome: "unknown",
    message: expect.stringMatching(message),
  });
  expect(performance.now() - begun).toBeLessThan(2_000);
});

const unused = async (): Promise<string> => {
  const gone = await startServer(() => ({ status: 200 }));
  await gone.stop();
  return `${gone.url}/s3cret`;
};
test.each([
  ["a port where nobody is", unused],
  ["a name that there is not", async () => "https://nobody.invalid/s3cret"],
])("%s has taken nothing, and the address is not said", async (_, address) => {
  const failure = await post(await address()).catch((error: Error) => error);
  expect(failure).toMatchObject({ code: "unavailable", outcome: "not-applied" });
  expect(String(failure)).not.toContain("s3cret");
});

test.each([
  ["http elsewhere", "http://example.com/s3cret"],
  ["a name that only begins like loopback", "http://127.0.0.1.example.com/s3cret"],
  ["another protocol's port", "http://127.0.0.1:6667/s3cret"],
  ["a password", "https://s3cret:s3cret@example.com/"],
  ["a file", "file:///s3cret"],
  ["no address", "s3cret"],
])("%s is not asked", async (_, url) => {
  const failure = await post(url).catch((error: Error) => error);
  expect(failure).toMatchObject({ code: "invalid", retryable: false, outcome: "not-applied" });
  expect(String(failure)).not.toContain("s3cret");
});

test("a header that cannot be sent is not said", async () => {
  const failure = await post(server.url, { authorization: "Bearer s3cret\nx" }).catch((error: Error) => error);
  expect(failure).toMatchObject({ code: "invalid" });
  expect(String(failure)).not.toContain("s3cret");
  expect(server.requests()).toEqual([]);
});
