import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dirname, "../..");

/** A text of a stack's file, there exactly once, and what a test puts in its place. */
export interface Change {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export interface Program {
  readonly stage: string;
  readonly env: { readonly [name: string]: string };
  readonly changes: readonly Change[];
  /** Whether functions are bundled for real. */
  readonly bundle: boolean;
  readonly workDir: string;
  readonly answer: string;
}

/** A resource as AWS would be asked for it. */
export interface Resource {
  readonly type: string;
  readonly name: string;
  // biome-ignore lint/suspicious/noExplicitAny: inputs of some forty types, of which a rule reads a field or two
  readonly inputs: { readonly [name: string]: any };
  readonly arn: string;
  readonly options: {
    readonly protect?: boolean;
    readonly retainOnDelete?: boolean;
    readonly ignoreChanges?: string[];
  };
}

export interface Evaluation {
  readonly app: { readonly name: string; readonly removal: string; readonly protect: boolean };
  readonly resources: readonly Resource[];
  readonly outputs: { readonly [name: string]: unknown };
}

/** Whether SST's component sources are there, of the version that is installed. */
export function sstIsThere(): boolean {
  const platform = join(root, ".sst/platform");
  if (!existsSync(join(platform, "node_modules/@pulumi/aws"))) return false;
  const { version } = JSON.parse(readFileSync(join(root, "node_modules/sst/package.json"), "utf8"));
  return readFileSync(join(platform, "version"), "utf8").trim() === version;
}

/**
 * Evaluates sst.config.ts for a stage.
 *
 * @returns all resources, and where `bundle` is set, the folder with the functions as they would be uploaded, for `use` alone: it is removed after.
 * @throws Error with what the program printed, where it fails.
 */
export async function evaluate<T>(
  given: Partial<Pick<Program, "stage" | "env" | "changes" | "bundle">>,
  use: (evaluation: Evaluation, bundles: string) => T | Promise<T>,
): Promise<T> {
  const workDir = await mkdtemp(join(tmpdir(), "tooltrail-infra-"));
  try {
    const answer = join(workDir, "answer.json");
    const program: Program = { stage: "production", env: {}, changes: [], bundle: false, ...given, workDir, answer };
    await run(program);
    return await use(JSON.parse(await readFile(answer, "utf8")), join(workDir, "bundles"));
  } finally {
    await rm(workDir, { recursive: true, force: true });
  }
}

async function run(program: Program): Promise<void> {
  const child = spawn(process.execPath, ["--no-warnings", join(import.meta.dirname, "program.ts")], {
    cwd: root,
    stdio: ["pipe", "pipe", "pipe"],
    timeout: program.bundle ? 300_000 : 100_000,
    env: { PATH: process.env.PATH, HOME: program.workDir },
  });
  const printed: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => printed.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => printed.push(chunk));
  child.stdin.end(JSON.stringify(program));
  const code = await new Promise((resolve, reject) => child.on("error", reject).on("close", resolve));
  if (code === null) throw new Error("The stack could not be evaluated in time.");
  if (code !== 0) throw new Error(`The stack could not be evaluated.\n${Buffer.concat(printed).toString("utf8")}`);
}
