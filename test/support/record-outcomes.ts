/**
 * Records how real MCP servers end calls, for outcome.test.ts: starts each server, talks raw JSON-RPC over stdio, and
 * writes test/fixtures/outcomes/<server>.json. What a case should come to is written here by hand, never computed: it
 * is what the server's own sentence tells, not what is behind it.
 *
 *     npx node test/support/record-outcomes.ts [FOLDER]
 *
 * The reference servers and the SDKs are our development dependencies. All others are looked for in
 * FOLDER/node_modules, those in Python in FOLDER/.venv, and skipped with a line where they are missing:
 *
 *     npm install --prefix FOLDER --ignore-scripts @upstash/context7-mcp @notionhq/notion-mcp-server \
 *       mcp-server-commands @cyanheads/git-mcp-server firecrawl-mcp @modelcontextprotocol/server-github \
 *       @supabase/mcp-server-supabase mcp-fetch-server todoist-mcp kubernetes-mcp-server-linux-amd64 mcp-time-linux-x64
 *     python3 -m venv FOLDER/.venv && FOLDER/.venv/bin/pip install mcp-server-time mcp-server-git
 *
 * Nothing leaves this machine: servers whose API has a configurable address get a stub on the loopback that answers
 * with the status of the case and a body in that API's own shape; the others find no network, which is a case too.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { homedir, hostname, tmpdir, userInfo } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { Client as ClientV2 } from "@modelcontextprotocol/client";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import type { Ending } from "../../packages/emitter/src/outcome.ts";
import type { Outcome } from "../../packages/format/src/record.ts";

type Json = Record<string, unknown>;
type Frame = { readonly method: string; readonly params?: Json };
type Answer = { readonly status: number; readonly body: unknown };
type Case = { readonly name: string; readonly request: Frame; readonly expected: Outcome; readonly upstream?: Answer };
type Recorded = Omit<Case, "upstream"> & { readonly ending: Ending };
type Server = {
  readonly file: string;
  readonly package: string;
  /** Where it is installed; without an entry, `package` is an SDK, and `source` a server written with it. */
  readonly entry?: { readonly node: string } | { readonly binary: string } | { readonly python: string };
  readonly source?: string;
  readonly nodeArgs?: readonly string[];
  readonly args?: readonly string[];
  readonly env?: Record<string, string>;
  /** Speak the stateless revision 2026-07-28: no `initialize`, and the envelope in each request. */
  readonly stateless?: boolean;
  readonly cases: readonly Case[];
};

const repository = resolve(import.meta.dirname, "../..");
const others = process.argv[2] === undefined ? undefined : resolve(process.argv[2]);
const fixtures = join(repository, "test/fixtures/outcomes");

// The ground that all servers stand on.
const data = realpathSync(mkdtempSync(join(tmpdir(), "outcomes-")));
mkdirSync(join(data, "home"));
mkdirSync(join(data, "repo"));
writeFileSync(join(data, "alarm.txt"), "unauthorized, 403 Forbidden, rate limit exceeded\n");
writeFileSync(join(data, "full.txt"), "full\n");
const git = [
  "-c",
  "user.name=a",
  "-c",
  "user.email=a@example.com",
  "-c",
  "init.defaultBranch=main",
  "-C",
  join(data, "repo"),
];
execFileSync("git", [...git, "init", "--quiet"]);
execFileSync("git", [...git, "commit", "--quiet", "--allow-empty", "--message", "first"]);

let answer: Answer = { status: 404, body: {} };
const upstream = createServer((request, response) => {
  request.resume();
  response.writeHead(answer.status, { "content-type": "application/json", "retry-after": "1" });
  response.end(JSON.stringify(answer.body));
});
await new Promise<void>((listening) => upstream.listen(0, "127.0.0.1", listening));
const address = upstream.address();
const upstreamUrl = `http://127.0.0.1:${typeof address === "object" ? address?.port : address}`;

const kubeconfig = (server: string): string => {
  const path = join(data, `kube-${server === upstreamUrl ? "stub" : "closed"}.json`);
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "c", cluster: { server } }],
    users: [{ name: "u", user: { token: "dummy" } }],
    contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
    "current-context": "c",
  };
  writeFileSync(path, JSON.stringify(config));
  return path;
};

// How cases are written down.
const call = (name: string, args: Json, expected: Outcome, why: string, upstream?: Answer): Case => ({
  name: why,
  request: { method: "tools/call", params: { name, arguments: args } },
  expected,
  ...(upstream !== undefined && { upstream }),
});
const ok: Outcome = { class: "ok" };
const tool = (reason?: Outcome["reason"], code?: number): Outcome => ({
  class: "tool_error",
  ...(reason !== undefined && { reason }),
  ...(code !== undefined && { code }),
});
const protocol = (code: number, reason?: Outcome["reason"]): Outcome => ({
  class: "protocol_error",
  ...(reason !== undefined && { reason }),
  code,
});
const unknownMethod: Case = {
  name: "unknown method",
  request: { method: "no/such/method", params: {} },
  expected: protocol(-32601, "unknown_method"),
};
/** As TypeScript SDKs from 1.20 have it: all that is wrong with a call is a result. */
const badArguments = tool("invalid_arguments", -32602);
const unknownTool = call("no-such-tool", {}, tool("unknown_tool", -32602), "unknown tool");

