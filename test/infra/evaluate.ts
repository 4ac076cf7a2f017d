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
type Given = Partial<Pick<Program, "stage" | "env" | "changes" | "bundle">>;

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
export type Answer = Evaluation | { readonly error: string };

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
  given: Given,
  use: (evaluation: Evaluation, bundles: string) => T | Promise<T>,
): Promise<T> {
  return inWorkDirs([given], async ([workDir = ""], [evaluation]) => {
    if (evaluation === undefined || evaluation instanceof Error) throw evaluation;
    return use(evaluation, join(workDir, "bundles"));
  });
}

/** The same for many, in one process, one after the other, which takes each a third of the time. @returns in the same order, errors where they fail. */
export const evaluateEach = (given: readonly Given[]): Promise<readonly (Evaluation | Error)[]> =>
  inWorkDirs(given, async (_, evaluations) => evaluations);

async function inWorkDirs<T>(
  given: readonly Given[],
  use: (workDirs: readonly string[], evaluations: readonly (Evaluation | Error)[]) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "tooltrail-infra-"));
  try {
    const programs = given.map((one, i): Program => {
      const workDir = join(folder, String(i));
      const answer = join(workDir, "answer.json");
      return { stage: "production", env: {}, changes: [], bundle: false, ...one, workDir, answer };
    });
    const printed = await run(programs, folder);
    const evaluations = await Promise.all(programs.map(({ answer }) => evaluationIn(answer, printed)));
    return await use(
      programs.map(({ workDir }) => workDir),
      evaluations,
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function evaluationIn(file: string, printed: string): Promise<Evaluation | Error> {
  const failed = (why: string): Error => new Error(`The stack could not be evaluated.\n${why}`);
  if (!existsSync(file)) return failed(printed);
  const answer = JSON.parse(await readFile(file, "utf8")) as Answer;
  return "error" in answer ? failed(answer.error) : answer;
}

/** @returns what the process printed; it may have ended before it was through. */
async function run(programs: readonly Program[], home: string): Promise<string> {
  const child = spawn(process.execPath, ["--no-warnings", join(import.meta.dirname, "program.ts")], {
    cwd: root,
    stdio: ["pipe", "pipe", "pipe"],
    timeout: 100_000 + programs.length * 5_000 + (programs.some(({ bundle }) => bundle) ? 200_000 : 0),
    env: { PATH: process.env.PATH, HOME: home },
  });
  const printed: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => printed.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => printed.push(chunk));
  child.stdin.end(JSON.stringify(programs));
  const code = await new Promise((resolve, reject) => child.on("error", reject).on("close", resolve));
  return `${code === null ? "It took too long.\n" : ""}${Buffer.concat(printed).toString("utf8")}`;
}
