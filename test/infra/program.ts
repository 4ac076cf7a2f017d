import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { pathToFileURL } from "node:url";
import { type BuildOptions, build, type Plugin } from "esbuild";
import type { Answer, Program, Resource } from "./evaluate.ts";

/**
 * Runs sst.config.ts as SST does, with its real components, and Pulumi's own mocks in the place of AWS: every resource comes out with the
 * inputs that AWS would get. A process of its own, since Pulumi's state and SST's are global. Takes a list of `Program`s on stdin, evaluates one after the other, and writes an
 * `Answer` to the file that each names.
 *
 * Each has our files and SST's components anew, and begins when nothing of the one before is under way any more; loading Pulumi and AWS's resources, which takes most of the time, is done once for all.
 */

const root = join(import.meta.dirname, "../..");
const platform = join(root, ".sst/platform");
const require = createRequire(join(platform, "package.json"));

const account = "111122223333";
const region = "eu-central-1";

type Inputs = { [name: string]: unknown };

/** What we use of Pulumi, whose types are not there on a clean clone. */
interface Pulumi {
  readonly runtime: {
    setMocks(mocks: object, project: string, stack: string, preview: boolean): Promise<void>;
    runInPulumiStack(program: () => Promise<unknown>): Promise<unknown>;
  };
}

interface Registration {
  getType(): string;
  getName(): string;
  getProtect(): boolean;
  getRetainondelete(): boolean;
  getIgnorechangesList(): string[];
}

/** The one that is being evaluated, and what it has made so far. */
let program: Program;
let resources: Resource[];

async function main(): Promise<void> {
  const programs = JSON.parse(await text(process.stdin)) as Program[];
  process.env.SST_SERVER = await serve();
  recordOptions();
  for (const one of programs) {
    program = one;
    resources = [];
    const answer = await evaluate().catch((error: Error): Answer => ({ error: String(error.stack) }));
    // Resources inside `apply` come later. When nothing is under way any more, all of them are there.
    await new Promise((resolve) => process.once("beforeExit", resolve));
    for (const name of Object.keys(program.env)) delete process.env[name];
    writeFileSync(program.answer, JSON.stringify(answer));
  }
}

async function evaluate(): Promise<Answer> {
  await mkdir(program.workDir, { recursive: true });
  const pulumi = require("@pulumi/pulumi") as Pulumi;
  await pulumi.runtime.setMocks({ newResource, call }, "tooltrail", program.stage, false);

  const { run, config } = await bundleConfig();
  const app = config.app({ stage: program.stage });
  Object.assign(globalThis, {
    tooltrailApp: { name: app.name, stage: program.stage, removal: app.removal, protect: app.protect, providers: {} },
    tooltrailCli: {
      command: "deploy",
      rpc: "",
      paths: { home: program.workDir, root, work: program.workDir, platform },
      state: { version: {} },
    },
  });
  Object.assign(process.env, program.env);
  const outputs = await resolved(await pulumi.runtime.runInPulumiStack(() => run(config.run)));
  return { app, resources, outputs };
}

/** The stack's outputs, which may still be on their way. */
async function resolved(outputs: unknown): Promise<Inputs> {
  const values: Inputs = {};
  for (const [name, value] of Object.entries((outputs ?? {}) as { [name: string]: { promise?: () => unknown } }))
    values[name] = typeof value?.promise === "function" ? await value.promise() : value;
  return values;
}

/** Options do not reach mocks: they are read where the resource is registered. */
function recordOptions(): void {
  const { MockMonitor } = require("@pulumi/pulumi/runtime/mocks") as {
    MockMonitor: { prototype: { registerResource(request: Registration, callback: unknown): Promise<void> } };
  };
  const { registerResource } = MockMonitor.prototype;
  MockMonitor.prototype.registerResource = async function (request, callback) {
    await registerResource.call(this, request, callback);
    const resource = resources.findLast(({ type, name }) => type === request.getType() && name === request.getName());
    Object.assign(resource?.options ?? {}, {
      protect: request.getProtect(),
      retainOnDelete: request.getRetainondelete(),
      ignoreChanges: request.getIgnorechangesList(),
    });
  };
}

function newResource({ type, name, inputs, id = "" }: { type: string; name: string; inputs: Inputs; id?: string }) {
  const read = id !== "";
  const known = { ...inputs, ...stateOf(type, name, read ? { ...inputs, name: id } : inputs) };
  // What is read is not ours to make.
  if (!read) resources.push({ type, name, inputs, arn: String(known.arn ?? ""), options: {} });
  return { id: String(known.id ?? `${name}-id`), state: known };
}