const lowLevelV1 = `
import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { CallToolRequestSchema, ErrorCode, McpError } from "@modelcontextprotocol/sdk/types.js";
import { readFile } from "node:fs/promises";
const tools = {
  add: ({ a, b }) => ({ content: [{ type: "text", text: String(a + b) }] }),
  plain: () => { throw new Error("disk is full") },
  internal: () => { throw new McpError(ErrorCode.InternalError, "the index is broken") },
  arguments: () => { throw new McpError(ErrorCode.InvalidParams, "query must be a string") },
  file: () => readFile("/no/such/file"),
  fetch: () => fetch("http://127.0.0.1:1/"),
  status: () => { throw Object.assign(new Error("Request failed with status code 403"), { code: "ERR_BAD_REQUEST" }) },
  timeout: () => { throw new McpError(ErrorCode.RequestTimeout, "Request timed out") },
  exit: () => process.exit(3),
  kill: () => new Promise(() => process.kill(process.pid, "SIGKILL")),
};
const server = new Server({ name: "low-level", version: "1.0.0" }, { capabilities: { tools: {} } });
server.setRequestHandler(CallToolRequestSchema, async ({ params }) => {
  if (!(params.name in tools)) throw new McpError(ErrorCode.MethodNotFound, "Unknown tool: " + params.name);
  return tools[params.name](params.arguments ?? {});
});
await server.connect(new StdioServerTransport());
`;

const serverV1 = `
import { InMemoryTaskStore } from "@modelcontextprotocol/sdk/experimental/tasks/stores/in-memory.js";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import * as z from "zod";
const capabilities = { tasks: { requests: { tools: { call: {} } } } };
const server = new McpServer({ name: "one", version: "1.2.3" }, { capabilities, taskStore: new InMemoryTaskStore() });
const outputSchema = { n: z.number() };
server.registerTool("wrong-output", { outputSchema }, async () => ({ content: [], structuredContent: { n: "x" } }));
server.registerTool("no-output", { outputSchema }, async () => ({ content: [] }));
server.registerTool("nothing", {}, async () => undefined);
const createTask = async ({ taskStore }) => ({ task: await taskStore.createTask({ ttl: 1000 }) });
const getTask = ({ taskId, taskStore }) => taskStore.getTask(taskId);
const getTaskResult = ({ taskId, taskStore }) => taskStore.getTaskResult(taskId);
const execution = { taskSupport: "required" };
server.experimental.tasks.registerToolTask("later", { execution }, { createTask, getTask, getTaskResult });
server.registerTool("off", {}, async () => ({ content: [] })).disable();
await server.connect(new StdioServerTransport());
`;

const serverV2 = `
import { acceptedContent, inputRequired, McpServer, ProtocolError } from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import * as z from "zod";
serveStdio(() => {
  const server = new McpServer({ name: "two", version: "1.2.3" });
  const echo = z.object({ text: z.string() });
  server.registerTool("echo", { inputSchema: echo }, async ({ text }) => ({ content: [{ type: "text", text }] }));
  server.registerTool("fail", {}, async () => { throw new Error("disk is full") });
  server.registerTool("protocol", {}, async () => { throw new ProtocolError(-32603, "the index is broken") });
  const outputSchema = z.object({ n: z.number() });
  server.registerTool("wrong-output", { outputSchema }, async () => ({ content: [], structuredContent: { n: "x" } }));
  server.registerTool("deploy", { inputSchema: z.object({ env: z.string() }) }, async ({ env }, context) => {
    const requestedSchema = z.object({ confirm: z.boolean() });
    if (acceptedContent(context.mcpReq.inputResponses, "confirm", requestedSchema)?.confirm)
      return { content: [{ type: "text", text: "deployed" }] };
    const confirm = inputRequired.elicit({ message: "Deploy to " + env + "?", requestedSchema });
    return inputRequired({ inputRequests: { confirm }, requestState: "round-1" });
  });
  return server;
});
`;
const casesV2: readonly Case[] = [
  call("echo", { text: "unauthorized" }, ok, "ok, with an alarming text"),
  call("fail", {}, tool(), "the tool's own error"),
  call("protocol", {}, tool(), "a ProtocolError thrown by a tool loses its code"),
  call("no-such-tool", {}, protocol(-32602, "unknown_tool"), "unknown tool"),
  call("echo", {}, tool("invalid_arguments"), "missing argument"),
  call("echo", { text: 5 }, tool("invalid_arguments"), "argument of the wrong type"),
  call("wrong-output", {}, tool("invalid_output"), "output that does not fit its schema"),
  {
    name: "a call without a tool's name",
    request: { method: "tools/call", params: {} },
    expected: protocol(-32602, "invalid_arguments"),
  },
  unknownMethod,
];

