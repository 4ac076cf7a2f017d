import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Outcome, outcomeClasses, outcomeReasons } from "@tooltrail/format";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Ending, outcomeOf } from "./outcome.ts";

type Fixture = {
  readonly server: { readonly package: string; readonly version: string };
  readonly cases: readonly { readonly name: string; readonly ending: Ending; readonly expected: Outcome }[];
};

const folder = join(import.meta.dirname, "../../../test/fixtures/outcomes");
const fixtures = readdirSync(folder)
  .filter((name) => name.endsWith(".json"))
  .map((name) => ({ name, ...(JSON.parse(readFileSync(join(folder, name), "utf8")) as Fixture) }));

describe.each(fixtures)("as recorded in $name ($server.package $server.version)", ({ cases }) => {
  test.each(cases)("$name", ({ ending, expected }) => {
    expect(outcomeOf(ending)).toEqual(expected);
  });
});

const toolError = (text: string): Outcome =>
  outcomeOf({ via: "result", result: { isError: true, content: [{ type: "text", text }] } });
const protocolError = (code: unknown, message: unknown, data?: unknown): Outcome =>
  outcomeOf({ via: "error", error: { code, message, data } });

// Phrases of libraries and APIs that no fixture's server happens to say.
test.each([
  ["unauthorized", "HTTP error! status: 401"],
  ["unauthorized", "Error: 401 Unauthorized"],
  ["unauthorized", "Client error '401 Unauthorized' for url 'https://api.example.com/v1'"],
  ["unauthorized", "Error code: 401 - {'error': {'message': 'Incorrect API key provided'}}"],
  ["unauthorized", "Invalid API key"],
  ["unauthorized", "API token is invalid."],
  ["unauthorized", "Not authenticated. Log in first."],
  ["unauthorized", "Access denied for user 'app'@'db' (using password: YES)"],
  ["unauthorized", "An error occurred (ExpiredToken) when calling the ListBuckets operation: The token has expired"],
  ["forbidden", "GitHub API error (403): Resource not accessible by integration"],
  ["forbidden", "Insufficient permissions to read the page"],
  ["forbidden", '{"error": "you may not", "status": 403}'],
  ["forbidden", '{"error": {"code": 403, "message": "you may not"}}'],
  ["forbidden", "EACCES: permission denied, open '/data/secret'"],
  ["forbidden", "Failed to read file: EPERM: operation not permitted, open '/data/secret'"],
  ["forbidden", "Error executing tool read: [Errno 13] Permission denied: '/data/secret'"],
  ["forbidden", "AccessDeniedException: User: arn:aws:iam::1:user/a is not authorized to perform: s3:GetObject"],
  ["not_found", "404 Client Error: Not Found for url: https://api.example.com/v1/x"],
  ["not_found", "HTTP Error 404: Not Found"],
  ["not_found", "An error occurred (NoSuchEntity) when calling the GetUser operation: The user cannot be found."],
  ["not_found", "Error executing tool read: [Errno 2] No such file or directory: '/data/none'"],
  ["rate_limited", "Request failed with status code 429"],
  ["rate_limited", "ThrottlingException: Rate exceeded"],
  ["rate_limited", "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."],
  ["rate_limited", '{"status": 403, "message": "API rate limit exceeded for user ID 1."}'],
  ["rate_limited", "An error occurred (ThrottlingException) when calling the Converse operation: Too many requests"],
  ["internal_error", "HTTP 503: Service Unavailable"],
  ["internal_error", "API request failed: 500 Internal Server Error"],
  ["upstream_timeout", "connect ETIMEDOUT 192.0.2.1:443"],
  ["upstream_timeout", "HTTP error 504"],
  ["upstream_timeout", "HTTPSConnectionPool(host='api.example.com', port=443): Read timed out. (read timeout=5)"],
  ["upstream_timeout", "timeout of 5000ms exceeded"],
  ["upstream_timeout", "TimeoutError: The operation was aborted due to timeout"],
  ["upstream_timeout", 'Get "https://192.0.2.1/": dial tcp 192.0.2.1:443: i/o timeout'],
  ["upstream_unreachable", "connect ECONNREFUSED 127.0.0.1:5432"],
  ["upstream_unreachable", "getaddrinfo ENOTFOUND api.example.com"],
  ["upstream_unreachable", "request to https://api.example.com/ failed, reason: getaddrinfo ENOTFOUND api.example.com"],
  ["upstream_unreachable", "page.goto: net::ERR_NAME_NOT_RESOLVED at https://api.example.com/"],
  ["upstream_unreachable", "All connection attempts failed"],
  ["upstream_unreachable", "Error executing tool read: [Errno 111] Connection refused"],
  ["upstream_unreachable", "HTTPSConnectionPool(host='x', port=443): Max retries exceeded with url: /v1 (Caused by x)"],
  ["invalid_arguments", "Input validation error: 'path' is a required property"],
  ["invalid_arguments", "Invalid arguments for create_entities"],
  ["invalid_arguments", "Missing required parameter: path"],
  ["invalid_arguments", "Error calling tool 'add': 1 validation error for call[add]\na\n  Missing required argument"],
] as const)("%s: %s", (reason, text) => {
  expect(toolError(text)).toEqual({ class: "tool_error", reason });
  expect(protocolError(-32603, text)).toEqual({ class: "protocol_error", reason, code: -32603 });
});