/** What AWS would add: ARNs, names, versions. */
function stateOf(type: string, name: string, inputs: Inputs): Inputs {
  const named = String(inputs.name ?? name);
  const arn = (service: string, path: string): string => `arn:aws:${service}:${region}:${account}:${path}`;
  switch (type) {
    case "aws:lambda/function:Function":
      return {
        arn: arn("lambda", `function:${named}`),
        version: "1",
        qualifiedArn: arn("lambda", `function:${named}:1`),
      };
    case "aws:lambda/alias:Alias":
      return { arn: `${arn("lambda", `function:${inputs.functionName}`)}:${named}` };
    case "aws:sqs/queue:Queue": {
      const url = `https://sqs.${region}.amazonaws.com/${account}/${named}`;
      return { arn: arn("sqs", named), url, id: url };
    }
    case "aws:dynamodb/table:Table":
      return {
        arn: arn("dynamodb", `table/${named}`),
        ...(inputs.streamEnabled === true && {
          streamArn: arn("dynamodb", `table/${named}/stream/2026-01-01T00:00:00.000`),
        }),
      };
    case "aws:cloudwatch/eventBus:EventBus":
      return { arn: arn("events", `event-bus/${named}`) };
    case "aws:cloudwatch/eventRule:EventRule":
      return { arn: arn("events", `rule/${inputs.eventBusName ? `${inputs.eventBusName}/` : ""}${named}`) };
    case "aws:iam/role:Role":
      return { arn: `arn:aws:iam::${account}:role/${named}`, name: named };
    case "aws:iam/policy:Policy":
      return { arn: `arn:aws:iam::${account}:policy/${named}` };
    case "aws:apigatewayv2/api:Api":
      return {
        id: "abcdef1234",
        arn: `arn:aws:apigateway:${region}::/apis/abcdef1234`,
        executionArn: arn("execute-api", "abcdef1234"),
        apiEndpoint: `https://abcdef1234.execute-api.${region}.amazonaws.com`,
      };
    case "aws:cloudwatch/logGroup:LogGroup":
      return { arn: arn("logs", `log-group:${named}`) };
    case "aws:secretsmanager/secret:Secret":
      return { arn: arn("secretsmanager", `secret:${named}-AbCdEf`) };
    case "aws:s3/bucket:Bucket": {
      const bucket = String(inputs.bucket);
      return {
        id: bucket,
        arn: `arn:aws:s3:::${bucket}`,
        bucketRegionalDomainName: `${bucket}.s3.${region}.amazonaws.com`,
      };
    }
    case "aws:kms/key:Key":
      return { keyId: name, arn: arn("kms", `key/${name}`) };
    case "aws:cloudfront/distribution:Distribution":
      return {
        arn: `arn:aws:cloudfront::${account}:distribution/${name}`,
        domainName: "d111111abcdef8.cloudfront.net",
      };
    case "aws:sns/topic:Topic":
      return { arn: arn("sns", named) };
    default:
      return { arn: arn("mock", `${type}/${named}`), name: named };
  }
}

/** Provider functions. A policy document is made as the provider makes it. */
function call({ token, inputs }: { token: string; inputs: Inputs }): Inputs {
  switch (token) {
    case "aws:iam/getPolicyDocument:getPolicyDocument":
      return { ...inputs, json: JSON.stringify(policyDocument(inputs)) };
    case "aws:index/getRegion:getRegion":
      return { region, name: region };
    case "aws:index/getCallerIdentity:getCallerIdentity":
      return { accountId: account };
    case "aws:index/getPartition:getPartition":
      return { partition: "aws" };
    default:
      return {};
  }
}

interface Statement {
  readonly sid?: string;
  readonly effect?: string;
  readonly actions?: string[];
  readonly resources?: string[];
  readonly notResources?: string[];
  readonly principals?: { type: string; identifiers: string[] }[];
  readonly conditions?: { test: string; variable: string; values: string[] }[];
}

function policyDocument({ statements }: Inputs): object {
  return {
    Version: "2012-10-17",
    Statement: ((statements ?? []) as Statement[]).map(
      ({ sid, effect, actions, resources, notResources, principals, conditions }) => ({
        ...(sid && { Sid: sid }),
        Effect: effect ?? "Allow",
        Action: actions,
        ...(notResources ? { NotResource: notResources } : { Resource: resources }),
        ...(principals && {
          Principal: Object.fromEntries(
            principals.map(({ type, identifiers }) => [type === "*" ? "AWS" : type, identifiers]),
          ),
        }),
        ...(conditions?.length && {
          Condition: conditionOf(conditions),
        }),
      }),
    ),
  };
}

function conditionOf(conditions: NonNullable<Statement["conditions"]>): object {
  const condition: { [test: string]: { [variable: string]: string[] } } = {};
  for (const { test, variable, values } of conditions) condition[test] = { ...condition[test], [variable]: values };
  return condition;
}