const reference = (name: string): Pick<Server, "file" | "package" | "entry"> => ({
  file: name,
  package: `@modelcontextprotocol/server-${name}`,
  entry: { node: "dist/index.js" },
});

const firecrawl = (status: number, error: string): Answer => ({ status, body: { success: false, error } });
const notion = (status: number, code: string, message: string): Answer => ({
  status,
  body: { object: "error", status, code, message },
});
const message = (status: number, message: string): Answer => ({ status, body: { message } });

const servers: readonly Server[] = [
  {
    ...reference("everything"),
    cases: [
      call("echo", { message: "hi" }, ok, "ok"),
      call(
        "get-resource-reference",
        { resourceType: "Text", resourceId: -1 },
        tool("invalid_arguments"),
        "the tool's own error",
      ),
      call(
        "gzip-file-as-resource",
        { name: "x", data: "http://127.0.0.1:1/x" },
        tool("upstream_unreachable"),
        "nobody listens",
      ),
      unknownTool,
      call("echo", {}, badArguments, "missing argument"),
      call("echo", { message: 5 }, badArguments, "argument of the wrong type"),
      call("get-structured-content", { location: "Paris" }, badArguments, "argument outside its enumeration"),
      unknownMethod,
    ],
  },
  {
    ...reference("filesystem"),
    args: [data],
    cases: [
      call("read_text_file", { path: join(data, "alarm.txt") }, ok, "ok, with an alarming content"),
      call("read_text_file", { path: "/etc/passwd" }, tool("forbidden"), "outside the allowed directories"),
      call("read_text_file", { path: join(data, "none") }, tool("not_found"), "missing file"),
      call("write_file", { path: join(data, "none/x"), content: "" }, tool("not_found"), "missing folder"),
      call("list_directory", { path: join(data, "full.txt") }, tool(), "a file where a folder is needed"),
      call(
        "move_file",
        { source: join(data, "full.txt"), destination: join(data, "alarm.txt") },
        tool(),
        "destination exists",
      ),
      call(
        "edit_file",
        { path: join(data, "full.txt"), edits: [{ oldText: "Unauthorized", newText: "" }] },
        tool(),
        "nothing to edit",
      ),
      call(
        "read_text_file",
        { path: join(data, "full.txt"), head: 1, tail: 1 },
        tool("invalid_arguments"),
        "contradiction",
      ),
      call(
        "read_multiple_files",
        { paths: [join(data, "none")] },
        ok,
        "a missing file among several is no error to this server",
      ),
      unknownTool,
      call("read_text_file", {}, badArguments, "missing argument"),
      call("read_text_file", { path: 7 }, badArguments, "argument of the wrong type"),
      unknownMethod,
    ],
  },
  {
    ...reference("memory"),
    env: { MEMORY_FILE_PATH: join(data, "memory.jsonl") },
    cases: [
      call("create_entities", { entities: [{ name: "a", entityType: "t", observations: [] }] }, ok, "ok"),
      call(
        "add_observations",
        { observations: [{ entityName: "z", contents: [] }] },
        tool("not_found"),
        "entity not found",
      ),
      unknownTool,
      call("create_entities", {}, badArguments, "missing argument"),
      call("create_entities", { entities: 5 }, badArguments, "argument of the wrong type"),
      unknownMethod,
    ],
  },
  {
    ...reference("sequential-thinking"),
    cases: [
      call(
        "sequentialthinking",
        { thought: "a", nextThoughtNeeded: false, thoughtNumber: 1, totalThoughts: 1 },
        ok,
        "ok",
      ),
      unknownTool,
      call("sequentialthinking", {}, badArguments, "missing arguments"),
      call(
        "sequentialthinking",
        { thought: 4, nextThoughtNeeded: false, thoughtNumber: 1, totalThoughts: 1 },
        badArguments,
        "type",
      ),
      unknownMethod,
    ],
  },
  {
    file: "sdk-v1-low-level",
    package: "@modelcontextprotocol/sdk",
    source: lowLevelV1,
    cases: [
      call("add", { a: 1, b: 2 }, ok, "ok"),
      call("plain", {}, protocol(-32603, "internal_error"), "the tool's own error"),
      call("internal", {}, protocol(-32603, "internal_error"), "an McpError, internal"),
      call("arguments", {}, protocol(-32602, "invalid_arguments"), "an McpError, invalid params"),
      call("file", {}, protocol(-32603, "not_found"), "missing file"),
      call("fetch", {}, protocol(-32603, "upstream_unreachable"), "nobody listens"),
      call("status", {}, protocol(-32603, "forbidden"), "axios was answered 403; its string code is not JSON-RPC's"),
      call("timeout", {}, protocol(-32001, "upstream_timeout"), "a request of the server's own timed out"),
      call("no-such-tool", {}, protocol(-32601, "unknown_tool"), "unknown tool"),
      {
        name: "a call without a tool's name",
        request: { method: "tools/call", params: {} },
        expected: protocol(-32603, "invalid_arguments"),
      },
      unknownMethod,
      call("exit", {}, { class: "transport_error", reason: "server_exited", code: 3 }, "the server exits"),
    ],
  },
  {
    file: "sdk-v1-killed",
    package: "@modelcontextprotocol/sdk",
    source: lowLevelV1,
    cases: [
      call("kill", {}, { class: "transport_error", reason: "server_exited", code: "SIGKILL" }, "the server is killed"),
    ],
  },
  {
    file: "sdk-v1-server",
    package: "@modelcontextprotocol/sdk",
    source: serverV1,
    cases: [
      call("wrong-output", {}, tool("invalid_output", -32602), "output that does not fit its schema"),
      call("no-output", {}, tool("invalid_output", -32602), "output missing"),
      call("nothing", {}, protocol(-32602, "invalid_output"), "a tool that returns nothing"),
      call("off", {}, tool("unknown_tool", -32602), "a tool that is switched off"),
      {
        name: "a task is started, and the tool has yet to run",
        request: { method: "tools/call", params: { name: "later", arguments: {}, task: { ttl: 1_000 } } },
        expected: { class: "unknown", reason: "task_started" },
      },
    ],
  },
  {
    file: "sdk-v2-server",
    package: "@modelcontextprotocol/server",
    source: serverV2,
    cases: [
      ...casesV2,
      call("deploy", { env: "prod" }, tool(), "input required of a client of 2025 that did not declare elicitation"),
    ],
  },
  {
    file: "sdk-v2-server-stateless",
    package: "@modelcontextprotocol/server",
    source: serverV2,
    stateless: true,
    cases: [
      ...casesV2,
      call("deploy", { env: "prod" }, { class: "input_required" }, "input required"),
      {
        name: "the same call with the input",
        request: {
          method: "tools/call",
          params: {
            name: "deploy",
            arguments: { env: "prod" },
            inputResponses: { confirm: { action: "accept", content: { confirm: true } } },
            requestState: "round-1",
          },
        },
        expected: ok,
      },
    ],
  },
  {
    file: "context7",
    package: "@upstash/context7-mcp",
    entry: { node: "dist/index.js" },
    env: { CONTEXT7_API_URL: `${upstreamUrl}/api`, CONTEXT7_API_KEY: "ctx7sk-dummy" },
    cases: [
      // It tells its failures as successes; a successful result is never looked into.
      call(
        "query-docs",
        { libraryId: "/a/b", query: "x" },
        ok,
        "401 upstream is a success",
        message(401, "Invalid API key."),
      ),
      call("no-such-tool", {}, protocol(-32602, "unknown_tool"), "unknown tool"),
      call("resolve-library-id", {}, tool("invalid_arguments"), "missing arguments"),
      call(
        "resolve-library-id",
        { query: 5, libraryName: "x" },
        tool("invalid_arguments"),
        "argument of the wrong type",
      ),
      unknownMethod,
    ],
  },
  {
    file: "notion",
    package: "@notionhq/notion-mcp-server",
    entry: { node: "bin/cli.mjs" },
    env: { NOTION_TOKEN: "ntn_dummy", BASE_URL: upstreamUrl },
    cases: [
      // This one too: the status is in the text, and isError is not set.
      call("API-get-self", {}, ok, "401 upstream is a success", notion(401, "unauthorized", "API token is invalid.")),
      call(
        "API-get-self",
        {},
        ok,
        "429 upstream is a success",
        notion(429, "rate_limited", "You have been rate limited."),
      ),
      call("no-such-tool", {}, protocol(-32603, "unknown_tool"), "unknown tool"),
      unknownMethod,
    ],
  },
  {
    file: "commands",
    package: "mcp-server-commands",
    entry: { node: "build/index.js" },
    cases: [
      call("run_command", { command: "echo hi" }, ok, "ok"),
      call("run_command", { command: "exit 3" }, tool(), "the command fails"),
      call("run_command", { command: "cat /no/such/file" }, tool(), "what the command says is content"),
      call(
        "run_command",
        { command: "echo Unauthorized: connect ECONNREFUSED; exit 1" },
        tool(),
        "alarming words in a command",
      ),
      call("run_command", { command: "ls", workdir: "/no/such/folder" }, tool(), "missing working folder"),
      call("no-such-tool", {}, protocol(-32603, "unknown_tool"), "unknown tool"),
      call("run_command", {}, tool("invalid_arguments"), "missing argument"),
      call("run_command", { command: 5 }, tool("invalid_arguments"), "argument of the wrong type"),
      unknownMethod,
    ],
  },
  {
    file: "git",
    package: "@cyanheads/git-mcp-server",
    entry: { node: "dist/index.js" },
    env: { MCP_TRANSPORT_TYPE: "stdio", MCP_LOG_LEVEL: "error" },
    cases: [
      call("git_status", { path: join(data, "repo") }, ok, "ok"),
      call("git_status", { path: data }, tool(), "not a repository: git says so in the second line"),
      call("git_status", { path: "/no/such/folder" }, tool("not_found"), "missing folder"),
      call(
        "git_clone",
        { url: "http://127.0.0.1:1/x.git", path: join(data, "clone") },
        tool(),
        "nobody listens: so does git",
      ),
      unknownTool,
      call("git_show", { path: join(data, "repo") }, badArguments, "missing argument"),
      call("git_status", { path: 5 }, badArguments, "argument of the wrong type"),
      unknownMethod,
    ],
  },
  {
    file: "firecrawl",
    package: "firecrawl-mcp",
    entry: { node: "dist/index.js" },
    env: { FIRECRAWL_API_KEY: "fc-dummy", FIRECRAWL_API_URL: upstreamUrl },
    cases: [
      call("firecrawl_map", { url: "https://example.com" }, ok, "ok", {
        status: 200,
        body: { success: true, links: [] },
      }),
      call(
        "firecrawl_map",
        { url: "https://example.com" },
        tool("unauthorized"),
        "401 upstream",
        firecrawl(401, "Unauthorized: Invalid token"),
      ),
      call(
        "firecrawl_map",
        { url: "https://example.com" },
        tool("forbidden"),
        "403 upstream",
        firecrawl(403, "Forbidden"),
      ),
      call(
        "firecrawl_map",
        { url: "https://example.com" },
        tool("rate_limited"),
        "429 upstream",
        firecrawl(429, "Rate limit exceeded. Consumed (req/min): 11, Remaining (req/min): 0."),
      ),
      call("no-such-tool", {}, protocol(-32601, "unknown_tool"), "unknown tool"),
      call("firecrawl_map", {}, protocol(-32602, "invalid_arguments"), "missing argument"),
      call("firecrawl_map", { url: 5 }, protocol(-32602, "invalid_arguments"), "argument of the wrong type"),
      unknownMethod,
    ],
  },
  {
    file: "github-offline",
    package: "@modelcontextprotocol/server-github",
    entry: { node: "dist/index.js" },
    env: { GITHUB_PERSONAL_ACCESS_TOKEN: "dummy" },
    cases: [
      call("search_repositories", { query: "x" }, protocol(-32603, "upstream_unreachable"), "no network"),
      call("no-such-tool", {}, protocol(-32603, "unknown_tool"), "unknown tool"),
      call("search_repositories", {}, protocol(-32603, "invalid_arguments"), "missing argument"),
      call("search_repositories", { query: 5 }, protocol(-32603, "invalid_arguments"), "argument of the wrong type"),
      {
        name: "no arguments at all",
        request: { method: "tools/call", params: { name: "search_repositories" } },
        expected: protocol(-32603, "invalid_arguments"),
      },
      unknownMethod,
    ],
  },
  {
    file: "github",
    package: "@modelcontextprotocol/server-github",
    entry: { node: "dist/index.js" },
    // Its API's address is fixed; its phrases for what the API answers are worth the detour.
    nodeArgs: [
      "--import",
      "data:text/javascript,const f=fetch;globalThis.fetch=(u,o)=>" +
        `f(String(u).replace("https://api.github.com","${upstreamUrl}"),o)`,
    ],
    env: { GITHUB_PERSONAL_ACCESS_TOKEN: "dummy" },
    cases: [
      call(
        "search_repositories",
        { query: "x" },
        protocol(-32603, "unauthorized"),
        "401",
        message(401, "Bad credentials"),
      ),
      call(
        "search_repositories",
        { query: "x" },
        protocol(-32603, "forbidden"),
        "403",
        message(403, "Resource not accessible by personal access token"),
      ),
      call("search_repositories", { query: "x" }, protocol(-32603, "not_found"), "404", message(404, "Not Found")),
      call(
        "search_repositories",
        { query: "x" },
        protocol(-32603, "invalid_arguments"),
        "422",
        message(422, "Validation Failed"),
      ),
      call(
        "search_repositories",
        { query: "x" },
        protocol(-32603, "rate_limited"),
        "429",
        message(429, "API rate limit exceeded for user ID 1."),
      ),
      call(
        "search_repositories",
        { query: "x" },
        protocol(-32603, "internal_error"),
        "500",
        message(500, "Server Error"),
      ),
    ],
  },
  {
    file: "supabase",
    package: "@supabase/mcp-server-supabase",
    entry: { node: "dist/cli.js" },
    args: ["--access-token", "sbp_dummy", "--api-url", upstreamUrl, "--features", "account,database"],
    cases: [
      call("list_projects", {}, ok, "ok", { status: 200, body: [] }),
      call("list_projects", {}, tool("unauthorized"), "401 upstream", message(401, "Unauthorized")),
      call("list_projects", {}, tool("forbidden"), "403 upstream", message(403, "Forbidden resource")),
      call("get_project", { id: "x" }, tool("not_found"), "404 upstream", message(404, "Project not found")),
      call(
        "list_projects",
        {},
        tool("rate_limited"),
        "429 upstream",
        message(429, "ThrottlerException: Too Many Requests"),
      ),
      call("list_projects", {}, tool("internal_error"), "500 upstream", message(500, "Internal server error")),
      call("no-such-tool", {}, tool("unknown_tool"), "unknown tool"),
      call("get_project", {}, tool("invalid_arguments"), "missing argument"),
      call("get_project", { id: 5 }, tool("invalid_arguments"), "argument of the wrong type"),
      unknownMethod,
    ],
  },
  {
    file: "fetch",
    package: "mcp-fetch-server",
    entry: { node: "dist/index.js" },
    cases: [
      call("fetch_txt", { url: "https://example.com" }, tool("upstream_unreachable"), "no network"),
      call("fetch_txt", { url: "http://127.0.0.1:1" }, tool("forbidden"), "a private address"),
      call("no-such-tool", {}, protocol(-32603, "unknown_tool"), "unknown tool"),
      call("fetch_txt", {}, protocol(-32603, "invalid_arguments"), "missing argument"),
      call("fetch_txt", { url: 5 }, protocol(-32603, "invalid_arguments"), "argument of the wrong type"),
      unknownMethod,
    ],
  },
  {
    file: "todoist",
    package: "todoist-mcp",
    entry: { node: "dist/index.js" },
    env: { API_KEY: "dummy" },
    cases: [
      call("get_labels_list", {}, tool("upstream_unreachable"), "no network"),
      unknownTool,
      call("create_comments", {}, badArguments, "missing argument"),
      call("create_comments", { items: 5 }, badArguments, "argument of the wrong type"),
      unknownMethod,
    ],
  },
  {
    file: "kubernetes",
    package: "kubernetes-mcp-server-linux-amd64",
    entry: { binary: "bin/kubernetes-mcp-server-linux-amd64" },
    args: ["--kubeconfig", kubeconfig("http://127.0.0.1:1")],
    cases: [
      call("configuration_view", {}, ok, "ok"),
      call("namespaces_list", {}, tool("upstream_unreachable"), "nobody listens"),
      call("no-such-tool", {}, protocol(-32602, "unknown_tool"), "unknown tool"),
      call("pods_get", {}, tool("invalid_arguments"), "missing argument"),
      call("pods_get", { name: 5 }, tool("invalid_arguments"), "argument of the wrong type"),
      unknownMethod,
    ],
  },
  {
    file: "kubernetes-upstream",
    package: "kubernetes-mcp-server-linux-amd64",
    entry: { binary: "bin/kubernetes-mcp-server-linux-amd64" },
    args: ["--kubeconfig", kubeconfig(upstreamUrl)],
    cases: [
      call("pods_get", { name: "x", namespace: "n" }, tool("not_found"), "404 upstream", message(404, "")),
      call("pods_get", { name: "x", namespace: "n" }, tool("unauthorized"), "401 upstream", message(401, "")),
      call(
        "pods_get",
        { name: "x", namespace: "n" },
        tool("upstream_timeout"),
        "429 until it gives up",
        message(429, ""),
      ),
    ],
  },
  {
    file: "time-go",
    package: "mcp-time-linux-x64",
    entry: { binary: "bin/mcp-time" },
    cases: [
      call("current_time", {}, ok, "ok"),
      call("current_time", { timezone: "Mars/Base" }, tool("invalid_arguments"), "the tool's own error"),
      call("no-such-tool", {}, protocol(-32602, "unknown_tool"), "unknown tool"),
      call("add_time", {}, tool("invalid_arguments"), "missing argument"),
      call("add_time", { duration: 5 }, tool("invalid_arguments"), "argument of the wrong type"),
      unknownMethod,
    ],
  },
  {
    file: "time-python",
    package: "mcp-server-time",
    entry: { python: "mcp_server_time" },
    cases: [
      call("get_current_time", { timezone: "UTC" }, ok, "ok"),
      call("get_current_time", { timezone: "Mars/Base" }, tool("invalid_arguments"), "the tool's own error"),
      call(
        "convert_time",
        { source_timezone: "UTC", time: "99", target_timezone: "UTC" },
        tool("invalid_arguments"),
        "a time that is none",
      ),
      call("no-such-tool", {}, protocol(-32602, "unknown_tool"), "unknown tool"),
      call("get_current_time", {}, tool("invalid_arguments"), "missing argument"),
      call("get_current_time", { timezone: 5 }, tool("invalid_arguments"), "argument of the wrong type"),
      {
        name: "a call without a tool's name",
        request: { method: "tools/call", params: {} },
        expected: protocol(-32602, "invalid_arguments"),
      },
      unknownMethod,
    ],
  },
  {
    file: "git-python",
    package: "mcp-server-git",
    entry: { python: "mcp_server_git" },
    args: ["--repository", join(data, "repo")],
    cases: [
      call("git_status", { repo_path: join(data, "repo") }, ok, "ok"),
      call("git_status", { repo_path: "/no/such/folder" }, tool("forbidden"), "outside the allowed repository"),
      call("git_show", { repo_path: join(data, "repo"), revision: "deadbeef" }, tool("not_found"), "missing revision"),
      call("no-such-tool", {}, protocol(-32602, "unknown_tool"), "unknown tool"),
      call("git_status", {}, tool("invalid_arguments"), "missing argument"),
      call("git_status", { repo_path: 5 }, tool("invalid_arguments"), "argument of the wrong type"),
      unknownMethod,
    ],
  },
];