test.each([
  "Unauthorized access to nuclear sites: a history\n\nIn 1961, a rate limit exceeded all hopes. HTTP 403 Forbidden.",
  "The word unauthorized, the number 404, and ECONNREFUSED occur in this document",
  "Tests failed\n  ✗ logs in: Unauthorized\n  ✗ connect ECONNREFUSED 127.0.0.1:80\nfetch failed",
  "Command failed: grep -r 'connect ETIMEDOUT: Access denied' .",
  "Found 403 forbidden words in 404 lines",
  "500 records could not be imported",
  "Status: 500 items processed, 3 failed",
  '{"documents": [{"status": 401, "error": "Unauthorized"}]}',
  "/bin/sh: 1: jq: not found",
  "Could not find exact match for edit:\nUnauthorized",
  "",
])("alarming words in content are no reason: %s", (text) => {
  expect(toolError(text)).toEqual({ class: "tool_error" });
});

// Source: each SDK's own client. Those of TypeScript are recorded; of the others, this is what their sources send.
test.each([
  ["Python, its timer", "timed out after 5.0s", "timeout"],
  ["Python, the caller", "caller cancelled", "cancelled"],
  ["Go, its timer", "context deadline exceeded", "timeout"],
  ["Go, the caller", "context canceled", "cancelled"],
  ["Rust, its timer", "request timeout", "timeout"],
  ["TypeScript v1, its total timer", "McpError: MCP error -32001: Maximum total timeout exceeded", "timeout"],
  ["a person", "I pressed stop because the request timed out last time", "cancelled"],
  ["none given", undefined, "cancelled"],
  ["not a text", { text: "timeout" }, "cancelled"],
])("a client's reason to cancel, %s: %s", (_, reason, expected) => {
  expect(outcomeOf({ via: "cancel", reason })).toEqual({
    class: expected,
    reason: expected === "timeout" ? "client_timeout" : "client_cancelled",
  });
});

test.each([
  ["of revision 2025-11-25", { task: { taskId: "t1", status: "working" } }, "unknown"],
  ["of 2026-07-28's extension", { resultType: "task", taskId: "t1", status: "working" }, "unknown"],
  ["is what a result with content only mentions", { task: { taskId: "t1" }, content: [] }, "ok"],
  ["is nothing without an id", { task: "t1" }, "ok"],
])("a task %s", (_, result, expected) => {
  expect(outcomeOf({ via: "result", result }).class).toBe(expected);
});

test("a successful result is never looked into", () => {
  const result = new Proxy({} as { content?: unknown }, {
    get: (_, key) => (key === "content" || key === "structuredContent" ? expect.fail("was read") : undefined),
  });
  expect(outcomeOf({ via: "result", result })).toEqual({ class: "ok" });
});

test("only isError: true is an error", () => {
  expect(outcomeOf({ via: "result", result: { isError: "true" } })).toEqual({ class: "ok" });
});

test("an exit says its status or its signal, and nothing where neither is known", () => {
  const exited = { class: "transport_error", reason: "server_exited" };
  expect(outcomeOf({ via: "exit", code: 0, signal: null })).toEqual({ ...exited, code: 0 });
  expect(outcomeOf({ via: "exit", code: null, signal: "SIGTERM" })).toEqual({ ...exited, code: "SIGTERM" });
  expect(outcomeOf({ via: "exit", code: null, signal: null })).toEqual(exited);
});