/** SST's own server, as far as components ask it. */
async function serve(): Promise<string> {
  const server = createServer((request, response) => {
    response.setHeader("connection", "close"); // a connection that is kept would keep this process
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { method, params } = JSON.parse(Buffer.concat(chunks).toString("utf8")) as {
        method: string;
        params: [BuildInput];
      };
      answer(method, params[0]).then(
        (result) => response.end(JSON.stringify({ result })),
        (error: Error) => response.end(JSON.stringify({ error: error.message })),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  server.unref();
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

interface BuildInput {
  readonly functionID: string;
  readonly handler: string;
  readonly properties: { readonly minify?: boolean; readonly format?: string; readonly esbuild?: BuildOptions };
}

async function answer(method: string, input: BuildInput): Promise<unknown> {
  switch (method) {
    case "Provider.Aws.Bootstrap":
      return {
        asset: "assets",
        state: "state",
        assetEcrRegistryId: "",
        assetEcrUrl: "",
        appsyncHttp: "",
        appsyncRealtime: "",
      };
    case "Runtime.Build":
      return buildFunction(input);
    default:
      throw new Error(`rpc: can't find ${method}`);
  }
}

/** As SST builds a Node function: esbuild with its defaults under the options of the component. */
async function buildFunction({ functionID, handler, properties }: BuildInput) {
  // Not among SST's artifacts: it writes the zip of this folder there, under the same name, and would pack it into itself.
  const out = join(program.workDir, "bundles", functionID);
  await mkdir(out, { recursive: true });
  const outfile = join(out, "bundle.mjs");
  if (program.bundle) {
    if (properties.format === "cjs") throw new Error(`${functionID}: top-level await needs ESM.`);
    await build({
      entryPoints: [join(root, handler.replace(/\.[^.]+$/, ".ts"))],
      outfile,
      bundle: true,
      platform: "node",
      format: "esm",
      target: "es2024",
      keepNames: true,
      mainFields: ["module", "main"],
      minify: properties.minify ?? false,
      banner: { js: requireBanner },
      logLevel: "silent",
      ...properties.esbuild,
      external: ["sharp", "pg-native", ...(properties.esbuild?.external ?? [])],
    });
  } else await writeFile(outfile, "");
  return { handler: `bundle${handler.slice(handler.lastIndexOf("."))}`, out, errors: [], sourcemaps: [] };
}

const requireBanner = [
  'import { createRequire as topLevelCreateRequire } from "node:module";',
  "const require = topLevelCreateRequire(import.meta.url);",
].join("\n");

interface Config {
  app(input: { stage: string }): { name: string; removal: string; protect: boolean };
  run(): Promise<unknown>;
}

/** sst.config.ts and SST's components in one module, beside the packages of SST's platform, which it imports. */
async function bundleConfig(): Promise<{ run: (program: () => Promise<unknown>) => Promise<unknown>; config: Config }> {
  const outfile = join(
    platform,
    `evaluated-${createHash("sha256").update(program.answer).digest("hex").slice(0, 16)}.mjs`,
  );
  try {
    await build({
      stdin: {
        contents: `export { run } from "${platform}/src/auto/run.ts"; import config from "${root}/sst.config.ts"; export { config };`,
        resolveDir: root,
        loader: "ts",
      },
      outfile,
      bundle: true,
      platform: "node",
      format: "esm",
      target: "es2023",
      mainFields: ["module", "main"],
      inject: [join(platform, "src/shim/run.js")],
      define: { $app: "globalThis.tooltrailApp", $cli: "globalThis.tooltrailCli", $dev: "false" },
      banner: { js: requireBanner },
      nodePaths: [join(platform, "node_modules")],
      plugins: [globals, packagesOfPlatform],
      logLevel: "silent",
    });
    return await import(pathToFileURL(outfile).href);
  } finally {
    await rm(outfile, { force: true });
  }
}

/** What SST puts before our files, and the change that a test makes to one of them. */
const globals: Plugin = {
  name: "globals",
  setup({ onLoad }) {
    onLoad({ filter: /\/(stacks\/[\w-]+|sst\.config)\.ts$/ }, async ({ path }) => {
      let source = await readFile(path, "utf8");
      for (const { file, from, to } of program.changes)
        if (path === join(root, file)) {
          if (source.split(from).length !== 2) throw new Error(`${file}: "${from}" is not there exactly once.`);
          source = source.replace(from, () => to);
        }
      return {
        contents: `import * as aws from "@pulumi/aws";\nimport * as sst from "${platform}/src/components";\n${source}`,
        loader: "ts",
      };
    });
  },
};

const packagesOfPlatform: Plugin = {
  name: "packages-of-platform",
  setup({ onResolve }) {
    onResolve({ filter: /^[@\w]/ }, ({ path, importer, kind }) =>
      kind !== "entry-point" && (path.startsWith("@pulumi/") || importer.startsWith(platform))
        ? { path, external: true }
        : undefined,
    );
  },
};

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  process.exit(1);
});
