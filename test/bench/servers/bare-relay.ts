import { spawn } from "node:child_process";

/** `node bare-relay.ts COMMAND ...`: the least that a proxy in front of a stdio server can be. What it costs, no design like ours can save. */

const [command = "", ...args] = process.argv.slice(2);
const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
process.stdin.pipe(child.stdin);
child.stdout.pipe(process.stdout);
child.on("close", (code) => process.exit(code ?? 1));