test("a client that went away cancelled", () => {
  expect(outcomeOf({ via: "client_gone" })).toEqual({ class: "cancelled", reason: "client_gone" });
});

test("the layer's own code goes before the one in its text, and a code that is no integer is dropped", () => {
  expect(protocolError(-32603, "MCP error -32602: query must be a string")).toMatchObject({ code: -32603 });
  expect(protocolError("sk_live_secret", "no")).toEqual({ class: "protocol_error" });
  expect(protocolError(1.5, "no")).toEqual({ class: "protocol_error" });
});

test("a status beside the message, in the error's data, is heard", () => {
  expect(protocolError(-32000, "it did not work", { status: 403 })).toMatchObject({ reason: "forbidden" });
});

test("a code decides only together with what is said, where a code has more than one meaning", () => {
  expect(protocolError(-32000, "Connection closed")).toMatchObject({ reason: "upstream_unreachable" });
  expect(protocolError(-32000, "it did not work")).toEqual({ class: "protocol_error", code: -32000 });
  expect(protocolError(-32001, "Session not found")).toMatchObject({ reason: "not_found" });
});

test("the first block that says anything is the error's text", () => {
  const content = [
    null,
    { type: "image", data: "x" },
    { type: "text", text: " \n" },
    { type: "text", text: "fetch failed" },
  ];
  expect(outcomeOf({ via: "result", result: { isError: true, content } })).toMatchObject({
    reason: "upstream_unreachable",
  });
});

const outcomes = fc.oneof(
  fc.record({ via: fc.constant("result" as const), result: fc.jsonValue() }),
  fc.record({
    via: fc.constant("result" as const),
    result: fc.record({
      isError: fc.constant(true),
      content: fc.oneof(fc.jsonValue(), fc.array(fc.record({ type: fc.constant("text"), text: anyText() }))),
    }),
  }),
  fc.record({ via: fc.constant("error" as const), error: fc.jsonValue() }),
  fc.record({
    via: fc.constant("error" as const),
    error: fc.record({ code: fc.oneof(fc.integer(), fc.jsonValue()), message: anyText(), data: fc.jsonValue() }),
  }),
  fc.record({ via: fc.constant("cancel" as const), reason: fc.oneof(anyText(), fc.jsonValue()) }),
  fc.record({
    via: fc.constant("exit" as const),
    code: fc.option(fc.integer()),
    signal: fc.option(fc.string({ maxLength: 200 })),
  }),
);

function anyText(): fc.Arbitrary<string> {
  const pieces = ["MCP error -32602: ", "Error: ", '{"error":', "[{", "HTTP ", "401", ": ", "not found", "\n", "a "];
  return fc.oneof(
    fc.string({ unit: "binary" }),
    fc.json(),
    fc.array(fc.constantFrom(...pieces), { maxLength: 20 }).map((parts) => parts.join("")),
  );
}

test("whatever ends a call, its outcome has a known class and reason and a bounded code", () => {
  fc.assert(
    fc.property(outcomes, (ending) => {
      const { class: layer, reason, code, ...rest } = outcomeOf(ending);
      expect(outcomeClasses).toContain(layer);
      if (reason !== undefined) expect(outcomeReasons).toContain(reason);
      if (typeof code === "string") expect(code).toMatch(/^SIG[A-Z0-9]{1,16}$/);
      else if (code !== undefined) expect(code).toSatisfy(Number.isSafeInteger);
      expect(rest).toEqual({});
    }),
    { numRuns: 1000 },
  );
});

// Each of these is the worst that some row can be given: without bounds, a second and more.
test.each([
  "fetch failed",
  "x".repeat(1024),
  "Error: ".repeat(600),
  ": ".repeat(2000),
  "MCP error -32602: ".repeat(250),
  "Invalid a: Invalid a. ".repeat(180),
  "a a a API ".repeat(400),
  "[".repeat(4096),
  '{"error":'.repeat(450),
  `HTTPConnectionPool(${")".repeat(4000)}`,
])("a huge text costs no more than its beginning: %#", (beginning) => {
  const text = beginning + beginning.slice(-1).repeat(20_000_000);
  const startedAt = performance.now();
  toolError(text);
  protocolError(-32603, text);
  expect(performance.now() - startedAt).toBeLessThan(100);
});
