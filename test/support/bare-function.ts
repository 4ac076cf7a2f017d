import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

/** A bundled function in a process of its own, with nothing in its environment but what it was given. */
export interface BareFunction {
  /** @throws Error, where the function threw. */
  invoke(event: unknown): Promise<unknown>;
  /** All that it has written to stdout and stderr. */
  said(): string;
  stop(): Promise<void>;
}

/** @throws Error with what it said, where it ends before it is ready. */
export async function startFunction(bundle: string, env: NodeJS.ProcessEnv): Promise<BareFunction> {
  let said = "";
  const child: ChildProcess = fork(join(import.meta.dirname, "invoke.ts"), [bundle], {
    env,
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  for (const stream of [child.stdout, child.stderr])
    stream?.on("data", (chunk) => {
      said += chunk;
    });
  const closed = once(child, "close");
  const next = async (): Promise<unknown> => {
    const [message] = await Promise.race([once(child, "message"), closed.then(() => [undefined])]);
    if (message === undefined) throw new Error(`The function ended: ${said.slice(-4_000)}`);
    return message;
  };
  await next();
  return {
    async invoke(event) {
      child.send(event as object);
      const { value, error } = (await next()) as { value?: unknown; error?: string };
      if (error !== undefined) throw new Error(error);
      return value;
    },
    said: () => said,
    async stop() {
      child.kill("SIGKILL");
      await closed;
    },
  };
}
