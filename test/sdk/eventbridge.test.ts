/** EventBridge by the AWS client as it is: against the one-machine bus, and against a stand-in that fails as AWS does. */
import { execFile } from "node:child_process";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { eventBridgeBus } from "@tooltrail/emitter";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { aPipeline } from "../support/a-pipeline.ts";
import { behindProxy, node, root } from "../support/pipeline.ts";
import { allOf, leaveNobody } from "../support/proxied.ts";
import { callsOf, envOf, serverOf } from "./place.ts";
import { stdioV1 } from "./sessions.ts";

const { place, pipeline } = aPipeline();
leaveNobody();

const credentials = {
  AWS_ACCESS_KEY_ID: "AKIDEXAMPLE",
  AWS_SECRET_ACCESS_KEY: "no-secret",
  AWS_CONFIG_FILE: "/dev/null",
};

describe("TOOLTRAIL_BUS", () => {
  const env = (name: string, endpoint: string): Record<string, string> => ({
    ...envOf(place, "http://127.0.0.1:1", name),
    ...credentials,
    AWS_ENDPOINT_URL_EVENTBRIDGE: endpoint,
  });
  const arn = "arn:aws:events:eu-central-1:123456789012:event-bus/tooltrail";

  test.each([
    ["the proxy", "bus-proxy", "tooltrail", "us-east-1"],
    ["a server", "bus-server", "tooltrail", "us-east-1"],
    ["a server, by an ARN that names the region", "bus-arn", arn, ""],
  ])("%s sends there instead", async (_, name, bus, region) => {
    const set = { ...env(name, pipeline.endpoint), TOOLTRAIL_BUS: bus, ...(region && { AWS_REGION: region }) };
    const plain = serverOf(set, "v1", "stdio", ...(name === "bus-proxy" ? [] : ["audited"]));
    const proxy = behindProxy(place, "", [plain.command, ...plain.args]);
    const session = await stdioV1(name === "bus-proxy" ? { ...proxy, args: [...proxy.args], env: set } : plain);
    await session.call("echo", { message: "hi" });
    await session.close();
    expect(await callsOf(place, pipeline.endpoint, name, 1)).toMatchObject([
      { tool: "echo", outcome: { class: "ok" } },
    ]);
  });

  test("that is neither a name nor an ARN is an error that says so", async () => {
    const set = { ...env("bus-wrong", pipeline.endpoint), TOOLTRAIL_BUS: "arn:aws:sqs:us-east-1:1:queue" };
    const proxy = [join(root, "packages/cli/bin/tooltrail.js"), "proxy", "--", node, "-e", ""];
    const ran = promisify(execFile)(node, proxy, { env: set });
    await expect(ran).rejects.toMatchObject({ stderr: expect.stringContaining("TOOLTRAIL_BUS must be") });
  });

  test("is not even loaded where nobody names one", async () => {
    const script = `import { registerHooks } from "node:module";
      registerHooks({ load(url, context, next) { if (url.includes("@aws-sdk")) throw new Error(url); return next(url, context); } });
      await import("@tooltrail/emitter/mcp"); const { loopbackBus } = await import("@tooltrail/emitter");
      const alive = setInterval(() => undefined, 100); // the request itself keeps nobody alive
      process.stdout.write(JSON.stringify(await loopbackBus(process.argv[1])(['{"no":"batch"}'], AbortSignal.timeout(5000))));
      clearInterval(alive);`;
    const { stdout } = await promisify(execFile)(node, ["--input-type=module", "-e", script, pipeline.endpoint], {
      cwd: root,
    });
    expect(JSON.parse(stdout)).toEqual(["taken"]);
  });
});

describe("an EventBridge that fails", () => {
  let respond: (entries: { Detail: string }[]) => { status: number; body: unknown };
  const asked: { headers: Record<string, unknown>; entries: Record<string, string>[] }[] = [];
  const aws = createServer(async (request, response) => {
    const { Entries } = JSON.parse((await allOf(request)).toString());
    asked.push({ headers: request.headers, entries: Entries });
    const { status, body } = respond(Entries);
    response.writeHead(status, { "content-type": "application/x-amz-json-1.1" }).end(JSON.stringify(body));
  });
  beforeAll(async () => {
    await new Promise<void>((resolve) => void aws.listen(0, "127.0.0.1", resolve));
    const endpoint = `http://127.0.0.1:${(aws.address() as AddressInfo).port}`;
    for (const [name, value] of Object.entries({ ...credentials, AWS_ENDPOINT_URL_EVENTBRIDGE: endpoint }))
      vi.stubEnv(name, value);
  });
  beforeEach(() => void asked.splice(0));
  afterAll(() => {
    vi.unstubAllEnvs();
    aws.close().closeAllConnections();
  });
  const put = eventBridgeBus("arn:aws:events:us-east-1:123456789012:event-bus/tooltrail");
  const signal = () => AbortSignal.timeout(5_000);

  test("for some entries: those are for later, or refused for good; the others are taken", async () => {
    respond = () => ({
      status: 200,
      body: {
        FailedEntryCount: 4,
        Entries: [
          { EventId: "1" },
          { ErrorCode: "ThrottlingException", ErrorMessage: "Rate exceeded" },
          { ErrorCode: "InternalFailure" },
          { ErrorCode: "MalformedDetail" },
          { ErrorCode: "InvalidArgument" },
          // and of the last one nothing is said
        ],
      },
    });
    const details = ["1", "2", "3", "4", "5", "6"].map((n) => `{"n":${n}}`);
    expect(await put(details, signal())).toEqual(["taken", "later", "later", "refused", "refused", "later"]);
    expect(asked[0]?.entries.map(({ Detail }) => Detail)).toEqual(details);
    expect(asked[0]?.entries[0]).toMatchObject({
      Source: "tooltrail",
      DetailType: "tooltrail.batch/1",
      EventBusName: "arn:aws:events:us-east-1:123456789012:event-bus/tooltrail",
    });
    expect(asked[0]?.headers.authorization).toMatch(
      /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/\d+\/us-east-1\/events\//,
    );
  });

  test.each([
    [400, { __type: "ThrottlingException", message: "Rate exceeded" }],
    [400, { __type: "AccessDeniedException", message: "not authorized to perform: events:PutEvents" }],
    [503, { __type: "InternalException" }],
  ])("altogether (%d %j): nothing is answered, it is asked once, and it is said once", async (status, body) => {
    const said = vi.spyOn(process.stderr, "write").mockReturnValue(true);
    try {
      respond = () => ({ status, body });
      const fresh = eventBridgeBus("arn:aws:events:us-east-1:123456789012:event-bus/tooltrail");
      for (let n = 0; n < 3; n += 1) await expect(fresh(["{}"], signal())).rejects.toThrow();
      expect(asked).toHaveLength(3); // the sender tries again, in its own time
      expect(said.mock.calls.filter(([text]) => String(text).startsWith("tooltrail: batches wait"))).toHaveLength(1);
    } finally {
      said.mockRestore();
    }
  });

  test("by its silence: the sender's patience ends it", async () => {
    respond = () => ({ status: 200, body: {} });
    expect(await put(["{}"], signal())).toEqual(["later"]);
    await expect(put(["{}"], AbortSignal.abort())).rejects.toThrow();
  });
});
