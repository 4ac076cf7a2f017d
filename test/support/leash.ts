import { spawn } from "node:child_process";

/** Runs a program that would outlive whoever started it: it ends with our standard input, hence also when our parent is killed. */
const [program = "", ...args] = process.argv.slice(2);
const child = spawn(program, args, { stdio: ["ignore", "inherit", "inherit"] });
child.on("error", () => process.exit(127));
child.on("exit", (code) => process.exit(code ?? 1));
process.stdin.on("close", () => child.kill("SIGKILL")).resume();
