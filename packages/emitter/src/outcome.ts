/**
 * What an attempt of a call came to.
 *
 * The class keeps the layer in which the attempt ended; the reason is normalised, because servers report one fault
 * through different layers: an unknown tool is an `isError` result of one SDK and a JSON-RPC error of the next, and a
 * refused connection comes as either. All judgement is in the table `matchers`, read from the top; the first row that
 * fits decides. test/fixtures/outcomes holds what real servers answered (recorded by test/support/record-outcomes.ts).
 *
 * No text of a server or a client ever goes into an outcome: a reason is one of ours, a code is a number, a signal's
 * name is checked. Only errors are read; a successful result is never looked into.
 */
import type { Outcome, OutcomeReason } from "@tooltrail/format";

/** What ended an attempt of a call, by the layer in which it ended. */
export type Ending =
  /** The JSON-RPC result of `tools/call`. */
  | { readonly via: "result"; readonly result: unknown }
  /** The JSON-RPC error object. */
  | { readonly via: "error"; readonly error: unknown }
  /** The client's `notifications/cancelled`, with its `params.reason`. */
  | { readonly via: "cancel"; readonly reason?: unknown }
  /** The server's process ended. */
  | { readonly via: "exit"; readonly code: number | null; readonly signal: string | null }
  /** The client went away. */
  | { readonly via: "client_gone" }
  /** The server's answer is nothing that JSON has a form for, so nobody gets one. */
  | { readonly via: "unsendable" }
  /** Nobody listens any more, while the server goes on. */
  | { readonly via: "stopped" };

/** Pure, total, never throws, whatever the other side sent; the time it takes is bounded by `maxTextLength`. */
export function outcomeOf(ending: Ending): Outcome {
  switch (ending.via) {
    case "result": {
      const result = asObject(ending.result);
      // The discriminator of revision 2026-07-28: such a result is neither a success nor a failure yet.
      if (result?.resultType === "input_required") return { class: "input_required" };
      if (isTask(result)) return { class: "unknown", reason: "task_started" };
      return result?.isError === true ? failed("tool_error", hearContent(result.content)) : { class: "ok" };
    }
    case "error":
      return failed("protocol_error", hearError(ending.error));
    case "cancel": {
      const reason = reasonFor("cancelled", hear(silence(), ending.reason));
      return reason === "client_timeout"
        ? { class: "timeout", reason }
        : { class: "cancelled", reason: "client_cancelled" };
    }
    case "exit": {
      const code = ending.signal === null ? ending.code : ending.signal;
      return { class: "transport_error", reason: "server_exited", ...(isExit(code) && { code }) };
    }
    case "client_gone":
      return { class: "cancelled", reason: "client_gone" };
    case "unsendable":
      return { class: "transport_error", reason: "invalid_output" };
    case "stopped":
      return { class: "unknown", reason: "not_recorded" };
  }
}

type Layer = "tool_error" | "protocol_error" | "cancelled";

/** One row: all that it names must hold. `says` is tried on each line of `Heard`. */
interface Matcher {
  /** Default: the two layers of errors. */
  readonly on?: Layer;
  /** A JSON-RPC code, of the error object or embedded in the text. */
  readonly code?: number;
  readonly says?: RegExp;
  /** `undefined`: nothing more can be known, and no later row may guess. */
  readonly reason: OutcomeReason | undefined;
}

/*
 * How to write a row. Servers quote arguments, file contents and the output of commands in their errors, so an alarming
 * word means nothing by itself. A phrase counts where a server speaks for itself: at the beginning of its first line
 * (`^`), after a colon (`: `, where errors are wrapped in context), or as the line's end (`$`). Repetition is bounded,
 * so that each row is linear in the text. A row has a fixture, or a phrase in outcome.test.ts.
 */
