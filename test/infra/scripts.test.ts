import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");

/** What AWS answers: by the first two words of a command, each its answers in turn, the last one again and again. A text is an error. */
type Answers = { readonly [command: string]: readonly unknown[] };

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tooltrail-scripts-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Runs a script with an `aws` that writes down what it is asked and answers as told. */
async function run(script: string, args: readonly string[], answers: Answers) {
  const log = join(folder, "asked");
  await writeFile(join(folder, "answers.json"), JSON.stringify(answers));
  await writeFile(log, "");
  await writeFile(join(folder, "aws"), `#!${process.execPath}\n${fakeAws}`, { mode: 0o755 });
  const child = spawn(process.execPath, [join(root, `stacks/scripts/${script}.ts`), ...args], {
    env: {
      ...process.env,
      PATH: `${folder}${delimiter}${process.env.PATH}`,
      ASKED: log,
      ANSWERS: join(folder, "answers.json"),
    },
  });
  let said = "";
  child.stderr.on("data", (chunk) => {
    said += chunk;
  });
  const code = await new Promise((resolve) => child.on("close", resolve));
  const asked = (await readFile(log, "utf8"))
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Asked);
  return { code, said, asked, of: (command: string) => asked.filter((one) => one.args.join(" ").startsWith(command)) };
}

interface Asked {
  readonly args: string[];
  /** Of `--cli-input-json`. */
  readonly input?: { readonly [member: string]: unknown };
}

const fakeAws = `
const { appendFileSync, readFileSync } = require("node:fs");
const args = process.argv.slice(2);
const file = args[args.indexOf("--cli-input-json") + 1];
const input = args.includes("--cli-input-json") ? JSON.parse(readFileSync(file.slice("file://".length), "utf8")) : undefined;
const command = args.slice(0, 2).join(" ");
const before = readFileSync(process.env.ASKED, "utf8").split("\\n").filter(Boolean)
  .filter((line) => JSON.parse(line).args.slice(0, 2).join(" ") === command).length;
appendFileSync(process.env.ASKED, JSON.stringify({ args, input }) + "\\n");
const answers = JSON.parse(readFileSync(process.env.ANSWERS, "utf8"))[command] ?? ["unexpected: " + args.join(" ")];
const answer = answers[Math.min(before, answers.length - 1)];
if (typeof answer === "string") { process.stderr.write(answer); process.exit(254); }
if (answer !== null) process.stdout.write(JSON.stringify(answer));
`;

const versions = {
  Versions: [
    { Version: "$LATEST", Description: "release c3" },
    { Version: "9", Description: "release a1" },
    { Version: "10", Description: "release b2" },
    { Version: "11", Description: "release c3" },
  ],
};
const live = { "lambda get-alias": [{ FunctionVersion: "10" }], "lambda list-versions-by-function": [versions] };