const envelope = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientInfo": { name: "record-outcomes", version: "1.0.0" },
  "io.modelcontextprotocol/clientCapabilities": { elicitation: { form: {} } },
};

/** The command line of a server, or undefined where it is not installed. */
function commandOf({ entry, source, nodeArgs = [], args = [], ...server }: Server): readonly string[] | undefined {
  // A module given by --eval resolves its imports from the working folder.
  if (source !== undefined) return [process.execPath, "--input-type=module", "--eval", source];
  const root =
    server.package.startsWith("@modelcontextprotocol/") && !server.file.startsWith("github") ? repository : others;
  if (root === undefined || entry === undefined) return undefined;
  const path =
    "python" in entry
      ? join(root, ".venv/bin/python")
      : join(root, "node_modules", server.package, "node" in entry ? entry.node : entry.binary);
  if (!existsSync(path)) return undefined;
  if ("python" in entry) return [path, "-m", entry.python, ...args];
  return "node" in entry ? [process.execPath, ...nodeArgs, path, ...args] : [path, ...args];
}

function versionOf(name: string): string | undefined {
  const roots = [repository, ...(others === undefined ? [] : [others])];
  const manifest = roots.map((root) => join(root, "node_modules", name, "package.json")).find(existsSync);
  return manifest === undefined ? undefined : JSON.parse(readFileSync(manifest, "utf8")).version;
}