const matchers: readonly Matcher[] = [
  // A client's own timer. TypeScript v1 and v2 (String(error)), AbortSignal.timeout, Python, Go, Rust, langchain4j.
  {
    on: "cancelled",
    says: /^(?:McpError: MCP error -32001: |SdkError: |Error: )?(?:Request timed out|Maximum total timeout exceeded)$/,
    reason: "client_timeout",
  },
  {
    on: "cancelled",
    says: /^(?:TimeoutError: .*|timed out after [\d.]{1,20}s|context deadline exceeded|request timeout|timeout)$/i,
    reason: "client_timeout",
  },

  // A shell's wrapper: what follows is the caller's command and its output, which may say anything.
  { on: "tool_error", says: /^Command (?:failed|'.{1,500}' returned non-zero exit status)/, reason: undefined },

  // MCP's own faults, before the codes: an SDK gives -32602 for all three of them.
  { says: /^Output validation error\b/, reason: "invalid_output" },
  { on: "protocol_error", says: /^Invalid tools\/call result: /, reason: "invalid_output" }, // v1, where a tool returns nothing
  { says: /^(?:Unknown tool|Tool not found|No such tool)(?:$|[:. ])/i, reason: "unknown_tool" },
  { says: /^Tool ['"]?[^\s'"]{1,128}['"]? (?:not found|disabled|does not exist)(?:$|[:.])/i, reason: "unknown_tool" },
  // Notion's phrase for a tool. The right code, -32601, says that a method is meant.
  { code: -32603, says: /^Method \S{1,128} not found$/, reason: "unknown_tool" },
  // Inside a tool's own error, -32601 is about something else than this call's method.
  { on: "protocol_error", code: -32601, reason: "unknown_method" },
  { says: /^Input validation error\b/, reason: "invalid_arguments" },
  { says: /^(?:Invalid|Missing|Bad) (?:required )?(?:arguments?|parameters?|params)\b/i, reason: "invalid_arguments" },
  { says: /^Tool '[^\s']{1,128}' parameter validation failed\b/, reason: "invalid_arguments" }, // fastmcp, TypeScript
  { says: /^\d{1,4} validation errors? for (?:\w{0,128}Arguments\b|call\[)/, reason: "invalid_arguments" }, // pydantic
  { says: /^Invalid input: \[\{/, reason: "invalid_arguments" },
  { says: /^Validation (?:error|failed)\b/i, reason: "invalid_arguments" },
  { says: /^(?:Arguments are required|No arguments provided)\b/i, reason: "invalid_arguments" },
  { says: /^\w{1,64} is required, current value: undefined$/, reason: "invalid_arguments" },
  {
    says: /(?:^|: )\w{1,64} parameter (?:is )?(?:required|missing|must be an? \w{1,32})$/,
    reason: "invalid_arguments",
  },
  // Node's own check of a value that the tool passed on unchecked.
  { says: /^The "[\w.]{1,64}" (?:argument|property) must be (?:of type|an instance of) /, reason: "invalid_arguments" },
  { says: /^Cannot specify both \w{1,64} and \w{1,64}\b/, reason: "invalid_arguments" },

  // Before the HTTP statuses: GitHub and others answer 403 to who asks too often.
  {
    says: /(?:^|: )(?:API |Secondary )?Rate[ _-]?limit(?:ed)?(?:$|[.:,]| exceeded\b| reached\b)/i,
    reason: "rate_limited",
  },
  { says: /(?:^|: )(?:Too many requests|Quota exceeded)(?:$|[.:,])/i, reason: "rate_limited" },
  { says: /^You have exceeded (?:a|your|the) (?:secondary )?rate limit\b/i, reason: "rate_limited" }, // GitHub
  { says: awsError("Throttling(?:Exception)?|TooManyRequestsException|RequestLimitExceeded"), reason: "rate_limited" },

  // `hear` adds "HTTP <status>" wherever a server says in its own spelling that its upstream answered so.
  { says: /^HTTP 401$/, reason: "unauthorized" },
  { says: /^HTTP 403$/, reason: "forbidden" },
  { says: /^HTTP 404$/, reason: "not_found" },
  { says: /^HTTP 429$/, reason: "rate_limited" },
  { says: /^HTTP 504$/, reason: "upstream_timeout" },
  { says: /^HTTP 5\d\d$/, reason: "internal_error" },

  { says: /(?:^|: )Un(?:authorized|authenticated)(?: request| access)?(?:$|[.:,!])/i, reason: "unauthorized" },
  { says: /^(?:Authentication|Authorization) (?:is )?(?:required|failed|error)\b/i, reason: "unauthorized" },
  { says: /^Not (?:authenticated|logged in)(?:$|[.:,])/i, reason: "unauthorized" },
  {
    says: /^(?:Invalid|Incorrect|Bad|Missing|Expired) (?:\w{1,16} )?(?:key|token|credentials?)(?:$|[.:,]| provided\b)/i,
    reason: "unauthorized",
  },
  {
    says: /^(?:The )?(?:API |access )?(?:key|token|credentials?) (?:is|are|has) (?:invalid|missing|expired|revoked)\b/i,
    reason: "unauthorized",
  },
  { says: /: the server has asked for the client to provide credentials$/, reason: "unauthorized" }, // Kubernetes
  { says: /^Access denied for user '/, reason: "unauthorized" }, // MySQL: the password, not the permission
  {
    says: awsError("ExpiredToken(?:Exception)?|UnrecognizedClientException|InvalidClientTokenId"),
    reason: "unauthorized",
  },

  { says: /(?:^|: )(?:Access|Permission) denied(?:$|[.:,]| - )/i, reason: "forbidden" },
  { says: /(?:^|: )(?:E(?:ACCES|PERM): |\[Errno 1?[13]\] (?:Permission denied|Operation not))/, reason: "forbidden" },
  { says: /(?:^|: )Forbidden(?:$|[.:,!]| resource$)/i, reason: "forbidden" },
  { says: /^Insufficient (?:permissions?|privileges|scopes?)\b/i, reason: "forbidden" },
  {
    says: /^[^\n]{1,500} is outside (?:of )?(?:the )?allowed (?:repository|director(?:y|ies)|paths?|roots?)\b/,
    reason: "forbidden",
  },
  { says: /^Fetcher blocked request to private address /, reason: "forbidden" },
  { says: awsError("AccessDenied(?:Exception)?|UnauthorizedOperation"), reason: "forbidden" },

  { says: /(?:^|: )(?:(?:connect|read|write) )?E(?:SOCKET)?TIMEDOUT\b/, reason: "upstream_timeout" },
  { says: /(?:^|: )(?:context deadline exceeded|i\/o timeout)(?:$| \()/, reason: "upstream_timeout" }, // Go
  {
    says: /(?:^|: )(?:The )?(?:request|operation|read) (?:was aborted due to timeout|timed out)\b/i,
    reason: "upstream_timeout",
  },
  { says: /(?:^|: )timeout of \d{1,9} ?ms exceeded\b/i, reason: "upstream_timeout" }, // axios, Playwright

  {
    says: /(?:^|: )(?:(?:connect|read|write) )?E(?:CONN(?:REFUSED|RESET|ABORTED)|HOSTUNREACH|NETUNREACH)\b/,
    reason: "upstream_unreachable",
  },
  {
    says: /(?:^|: )(?:getaddrinfo E(?:NOTFOUND|AI_AGAIN)|socket hang up|net::ERR_[A-Z_]{1,64})\b/,
    reason: "upstream_unreachable",
  },
  { says: /(?:^|: )fetch failed$/, reason: "upstream_unreachable" }, // undici keeps the cause to itself
  {
    says: /: (?:connect: connection refused|no such host|connect: no route to host|server misbehaving)$/, // Go
    reason: "upstream_unreachable",
  },
  { says: /(?:^|: )All connection attempts failed$/, reason: "upstream_unreachable" }, // httpx
  { says: /(?:^|: )\[Errno (?:111|-[235])\] /, reason: "upstream_unreachable" }, // Python: refused, name not known
  // Python's requests.
  { says: /^HTTPS?ConnectionPool\(.{1,500}\): Max retries exceeded with url: /, reason: "upstream_unreachable" },
  { code: -32000, says: /^Connection closed$/, reason: "upstream_unreachable" }, // an SDK's client inside the server

  { says: /(?:^|: )(?:ENOENT|\[Errno 2\]|FileNotFoundError)(?:: | )no such file or directory\b/i, reason: "not_found" },
  { says: /^(?:Resource |File |Path |Directory )?Not found(?:$|[.:,!])/i, reason: "not_found" },
  { says: /^[^\n]{1,300}(?<!command|:) not found[.!]?$/, reason: "not_found" },
  { says: /^[^\n]{1,300} does not exist(?:$|[.:])/, reason: "not_found" },
  { says: /^[^\n]{1,300} did not resolve to an object$/, reason: "not_found" }, // GitPython
  { says: /: the server could not find the requested resource$/, reason: "not_found" }, // Kubernetes
  { says: awsError("ResourceNotFoundException|NoSuch(?:Key|Bucket|Entity)"), reason: "not_found" },

  // After the tokens, keys and addresses: a value that the tool itself refuses, in the ways that say so.
  {
    says: /^(?:invalid_\w{1,32}: )?Invalid (?:IANA )?(?:time ?zone|duration|date|time|UR[IL]|UUID|cursor|regex)\b/i,
    reason: "invalid_arguments",
  },
  { says: /^Invalid [\w ]{1,64}[:.] .{0,300}\b(?:Must be|Expected)\b/i, reason: "invalid_arguments" },

  { says: /^(?:Internal (?:server )?error|An unexpected error occurred)(?:$|[.:,])/i, reason: "internal_error" },

  // Last, what the code alone says.
  { code: -32602, reason: "invalid_arguments" },
  { code: -32603, reason: "internal_error" },
];

/** `AccessDenied: ...` of the JavaScript SDK, `An error occurred (AccessDenied) when calling ...` of botocore. */
function awsError(names: string): RegExp {
  return new RegExp(String.raw`^(?:An error occurred \((?:${names})\) when calling |(?:${names}): )`);
}

/** The tool has yet to run, and its result comes as the answer to another request: revision 2025-11-25, and the extension of 2026-07-28. */
const isTask = (result: ReturnType<typeof asObject>): boolean =>
  result?.resultType === "task" ||
  (typeof asObject(result?.task)?.taskId === "string" && result?.content === undefined);

function failed(layer: "tool_error" | "protocol_error", said: Heard): Outcome {
  const reason = reasonFor(layer, said);
  return { class: layer, ...(reason !== undefined && { reason }), ...(said.code !== undefined && { code: said.code }) };
}

function reasonFor(layer: Layer, { code, lines }: Heard): OutcomeReason | undefined {
  return matchers.find(
    ({ on, says, ...row }) =>
      (on === undefined ? layer !== "cancelled" : on === layer) &&
      (row.code === undefined || row.code === code) &&
      (says === undefined || lines.some((line) => says.test(line))),
  )?.reason;
}

// What is heard of an error. From here on, text is of any size and shape.

/** What the table is matched on: the first line of what is said, bare of its wrappings, in each spelling found. */
interface Heard {
  code: number | undefined;
  readonly lines: string[];
}

/** Of a text, only this much is looked at; errors of 20 MB exist. */
const maxTextLength = 4096;
const maxLineLength = 1024;
/** Wrappings around a message, and messages in JSON in a message in JSON: more than was ever seen. */
const maxDepth = 4;

/** What SDKs put before a message. An embedded code is the one that the layer would have given. */
const wrapping = anyOf(
  /^MCP error (-?\d{1,9}): /,
  /^(?:[A-Z]\w{0,40})?(?:Error|Exception): /,
  /^Error (?:executing|calling|running) tool '?[\w./-]{1,128}'?: /,
  /^Tool '?[\w./-]{1,128}'? execution failed: /,
);

/** The spellings of "my upstream answered with this status", as libraries have them. */
const statusSpellings: readonly RegExp[] = [
  /(?:^|: |\()HTTP(?:\/[\d.]{1,3})?(?: error| status)?(?: code)?!?:? ?(?:status(?: code)?)?:? ?\(?([45]\d\d)\b/i,
  /(?:^|: |\()(?:Status|Error) code:? ([45]\d\d)\b/i, // OpenAI and Anthropic for Python
  /(?:^|: )Request failed with (?:HTTP )?status(?: code)? ([45]\d\d)\b/i, // axios
  /(?:^|: )(?:\w{1,30} ){0,3}(?:API|request) (?:error|failed|returned)(?: with)?(?: status)?:? ?\(?([45]\d\d)\b/i,
  /(?:^|: |(?:Client|Server) error ')([45]\d\d) (?:Client Error|Server Error)\b/, // requests
  /(?:^|: |(?:Client|Server) error ')(401 Unauthorized|403 Forbidden|404 Not Found|429 Too Many Requests)\b/i, // httpx
  /(?:^|: |(?:Client|Server) error ')(50\d) (?:Internal Server|Bad Gateway|Service Unavailable|Gateway Time-?out)\b/i,
];

function anyOf(...patterns: readonly RegExp[]): RegExp {
  return new RegExp(patterns.map(({ source }) => source).join("|"));
}

function silence(): Heard {
  return { code: undefined, lines: [] };
}

/** The text of an `isError` result is that of its first text block that says anything. */
function hearContent(content: unknown): Heard {
  const blocks = Array.isArray(content) ? content.slice(0, 16) : [];
  const texts = blocks.map((block) => asObject(block)?.text);
  return hear(
    silence(),
    texts.find((text) => typeof text === "string" && /\S/.test(text.slice(0, maxTextLength))),
  );
}

function hearError(error: unknown): Heard {
  const { code, message, data } = asObject(error) ?? {};
  const said = hear(silence(), message);
  hearJson(said, data, 1);
  // The layer's own code goes before one that its text repeats.
  if (Number.isSafeInteger(code)) said.code = code as number;
  return said;
}

function hear(said: Heard, text: unknown, depth = 0): Heard {
  if (typeof text !== "string") return said;
  let rest = text.slice(0, maxTextLength).trim();
  hearLine(said, rest);
  for (let layer = 0; layer < maxDepth; layer++) {
    const wrapped = wrapping.exec(rest);
    if (wrapped === null) break;
    if (wrapped[1] !== undefined) said.code ??= Number(wrapped[1]);
    rest = rest.slice(wrapped[0].length);
    hearLine(said, rest);
  }
  if (depth < maxDepth && /^[[{]/.test(rest)) hearJson(said, parsed(rest), depth + 1);
  return said;
}

function hearLine({ lines }: Heard, text: string): void {
  const line = (/^[^\r\n]*/.exec(text.slice(0, maxLineLength))?.[0] ?? "").trimEnd();
  lines.push(line);
  for (const spelling of statusSpellings) {
    const status = spelling.exec(line)?.[1];
    if (status !== undefined) lines.push(`HTTP ${status.slice(0, 3)}`);
  }
}

/** `{"error": "..."}`, `{"error": {"message": ...}}`, `{"status": 403, "message": ...}`, or a list of Zod's issues. */
function hearJson(said: Heard, value: unknown, depth: number): void {
  if (Array.isArray(value)) {
    const issue = asObject(value[0]);
    // Zod's message is its issues as JSON: a schema did not fit, and the first that a call meets is the tool's.
    if (Array.isArray(issue?.path) && typeof issue.code === "string") said.lines.push("Input validation error");
    return;
  }
  const object = asObject(value);
  for (const carrier of [object, asObject(object?.error)]) {
    if (carrier === undefined) continue;
    for (const status of [carrier.status, carrier.statusCode, carrier.status_code, carrier.code]) {
      if (Number.isInteger(status)) said.lines.push(`HTTP ${status}`);
    }
    for (const text of [carrier.error, carrier.message, carrier.detail]) hear(said, text, depth);
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // Cut short, or not JSON after all: then it is content.
  }
}

/** The exit status or the signal's name, where it is one. */
function isExit(code: unknown): code is number | string {
  return typeof code === "string" ? /^SIG[A-Z0-9]{1,16}$/.test(code) : Number.isSafeInteger(code);
}

function asObject(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : undefined;
}
