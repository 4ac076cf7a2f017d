import { readFileSync } from "node:fs";

const lookEveryMs = 500;

/**
 * Tells once that the client is gone without a word (kill -9), from the kernel giving us another parent.
 *
 * `npx` and its shell stand between the client and us, and outlive it: there its parent counts as well. Who that is only Linux tells
 * cheaply; elsewhere only our own parent is watched.
 *
 * @returns how to stop looking.
 */
export function whenParentIsGone(act: () => void): () => void {
  const parent = process.ppid;
  const npm = npmAbove(parent);
  const timer = setInterval(() => {
    if (process.ppid === parent && (npm === undefined || look(npm.pid)?.parent === npm.parent)) return;
    clearInterval(timer);
    act();
  }, lookEveryMs).unref();
  return () => clearInterval(timer);
}

interface Process {
  readonly pid: number;
  readonly name: string;
  readonly parent: number;
}

/** npm names itself after its command, and starts ours in a shell, which may have made way for us. */
function npmAbove(pid: number): Process | undefined {
  const parent = look(pid);
  const found = parent?.name.endsWith("sh") ? look(parent.parent) : parent;
  return found?.name.startsWith("npm ") ? found : undefined;
}

function look(pid: number): Process | undefined {
  try {
    const [, name = "", parent] = /\((.*)\) \S (\d+)/s.exec(readFileSync(`/proc/${pid}/stat`, "utf8")) ?? [];
    return { pid, name, parent: Number(parent) };
  } catch {
    return undefined;
  }
}
