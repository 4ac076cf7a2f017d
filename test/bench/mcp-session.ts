import { type Started, start, within } from "../chaos/processes.ts";
import { stop } from "./processes.ts";

/** A client of a stdio MCP server that adds as little as it can to what it measures. */
export interface McpSession {
  readonly pid: number;
  request(method: string, params: object): Promise<unknown>;
  /** `callers` at once, each sending its next call when the last one is answered, `calls` altogether. Arguments are distinct. */
  call(callers: number, calls: number): Promise<Calls>;
  /** Hangs up, and waits until the server has ended. */
  end(): Promise<void>;
}

export interface Calls {
  readonly latenciesUs: Float64Array;
  readonly seconds: number;
}

/** Starts `node ARGS` and introduces itself. @param stderr what becomes of what the server says there. */
export async function openMcpSession(
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
  stderr: "inherit" | "ignore" = "inherit",
): Promise<McpSession> {
  const server: Started = start(args, { env, stdio: ["pipe", "pipe", stderr] });
  const { stdin, stdout } = server.child;
  if (!stdin || !stdout) throw new Error("The server has no pipes.");
  const waiting = new Map<number, (answer: { result?: unknown; error?: unknown }) => void>();
  let lastId = 0;
  let rest = "";

  stdout.setEncoding("utf8").on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const answer = JSON.parse(line) as { id?: number; result?: unknown; error?: unknown };
      const resolve = waiting.get(answer.id ?? -1);
      waiting.delete(answer.id ?? -1);
      resolve?.(answer);
    }
  });
  const gone = new Promise<never>((_, reject) => {
    void server.ended.then(({ code, signal }) => reject(new Error(`${args.join(" ")} ended: ${code ?? signal}.`)));
  });
  gone.catch(() => undefined); // somebody may be waiting for it, or nobody

  function send(
    method: string,
    params: object,
    resolve: (answer: { result?: unknown; error?: unknown }) => void,
  ): void {
    lastId += 1;
    waiting.set(lastId, resolve);
    stdin?.write(`${JSON.stringify({ jsonrpc: "2.0", id: lastId, method, params })}\n`);
  }

  const request = (method: string, params: object): Promise<unknown> =>
    Promise.race([gone, new Promise((resolve) => send(method, params, resolve))]);

  const burst = (callers: number, calls: number): Promise<Calls> =>
    new Promise((resolve, reject) => {
      const latenciesUs = new Float64Array(calls);
      let sent = 0;
      let answered = 0;
      const began = performance.now();
      const next = (): void => {
        if (sent >= calls) return;
        sent += 1;
        const text = `${lastId} of one who asks the same of all: what does it cost to have this said back?`;
        const sentAt = performance.now();
        send("tools/call", { name: "echo", arguments: { n: lastId, text } }, ({ error }) => {
          if (error !== undefined) return reject(new Error(`A call failed: ${JSON.stringify(error)}`));
          latenciesUs[answered] = (performance.now() - sentAt) * 1_000;
          answered += 1;
          if (answered < calls) next();
          else resolve({ latenciesUs, seconds: (performance.now() - began) / 1_000 });
        });
      };
      for (let caller = 0; caller < callers; caller += 1) next();
    });

  const clientInfo = { name: "bench", version: "1.0.0" };
  await request("initialize", { protocolVersion: "2025-11-25", capabilities: {}, clientInfo });
  stdin.write(`${JSON.stringify({ jsonrpc: "2.0", method: "notifications/initialized" })}\n`);
  await request("tools/list", {});

  return {
    pid: server.pid,
    request,
    call: (callers, calls) => Promise.race([gone, burst(callers, calls)]),
    async end() {
      stdin.end();
      if (!(await within(5_000, server.ended))) await stop(server);
    },
  };
}
