import { buildCommand, type CommandContext } from "@stricli/core";
import { loadKeys } from "@tooltrail/format/keys";
import { config } from "./config.ts";

interface ProxyFlags {
  readonly server?: string;
  readonly environment?: string;
  readonly intent?: readonly string[];
  readonly onSpoolFailure: "open" | "closed";
  readonly fsync: boolean;
}

const text = (brief: string, placeholder: string, max = 256) =>
  ({ kind: "parsed", parse: atMost(max), optional: true, brief, placeholder }) as const;

/** What a record would not take is refused here, not with every batch. */
const atMost = (max: number) => (value: string) => {
  if (value === "" || value.length > max) throw new Error(`"${value.slice(0, 40)}" has not 1 to ${max} characters`);
  return value;
};

export const proxyCommand = buildCommand<ProxyFlags, string[], CommandContext>({
  docs: {
    brief: "Audit a stdio MCP server",
    fullDescription: "Runs the command after --, passes its bytes on untouched, and exits as it does.",
  },
  parameters: {
    flags: {
      server: text("the server's id; else the name by which it introduces itself", "ID"),
      environment: text("the environment, such as production (TOOLTRAIL_ENVIRONMENT)", "NAME", 64),
      intent: {
        ...text("a tool whose calls are recorded before they go on, as destructive ones are", "TOOL"),
        variadic: true,
      },
      onSpoolFailure: {
        kind: "enum",
        values: ["open", "closed"],
        default: "open",
        brief: "when nothing can be recorded: let calls pass, or refuse destructive ones",
      },
      fsync: { kind: "boolean", default: false, brief: "survive power loss too, for a price on each call" },
    },
    positional: {
      kind: "array",
      minimum: 1,
      parameter: { parse: String, brief: "the server's command", placeholder: "CMD" },
    },
  },
  async func({ server, environment, intent, onSpoolFailure, fsync }, command, ...args) {
    const { spoolDir, digestKey, maxSpoolBytes, environment: fromEnv, ...where } = config();
    const named = environment ?? fromEnv;
    const { runProxy, busOf } = await import("@tooltrail/proxy");
    const exit = await runProxy({
      command: command ?? "",
      args,
      spoolDir,
      keys: () => loadKeys(spoolDir, digestKey),
      putEvents: busOf(where),
      ...(server && { serverId: server }),
      ...(named && { environment: named }),
      intentTools: new Set(intent),
      onSpoolFailure,
      fsync,
      maxSpoolBytes,
    }).catch(cannotStart);
    // Ending as the server ended is the proxy's whole duty: by the same signal, or with the same code.
    if ("signal" in exit) process.kill(process.pid, exit.signal);
    process.exit("code" in exit ? exit.code : 1);
  },
});

/** As a shell does: 127 for a command that is not there, 126 for one that may not be run. */
function cannotStart(error: NodeJS.ErrnoException): { code: number } {
  if (!error.syscall?.startsWith("spawn")) throw error;
  process.stderr.write(`tooltrail: ${error.path ?? "the server"} cannot be started: ${error.code}\n`);
  return { code: error.code === "ENOENT" ? 127 : 126 };
}