describe("release", () => {
  test("moves every function from the live version to the newest, a tenth of its calls first", async () => {
    const { code, said, of } = await run("release", ["--stage", "production"], {
      ...live,
      "deploy create-deployment": [{ deploymentId: "d-1" }],
      "deploy wait": [null],
    });
    expect(code).toBe(0);
    expect(said).toContain("tooltrail-ingest: version 11 is live.");
    const created = of("deploy create-deployment").map(({ args }) => args);
    expect(created.map((args) => args[args.indexOf("--deployment-group-name") + 1]).sort()).toEqual([
      "api",
      "evaluate",
      "follow",
      "incidents",
      "ingest",
      "reconcile",
      "respond",
      "sequence",
      "sign",
      "triage",
      "watch",
    ]);
    expect(created[0]?.[created[0].indexOf("--application-name") + 1]).toBe("tooltrail");
    const specs = created.map((args) =>
      JSON.parse(JSON.parse(args[args.indexOf("--revision") + 1] ?? "").appSpecContent.content),
    );
    expect(specs.find(({ Resources }) => Resources[0].watch)).toEqual({
      version: 0,
      Resources: [
        {
          watch: {
            Type: "AWS::Lambda::Function",
            Properties: { Name: "tooltrail-watch", Alias: "live", CurrentVersion: "10", TargetVersion: "11" },
          },
        },
      ],
    });
    expect(of("lambda update-alias")).toEqual([]);
  });

  test("says no where CodeDeploy went back", async () => {
    const failed = { deploymentInfo: { status: "Stopped", errorInformation: { message: "An alarm rang." } } };
    const { code, said } = await run("release", ["--stage", "staging"], {
      ...live,
      "deploy create-deployment": [{ deploymentId: "d-1" }],
      "deploy wait": ["Waiter DeploymentSuccessful failed"],
      "deploy get-deployment": [failed],
    });
    expect(code).toBe(1);
    expect(said).toContain("tooltrail-staging-api: back to version 10. An alarm rang.");
  });

  test("could not tell where waiting failed and the deployment goes on", async () => {
    const { code } = await run("release", ["--stage", "production"], {
      ...live,
      "deploy create-deployment": [{ deploymentId: "d-1" }],
      "deploy wait": ["Waiter encountered a terminal failure: token expired"],
      "deploy get-deployment": [{ deploymentInfo: { status: "InProgress" } }],
    });
    expect(code).toBe(2);
  });

  test("goes back at once, to the release that is named", async () => {
    const { code, of } = await run("release", ["--stage", "production", "--to", "a1", "--at-once"], {
      ...live,
      "deploy list-deployments": [{ deployments: [] }],
      "lambda update-alias": [{}],
    });
    expect(code).toBe(0);
    const moved = of("lambda update-alias").map(({ args }) => args.join(" "));
    expect(moved).toHaveLength(11);
    expect(moved[0]).toContain('--name live --function-version 9 --routing-config {"AdditionalVersionWeights":{}}');
    expect(of("deploy").map(({ args }) => args[1])).toEqual(Array(11).fill("list-deployments"));
  });

  // As CodeDeploy leaves an alias during a canary: the former version, and a weight for the new one.
  const canary = {
    ...live,
    "lambda get-alias": [{ FunctionVersion: "10", RoutingConfig: { AdditionalVersionWeights: { "11": 0.1 } } }],
    "lambda update-alias": [{}],
  };
  const stopping = {
    ...canary,
    "deploy list-deployments": [{ deployments: ["d-7"] }],
    "deploy stop-deployment": [{ status: "Pending" }],
  };
  const inStatus = (status: string) => ({ deploymentInfo: { status } });

  test("goes back at once in the middle of a canary, after CodeDeploy was stopped", async () => {
    const { code, said, asked, of } = await run("release", ["--stage", "production", "--to", "b2", "--at-once"], {
      ...stopping,
      "deploy get-deployment": [inStatus("InProgress"), inStatus("Stopped")],
    });
    expect(code).toBe(0);
    expect(said).toContain("tooltrail-api: from version 10 and 11 to 10, all calls.");
    const [listed] = of("deploy list-deployments").map(({ args }) => args.join(" "));
    expect(listed).toMatch(
      /--application-name tooltrail --deployment-group-name \w+ --include-only-statuses Created Queued InProgress Baking Ready /,
    );
    for (const { args } of of("deploy stop-deployment"))
      expect(args.join(" ")).toMatch(/d-7 --no-auto-rollback-enabled/);
    const moved = of("lambda update-alias").map(({ args }) => args.join(" "));
    expect(moved).toHaveLength(11);
    for (const one of moved)
      expect(one).toContain('--function-version 10 --routing-config {"AdditionalVersionWeights":{}}');
    const steps = asked.map(({ args }) => args[1]);
    expect(steps.indexOf("update-alias")).toBeGreaterThan(steps.indexOf("get-deployment"));
  });

  test("goes back at once where a canary was stopped and left", async () => {
    const { code, of } = await run("release", ["--stage", "production", "--to", "b2", "--at-once"], {
      ...canary,
      "deploy list-deployments": [{ deployments: [] }],
    });
    expect([code, of("lambda update-alias").length]).toEqual([0, 11]);
  });

  test("a deployment that ends while it is stopped is stopped", async () => {
    const { code, of } = await run("release", ["--stage", "production", "--to", "b2", "--at-once"], {
      ...stopping,
      "deploy stop-deployment": ["DeploymentAlreadyCompletedException"],
      "deploy get-deployment": [inStatus("Succeeded")],
    });
    expect([code, of("lambda update-alias").length]).toEqual([0, 11]);
  });

  test("moves the calls even where CodeDeploy cannot be stopped, and says so", async () => {
    const { code, said, of } = await run("release", ["--stage", "production", "--to", "b2", "--at-once"], {
      ...stopping,
      "deploy stop-deployment": ["AccessDenied"],
      "deploy get-deployment": [inStatus("InProgress")],
    });
    expect([code, of("lambda update-alias").length]).toEqual([2, 11]);
    expect(said).toContain("tooltrail: aws deploy stop-deployment: AccessDenied");
  });

  test.each([["b2"], ["c3"]])("begins nothing in the middle of a canary (to %s)", async (to) => {
    const { code, said, of } = await run("release", ["--stage", "production", "--to", to], canary);
    expect(code).toBe(2);
    expect(said).toContain("version 10 shares its calls with 11");
    expect([...of("deploy"), ...of("lambda update-alias")]).toEqual([]);
  });

  test("moves nothing where a function has no version of the release", async () => {
    const { code, said, of } = await run("release", ["--stage", "production", "--to", "z9", "--at-once"], live);
    expect(code).toBe(2);
    expect(said).toContain("has no version of release z9. The newest are 11 (release c3), 10 (release b2)");
    expect(of("lambda update-alias")).toEqual([]);
  });

  test("does nothing where everything is live already", async () => {
    const { code, said, of } = await run("release", ["--stage", "production", "--to", "b2"], live);
    expect(code).toBe(0);
    expect(said).toContain("tooltrail-watch: version 10 is live already.");
    expect(of("deploy")).toEqual([]);
  });

  test.each([[[]], [["--stage"]], [["--stage", "production", "--fast"]]])("%j is no way to call it", async (args) => {
    const { code, said } = await run("release", args, {});
    expect([code, said.includes("Usage: npm run release")]).toEqual([64, true]);
  });
});