/** A server's process, asked one request at a time. A request that the process did not survive ends with its exit. */
function start(server: Server, [command = "", ...args]: readonly string[]) {
  const child: ChildProcess = spawn(command, args, {
    cwd: server.source === undefined ? data : repository,
    env: { PATH: process.env.PATH, HOME: join(data, "home"), ...server.env },
    stdio: ["pipe", "pipe", "ignore"],
  });
  const waiting = new Map<number, (ending: Ending) => void>();
  const exited = new Promise<Ending>((done) =>
    child.once("exit", (code, signal) => done({ via: "exit", code, signal })).once("error", console.error),
  );
  child.stdin?.on("error", () => {}); // The exit says it.
  const send = (frame: Json) => child.stdin?.write(`${JSON.stringify({ jsonrpc: "2.0", ...frame })}\n`);
  if (child.stdout === null) throw new Error("no stdout");
  createInterface({ input: child.stdout }).on("line", (line) => {
    const frame = line.startsWith("{") ? JSON.parse(line) : {};
    // A server's own requests (roots, sampling) are no part of what is recorded.
    if (frame.method !== undefined && frame.id !== undefined)
      send({ id: frame.id, error: { code: -32601, message: "Method not found" } });
    else
      waiting.get(frame.id)?.(
        "error" in frame ? { via: "error", error: frame.error } : { via: "result", result: frame.result },
      );
  });
  let lastId = 0;
  return {
    async ask(request: Frame): Promise<Ending> {
      const id = ++lastId;
      const answered = new Promise<Ending>((done) => waiting.set(id, done));
      send({ id, ...request });
      return Promise.race([answered, exited, late(60_000, `${server.file} did not answer ${JSON.stringify(request)}`)]);
    },
    send,
    async stop(): Promise<void> {
      child.kill("SIGKILL");
      await exited;
    },
  };
}

