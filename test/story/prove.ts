import { spawn } from "node:child_process";
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { node, root } from "../support/pipeline.ts";
import type { Stage } from "./stage.ts";

/** What of a postmortem holds without the pipeline, and without believing it. */
export interface Proven {
  readonly receipts: number;
  readonly contractTests: readonly ContractTest[];
}

/** How `node --test` ends with it, by version of the server. */
export interface ContractTest {
  readonly file: string;
  readonly broken: number;
  readonly fixed: number;
}

interface Written {
  readonly files: readonly string[];
  readonly without: readonly string[];
}

/** The log's public key, as auditors are given it in the beginning; undefined before anything is signed. */
export async function askForKey({ place }: Stage): Promise<string | undefined> {
  const answer = await fetch(`${place.endpoint}/log/vkey`);
  return answer.ok ? (await answer.text()).trim() : undefined;
}

/** Takes receipts and contract tests away, as an auditor and a developer would. */
export async function takeAway({ person, place }: Stage, id: string) {
  const to = (what: "receipts" | "tests") =>
    person.json<Written>("postmortem", what, id, "--out", join(place.dir, what), "--force");
  const [receipts, tests] = [await to("receipts"), await to("tests")];
  return { receipts: receipts.files, tests: tests.files };
}

/** The pipeline is to be stopped: receipts must hold without it. @throws Error for one that does not. */
export async function verifyReceipts({ person }: Stage, files: readonly string[], vkey: string): Promise<void> {
  if (files.length === 0) throw new Error("There are no receipts.");
  for (const file of files) {
    const { code, stderr } = await person.try("verify", "--receipt", file, "--vkey", vkey);
    if (code !== 0) throw new Error(`${file} does not verify (${code}): ${stderr}`);
  }
}

/** In a folder with the SDK, as a server's own repository has it. */
export async function runContractTests({ place }: Stage, files: readonly string[]): Promise<ContractTest[]> {
  symlinkSync(join(root, "node_modules"), join(place.dir, "node_modules"));
  const results: ContractTest[] = [];
  for (const file of files) {
    const run = (version: string): Promise<number> => runTest(file, place.serverCommand(version));
    results.push({ file: file.split("/").at(-1) ?? "", broken: await run("2.0.0"), fixed: await run("2.0.1") });
  }
  return results;
}

async function runTest(file: string, serverCommand: readonly string[]): Promise<number> {
  const child = spawn(node, ["--test", file], {
    env: { PATH: process.env.PATH, MCP_SERVER_COMMAND: JSON.stringify(serverCommand) },
    stdio: ["ignore", "pipe", "ignore"],
    timeout: 120_000,
  });
  const [code] = await Promise.all([
    new Promise<number>((resolve) => child.on("exit", (status) => resolve(status ?? -1))),
    text(child.stdout),
  ]);
  return code;
}