describe("redrive", () => {
  const urlOf = (name: string) => ({ QueueUrl: `https://sqs/${name}` });
  const queues = { "sqs get-queue-url": ["bus-dead", "ingest", "triage-bus-dead", "triage"].map(urlOf) };
  const message = (id: string) => ({ MessageId: id, ReceiptHandle: `r-${id}`, Body: `{"id":"${id}"}` });

  test("sends each message of each rule to the queue it was for, and deletes it only then", async () => {
    const { code, said, asked, of } = await run("redrive", ["--stage", "production"], {
      ...queues,
      "sqs receive-message": [
        { Messages: [message("a"), message("b")] },
        { Messages: [message("c")] },
        null,
        { Messages: [message("d")] },
        null,
      ],
      "sqs send-message": [{}],
      "sqs delete-message": [null],
    });
    expect([code, said]).toEqual([0, "tooltrail-ingest: 3 messages moved.\ntooltrail-triage: 1 messages moved.\n"]);
    const named = of("sqs get-queue-url").map(({ args }) => args[args.indexOf("--queue-name") + 1]);
    expect(named).toEqual(["tooltrail-bus-dead", "tooltrail-ingest", "tooltrail-triage-bus-dead", "tooltrail-triage"]);
    const steps = asked.filter(({ args }) => /send|delete/.test(args[1] ?? ""));
    expect(steps.map(({ args, input }) => input?.MessageBody ?? args[args.indexOf("--receipt-handle") + 1])).toEqual(
      ["a", "b", "c", "d"].flatMap((id) => [`{"id":"${id}"}`, `r-${id}`]),
    );
    expect(of("sqs send-message").map(({ input }) => input?.QueueUrl)).toEqual(
      ["ingest", "ingest", "ingest", "triage"].map((name) => `https://sqs/${name}`),
    );
    expect(of("sqs delete-message").map(({ args }) => args[args.indexOf("--queue-url") + 1])).toEqual(
      ["bus-dead", "bus-dead", "bus-dead", "triage-bus-dead"].map((name) => `https://sqs/${name}`),
    );
  });

  test("deletes nothing that was not sent", async () => {
    const { code, said, of } = await run("redrive", ["--stage", "production"], {
      ...queues,
      "sqs receive-message": [{ Messages: [message("a")] }],
      "sqs send-message": ["AccessDenied"],
    });
    expect([code, of("sqs delete-message")]).toEqual([2, []]);
    expect(said).toBe("tooltrail-ingest: 0 messages moved.\ntooltrail: aws sqs send-message: AccessDenied\n");
  });
});
