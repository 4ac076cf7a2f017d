import { randomBytes } from "node:crypto";
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import type { Report } from "@tooltrail/core/verify/report";
import { verify } from "@tooltrail/core/verify/verify";
import { beforeAll, describe, expect, test } from "vitest";
import { config } from "../../packages/cli/src/config.ts";
import { openSource } from "../../packages/cli/src/log-source.ts";
import { s3Endpoint } from "../support/adapters.ts";
import { s3Missing } from "../support/s3-server.ts";
import { aMixedLog, logKey, type SignedLog } from "../support/signed-log.ts";

const missing = s3Missing();
if (missing !== undefined) process.stderr.write(`Left out, what runs on S3: ${missing}.\n`);

describe.skipIf(missing !== undefined)("a bucket with its versions", () => {
  const credentials = { accessKeyId: "local", secretAccessKey: "local" };
  let log: SignedLog;
  let client: S3Client;
  let env: NodeJS.ProcessEnv;
  beforeAll(async () => {
    log = await aMixedLog();
    const endpoint = await s3Endpoint();
    env = { AWS_ENDPOINT_URL_S3: endpoint, TOOLTRAIL_SPOOL: "/nowhere/spool" };
    // The command's own client finds its way by the environment, as AWS's do.
    Object.assign(process.env, {
      AWS_ENDPOINT_URL_S3: endpoint,
      AWS_REGION: "us-east-1",
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    });
    client = new S3Client({ endpoint, region: "us-east-1", credentials, forcePathStyle: true });
  });

  async function aBucket(): Promise<string> {
    const Bucket = `log-${randomBytes(6).toString("hex")}`;
    await client.send(new CreateBucketCommand({ Bucket }));
    await client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: "Enabled" } }));
    for (const [name, Body] of log.objects)
      await client.send(new PutObjectCommand({ Bucket, Key: `log/${name}`, Body }));
    return Bucket;
  }

  async function verified(bucket: string): Promise<Report> {
    const source = await openSource(`s3://${bucket}`, true, () => config(env));
    try {
      return await verify(source, { keys: [logKey.key], maxLatenessMs: 90_000_000 });
    } finally {
      source.close();
    }
  }

  test("is sound as it was written; an object that is written over or deleted is noticed, whatever it says now", async () => {
    const Bucket = await aBucket();
    const sound = await verified(Bucket);
    expect([sound.failures, sound.checked.objects]).toEqual([[], log.objects.size]);
    await client.send(
      new PutObjectCommand({ Bucket, Key: "log/tile/0/000", Body: log.objects.get("tile/0/000") ?? "" }),
    );
    expect((await verified(Bucket)).failures.map(({ code, object }) => [code, object])).toEqual([
      ["versions", "tile/0/000"],
    ]);

    const other = await aBucket();
    await client.send(new DeleteObjectCommand({ Bucket: other, Key: "log/tile/entries/000" }));
    const report = await verified(other);
    expect(report.sound).toBe(false);
    expect(report.failures.map(({ object }) => object)).toContain("tile/entries/000");
  }, 120_000);
});