const late = (ms: number, what: string) =>
  new Promise<never>((_, reject) => setTimeout(() => reject(new Error(what)), ms).unref());

async function record(server: Server): Promise<void> {
  const command = commandOf(server);
  if (command === undefined) return console.log(`skipped ${server.file}: ${server.package} is not installed`);
  const running = start(server, command);
  const cases: Recorded[] = [];
  let version = versionOf(server.package);
  try {
    if (!server.stateless) {
      answer = { status: 404, body: {} };
      const capabilities = {};
      const clientInfo = { name: "record-outcomes", version: "1.0.0" };
      const params = { protocolVersion: "2025-06-18", capabilities, clientInfo };
      const welcome = await running.ask({ method: "initialize", params });
      if (welcome.via !== "result") throw new Error(`${server.file} does not start: ${JSON.stringify(welcome)}`);
      version ??= (welcome.result as { serverInfo: { version: string } }).serverInfo.version;
      running.send({ method: "notifications/initialized" });
    }
    for (const { upstream, request: asked, ...rest } of server.cases) {
      if (upstream !== undefined) answer = upstream;
      const request = server.stateless ? { ...asked, params: { ...asked.params, _meta: envelope } } : asked;
      cases.push({ name: rest.name, request, ending: await running.ask(request), expected: rest.expected });
    }
  } finally {
    await running.stop();
  }
  write(server.file, { package: server.package, version }, cases);
}

