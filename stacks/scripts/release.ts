import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { stageConfig } from "../config.ts";
import { aws, Misused, runScript } from "./aws.ts";

/**
 * Moves a stage's functions to the version that was deployed last, or with `--to` to that of another release: by CodeDeploy, a tenth of the
 * calls for ten minutes first, and back by itself when an alarm rings; `--at-once` without either, for the way back, also in the middle of that.
 *
 * All versions are looked up before anything moves. Killed, CodeDeploy goes on by itself; twice, the second is refused. `--at-once` can be
 * done again at any time.
 */

const usage = "Usage: npm run release -- --stage STAGE [--to RELEASE] [--at-once]";

const functions = [
  ...["ingest", "api", "watch", "sequence", "reconcile", "sign", "follow", "evaluate"],
  ...["triage", "respond", "incidents"],
];

interface Move {
  readonly name: string;
  readonly fn: string;
  readonly from: string;
  /** Gets a part of the calls of `from`: a canary, or what is left of one that was stopped. */
  readonly canary: string | undefined;
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
  const shared = found.find(({ canary }) => canary !== undefined);
  if (shared !== undefined && !values["at-once"])
    throw new Error(
      `${shared.fn}: version ${shared.from} shares its calls with ${shared.canary}: a release is under way, or was stopped. Wait for it, or use --at-once.`,
    );
  // Even where the alias says what it should: CodeDeploy may be about to change it.
  const ends = await Promise.all(found.map((move) => (values["at-once"] ? moveNow : moveSlowly)(prefix, move)));
  return ends.every(Boolean) ? 0 : 1;
}

/** @throws Error where the release was never deployed; it names those that were. */
async function findMove(name: string, fn: string, release: string | undefined): Promise<Move> {
  const alias = (await aws("lambda", "get-alias", "--function-name", fn, "--name", "live")) as {
    FunctionVersion: string;
    RoutingConfig?: { AdditionalVersionWeights?: { [version: string]: number } };
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
  const [canary] = Object.keys(alias.RoutingConfig?.AdditionalVersionWeights ?? {});
  return { name, fn, from: alias.FunctionVersion, canary, to: chosen.Version };
}

/** @throws Error where CodeDeploy cannot be stopped; calls have moved even so, and may move again. */
async function moveNow(prefix: string, { name, fn, from, canary, to }: Move): Promise<boolean> {
  try {
    await stopDeployments(prefix, name);
  } finally {
    const routing = ["--routing-config", '{"AdditionalVersionWeights":{}}'];
    await aws("lambda", "update-alias", "--function-name", fn, "--name", "live", "--function-version", to, ...routing);
    say(`${fn}: from version ${[from, canary].filter(Boolean).join(" and ")} to ${to}, all calls.`);
  }
  return true;
}

/** Ends what CodeDeploy has under way for a function, and leaves the alias as it is: going back by itself, CodeDeploy would set it after us. */
async function stopDeployments(prefix: string, group: string): Promise<void> {
  const of = ["--application-name", prefix, "--deployment-group-name", group];
  const { deployments } = (await aws("deploy", "list-deployments", ...of, "--include-only-statuses", ...underWay)) as {
    deployments: string[];
  };
  for (const id of deployments) {
    const stop = aws("deploy", "stop-deployment", "--deployment-id", id, "--no-auto-rollback-enabled");
    const refused = await stop.then(
      () => undefined,
      (error: Error) => error,
    );
    for (let tries = 1; underWay.includes((await deployment(id)).status); tries += 1) {
      // Where it has ended by itself in between, refusing was right.
      if (refused !== undefined) throw refused;
      if (tries === stopTries)
        throw new Error(`CodeDeploy does not stop ${id}. Calls may move again: see to it, then repeat this.`);
      await sleep(1_000);
    }
    say(`${group}: stopped ${id}.`);
  }
}

const underWay = ["Created", "Queued", "InProgress", "Baking", "Ready"];
const stopTries = 60;

async function deployment(id: string): Promise<{ status: string; errorInformation?: { message?: string } }> {
  const { deploymentInfo } = (await aws("deploy", "get-deployment", "--deployment-id", id)) as {
    deploymentInfo: { status: string; errorInformation?: { message?: string } };
  };
  return deploymentInfo;
}

async function moveSlowly(prefix: string, { name, fn, from, to }: Move): Promise<boolean> {
  if (from === to) {
    say(`${fn}: version ${from} is live already.`);
    return true;
  }
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
    const { status, errorInformation } = await deployment(deploymentId);
    // It may be that waiting failed, and nothing else.
    if (status !== "Failed" && status !== "Stopped") throw error;
    say(`${fn}: back to version ${from}. ${errorInformation?.message ?? status}`);
    return false;
  }
}

const say = (line: string): void => void process.stderr.write(`${line}\n`);

runScript(main, usage);
