import { parseArgs } from "node:util";
import { stageConfig } from "../config.ts";
import { aws, Misused, runScript } from "./aws.ts";

/**
 * Moves a stage's functions to the version that was deployed last, or with `--to` to that of another release: by CodeDeploy, a tenth of the
 * calls for ten minutes first, and back by itself when an alarm rings; `--at-once` without either, for the way back.
 *
 * All versions are looked up before anything moves. Killed, CodeDeploy goes on by itself; twice, it refuses the second.
 */

const usage = "Usage: npm run release -- --stage STAGE [--to RELEASE] [--at-once]";

const functions = ["ingest", "api", "watch"];

interface Move {
  readonly name: string;
  readonly fn: string;
  readonly from: string;
  readonly to: string;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { stage: { type: "string" }, to: { type: "string" }, "at-once": { type: "boolean" } },
  });
  const { stage, to } = values;
  if (stage === undefined) throw new Misused("--stage is missing.");
  const prefix = stageConfig(stage, {}).name;
  const found = await Promise.all(functions.map((name) => findMove(name, `${prefix}-${name}`, to)));
  const moves = found.filter((move) => move.from !== move.to);
  for (const { fn, from } of found.filter((move) => !moves.includes(move)))
    say(`${fn}: version ${from} is live already.`);

  const ends = await Promise.all(moves.map((move) => (values["at-once"] ? moveNow(move) : moveSlowly(prefix, move))));
  return ends.every(Boolean) ? 0 : 1;
}

/** @throws Error where the release was never deployed; it names those that were. */
async function findMove(name: string, fn: string, release: string | undefined): Promise<Move> {
  const alias = (await aws("lambda", "get-alias", "--function-name", fn, "--name", "live")) as {
    FunctionVersion: string;
  };
  const { Versions } = (await aws("lambda", "list-versions-by-function", "--function-name", fn)) as {
    Versions: { Version: string; Description?: string }[];
  };
  const newestFirst = Versions.filter(({ Version }) => Version !== "$LATEST").sort(
    (a, b) => Number(b.Version) - Number(a.Version),
  );
  const chosen = newestFirst.find(({ Description }) => release === undefined || Description === `release ${release}`);
  if (chosen === undefined) {
    const known = newestFirst.slice(0, 10).map(({ Version, Description }) => `${Version} (${Description ?? ""})`);
    throw new Error(`${fn} has no version of release ${release}. The newest are ${known.join(", ")}.`);
  }
  return { name, fn, from: alias.FunctionVersion, to: chosen.Version };
}

async function moveNow({ fn, from, to }: Move): Promise<boolean> {
  const routing = ["--routing-config", '{"AdditionalVersionWeights":{}}'];
  await aws("lambda", "update-alias", "--function-name", fn, "--name", "live", "--function-version", to, ...routing);
  say(`${fn}: from version ${from} to ${to}, all calls.`);
  return true;
}

async function moveSlowly(prefix: string, { name, fn, from, to }: Move): Promise<boolean> {
  const content = JSON.stringify({
    version: 0.0,
    Resources: [
      {
        [name]: {
          Type: "AWS::Lambda::Function",
          Properties: { Name: fn, Alias: "live", CurrentVersion: from, TargetVersion: to },
        },
      },
    ],
  });
  const { deploymentId } = (await aws(
    "deploy",
    "create-deployment",
    "--application-name",
    prefix,
    "--deployment-group-name",
    name,
    "--revision",
    JSON.stringify({ revisionType: "AppSpecContent", appSpecContent: { content } }),
  )) as { deploymentId: string };
  say(`${fn}: from version ${from} to ${to}, a tenth of the calls for ten minutes (${deploymentId}).`);
  try {
    await aws("deploy", "wait", "deployment-successful", "--deployment-id", deploymentId);
    say(`${fn}: version ${to} is live.`);
    return true;
  } catch (error) {
    const { deploymentInfo } = (await aws("deploy", "get-deployment", "--deployment-id", deploymentId)) as {
      deploymentInfo: { status: string; errorInformation?: { message?: string } };
    };
    // It may be that waiting failed, and nothing else.
    if (deploymentInfo.status !== "Failed" && deploymentInfo.status !== "Stopped") throw error;
    say(`${fn}: back to version ${from}. ${deploymentInfo.errorInformation?.message ?? deploymentInfo.status}`);
    return false;
  }
}

const say = (line: string): void => void process.stderr.write(`${line}\n`);

runScript(main, usage);