type FakeTransport = {
  onmessage?: (message: never) => void;
  start(): Promise<void>;
  close(): Promise<void>;
  send(message: unknown): Promise<void>;
};
type Cancellation = { readonly name: string; readonly options: () => object; readonly expected: Outcome };

/** What the official clients say when they cancel: each calls a server that greets and never answers a call. */
async function recordClient(file: string, name: string, newClient: () => ClientV1 | ClientV2): Promise<void> {
  const timedOut: Outcome = { class: "timeout", reason: "client_timeout" };
  const cancelled: Outcome = { class: "cancelled", reason: "client_cancelled" };
  const abort = (reason?: unknown) => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 20);
    return { signal: controller.signal };
  };
  const cancellations: readonly Cancellation[] = [
    { name: "its timer ran out", options: () => ({ timeout: 20 }), expected: timedOut },
    {
      name: "a timeout signal of the caller's",
      options: () => ({ signal: AbortSignal.timeout(20) }),
      expected: timedOut,
    },
    { name: "aborted", options: () => abort(), expected: cancelled },
    { name: "aborted with a text", options: () => abort("the user pressed stop"), expected: cancelled },
    { name: "aborted with an error", options: () => abort(new Error("request no longer needed")), expected: cancelled },
  ];
  const cases: Recorded[] = [];
  for (const { name, options, expected } of cancellations) {
    const client = newClient();
    let request: Frame = { method: "" };
    let ending: Ending | undefined;
    const transport: FakeTransport = {
      start: async () => {},
      close: async () => {},
      async send(message) {
        const { id, method, params } = message as { id?: number; method: string; params?: Json };
        const reply = (body: object) => transport.onmessage?.({ jsonrpc: "2.0", id, ...body } as never);
        if (method === "tools/call") request = { method, ...(params !== undefined && { params }) };
        else if (method === "notifications/cancelled") ending = { via: "cancel", reason: params?.reason };
        else if (method === "initialize")
          reply({
            result: {
              protocolVersion: params?.protocolVersion,
              capabilities: { tools: {} },
              serverInfo: { name: "mute", version: "1.0.0" },
            },
          });
        else if (id !== undefined) reply({ error: { code: -32601, message: "Method not found" } });
      },
    };
    await client.connect(transport as never);
    const params = { name: "sleep", arguments: {} };
    await (client instanceof ClientV2
      ? client.callTool(params, options())
      : client.callTool(params, undefined, options())
    ).catch(() => undefined);
    if (ending === undefined) throw new Error(`${file} sent no cancellation: ${name}`);
    cases.push({ name, request, ending, expected });
    await client.close();
  }
  write(file, { package: name, version: versionOf(name) }, cases);
}

function write(
  file: string,
  server: { package: string; version: string | undefined },
  cases: readonly Recorded[],
): void {
  const text = neutral(JSON.stringify({ server, cases: cases.map(shortened) }, null, 2));
  const left = /\/(?:work|tmp|root|home|Users|private|var)\/[^"]{0,40}|127\.0\.0\.1:(?!1\b)\d+/.exec(text);
  if (left !== null) throw new Error(`${file} would tell where it was recorded: ${left[0]}`);
  writeFileSync(join(fixtures, `${file}.json`), `${text}\n`);
  console.log(`recorded ${file}: ${cases.length} cases, ${server.package} ${server.version}`);
}

/** Where it was recorded is nobody's business, and would make each recording a diff. */
function neutral(text: string): string {
  const places: readonly (readonly [string, string])[] = [
    [data, "/data"],
    [repository, "/app"],
    ...(others === undefined ? [] : [[others, "/app"] as const]),
    [homedir(), "/home"],
    [upstreamUrl, "http://upstream.test"],
    [new URL(upstreamUrl).host, "upstream.test"],
    [hostname(), "host"],
  ];
  return places
    .reduce((neutral, [place, name]) => neutral.replaceAll(place, name), text)
    .replaceAll(new RegExp(`\\b${userInfo().username}@`, "g"), "user@");
}

/** A result over 4 KB keeps its shape; its long texts are cut. */
function shortened(recorded: Recorded): Recorded {
  if (JSON.stringify(recorded.ending).length <= 4096) return recorded;
  const cut = (_: string, value: unknown) =>
    typeof value === "string" && value.length > 512 ? `${value.slice(0, 512)}...` : value;
  return { ...recorded, ending: JSON.parse(JSON.stringify(recorded.ending, cut)) };
}

mkdirSync(fixtures, { recursive: true });
try {
  const clientInfo = { name: "record-outcomes", version: "1.0.0" };
  await recordClient("sdk-v1-client", "@modelcontextprotocol/sdk", () => new ClientV1(clientInfo));
  await recordClient("sdk-v2-client", "@modelcontextprotocol/client", () => new ClientV2(clientInfo));
  for (const server of servers) await record(server);
} finally {
  upstream.close();
  upstream.closeAllConnections();
  rmSync(data, { recursive: true, force: true });
}
