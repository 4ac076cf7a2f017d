import {
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import { kmsSigningKey } from "@tooltrail/aws/kms-signing-key";
import { bucket } from "@tooltrail/aws/s3";
import { s3Blobs } from "@tooltrail/aws/s3-blobs";
import { s3Checkpoints } from "@tooltrail/aws/s3-checkpoints";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { awsEnvironment, freshBucket, onDynamoDb, s3Endpoint } from "../support/adapters.ts";
import { awsServices, kmsKey } from "../support/aws-services.ts";
import { type FaultyS3, faultyS3 } from "../support/s3-faults.ts";

const nowMs = 1_800_000_000_000;
const pause = async (): Promise<void> => undefined;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** What is true of S3 is only tested where the stand-in is as strict. */
describe.runIf(onDynamoDb)("the S3 of these tests", () => {
  let name: string;
  let client: S3Client;
  beforeEach(async () => {
    ({ name, client } = await freshBucket(await s3Endpoint(), { objectLock: true }));
  });
  afterEach(() => client.destroy());

  const statuses = async (puts: readonly Promise<unknown>[]): Promise<number[]> => {
    const settled = await Promise.allSettled(puts);
    return settled
      .map((one) => (one.status === "fulfilled" ? 200 : (one.reason.$metadata?.httpStatusCode ?? 0)))
      .sort();
  };
  const one200 = [200, ...Array.from({ length: 19 }, () => 412)];

  test("lets one of twenty put an object that must not be there", async () => {
    const puts = Array.from({ length: 20 }, (_, n) =>
      client.send(new PutObjectCommand({ Bucket: name, Key: "a", Body: String(n), IfNoneMatch: "*" })),
    );
    expect(await statuses(puts)).toEqual(one200);
  });

  test("lets one of twenty replace an object that must be the one that was read", async () => {
    const { ETag } = await client.send(new PutObjectCommand({ Bucket: name, Key: "a", Body: "read" }));
    const puts = Array.from({ length: 20 }, (_, n) =>
      client.send(new PutObjectCommand({ Bucket: name, Key: "a", Body: String(n), IfMatch: ETag })),
    );
    expect(await statuses(puts)).toEqual(one200);
  });
});

describe.runIf(onDynamoDb)("on S3", () => {
  let wire: FaultyS3;
  let name: string;
  let client: S3Client;
  beforeEach(async () => {
    const s3 = await s3Endpoint();
    wire = await faultyS3(s3);
    ({ name, client } = await freshBucket(s3, { objectLock: true }));
    Object.assign(process.env, awsEnvironment({ dynamoDb: "", services: "", s3: wire.endpoint }));
  });
  afterEach(async () => {
    client.destroy();
    await wire.close();
  });

  const open = () => bucket(name, { pause, requestTimeoutMs: 400 });
  const blobs = (lockedDays?: number) =>
    s3Blobs(open(), { now: () => nowMs, ...(lockedDays !== undefined && { lockedDays }) });

  test.each([
    ["tile/0/000", true],
    ["tile/entries/x001/067", true],
    ["tile/0/000.p/255", false],
    ["tile/entries/000.p/1", false],
    ["staged/00", false],
  ])("%s is locked against everybody: %j", async (key, locked) => {
    await blobs(400).put(key, bytes("x"));
    const found = await client.send(new HeadObjectCommand({ Bucket: name, Key: `log/${key}` }));
    const until = new Date(nowMs + 400 * 86_400_000);
    expect(found.ObjectLockMode).toBe(locked ? "COMPLIANCE" : undefined);
    expect(found.ObjectLockRetainUntilDate).toEqual(locked ? until : undefined);
  });

  test("objects say how they are to be served, and checkpoint and keys do", async () => {
    await blobs().put("tile/0/000", bytes("x"));
    await s3Checkpoints(open()).publish("text", undefined);
    await s3Checkpoints(open()).publishKeys("key");
    const served = async (key: string) => {
      const { ContentType, CacheControl } = await client.send(
        new HeadObjectCommand({ Bucket: name, Key: `log/${key}` }),
      );
      return [ContentType, CacheControl];
    };
    expect(await served("tile/0/000")).toEqual(["application/octet-stream", "public, max-age=31536000, immutable"]);
    expect(await served("checkpoint")).toEqual(["text/plain; charset=utf-8", "no-cache"]);
    expect(await served("vkey")).toEqual(["text/plain; charset=utf-8", "public, max-age=3600"]);
  });

  test("a retired object is tagged and stays, for whoever was just told of it, and for the lifecycle rule", async () => {
    await blobs(1).put("tile/0/000.p/3", bytes("x"));
    await blobs().retire(["tile/0/000.p/3"]);
    const { TagSet } = await client.send(new GetObjectTaggingCommand({ Bucket: name, Key: "log/tile/0/000.p/3" }));
    expect(TagSet).toEqual([{ Key: "superseded", Value: "true" }]);
    expect(await blobs().read("tile/0/000.p/3")).toEqual(bytes("x"));
  });

  describe.each(["throttled", "in conflict", "broken", "timed out"] as const)("a request that is %s", (fault) => {
    const applied = fault === "broken" || fault === "timed out" ? "unknown" : "not-applied";

    test("is sent again, and goes well", async () => {
      wire.break("PUT", fault, 3);
      expect(await blobs().put("tile/0/000", bytes("x"))).toBe("put");
      expect(wire.hits()).toBe(3);
      wire.break("GET", fault, 3);
      expect(await blobs().read("tile/0/000")).toEqual(bytes("x"));
    });

    test("four times is an error to come back with, which says whether it may be done", async () => {
      wire.break("PUT", fault, 4);
      const error = { code: "unavailable", outcome: applied };
      await expect(blobs().put("tile/0/000", bytes("x"))).rejects.toMatchObject(error);
      wire.break("PUT", fault, 4);
      await expect(s3Checkpoints(open()).publish("text", undefined)).rejects.toMatchObject(error);
    });
  });

  test("a put whose answer was lost finds itself: the object exists, and a checkpoint is published", async () => {
    wire.break("PUT", "failed but persisted", 1);
    expect(await blobs().put("tile/0/000", bytes("x"))).toBe("exists");
    expect(await blobs().read("tile/0/000")).toEqual(bytes("x"));
    const checkpoints = s3Checkpoints(open());
    wire.break("PUT", "failed but persisted", 1);
    expect(await checkpoints.publish("one", undefined)).toBe(true);
    wire.break("PUT", "failed but persisted", 1);
    expect(await checkpoints.publish("two", "one")).toBe(true);
    expect(await checkpoints.read()).toBe("two");
  });

  test("an answer that breaks off in its middle is read again", async () => {
    const large = bytes("0123456789".repeat(10_000));
    await blobs().put("tile/0/000", large);
    wire.break("GET", "cut off", 2);
    expect(Buffer.compare((await blobs().read("tile/0/000")) ?? bytes(""), large)).toBe(0);
    expect(wire.hits()).toBe(2);
  });

  test("whoever may not is told so at once, and not that there is nothing", async () => {
    wire.break("GET", "forbidden", 1);
    await expect(blobs().read("tile/0/000")).rejects.toMatchObject({ code: "internal" });
    wire.break("PUT", "forbidden", 1);
    await expect(blobs().put("tile/0/000", bytes("x"))).rejects.toMatchObject({
      code: "internal",
      outcome: "not-applied",
    });
  });

  test("a checkpoint that somebody else replaced meanwhile is not replaced, although this one remembers the one before", async () => {
    const [mine, other] = [s3Checkpoints(open()), s3Checkpoints(open())];
    await mine.publish("one", undefined);
    expect(await other.publish("two", "one")).toBe(true);
    expect(await mine.publish("rival", "one")).toBe(false);
    expect(await mine.publish("three", "two")).toBe(true);
    const { Body } = await client.send(new GetObjectCommand({ Bucket: name, Key: "log/checkpoint" }));
    expect(await Body?.transformToString()).toBe("three");
  });

  test("a step costs as many requests as it must", async () => {
    const checkpoints = s3Checkpoints(open());
    const counted = async (run: () => Promise<unknown>): Promise<string[]> => {
      wire.requests.length = 0;
      await run();
      return [...wire.requests];
    };
    expect(await counted(() => blobs().put("tile/0/000", bytes("x")))).toEqual(["PUT"]);
    expect(await counted(() => checkpoints.read())).toEqual(["GET"]);
    expect(await counted(() => checkpoints.publish("one", undefined))).toEqual(["GET", "PUT"]);
    expect(await counted(() => checkpoints.publish("two", "one"))).toEqual(["PUT"]);
    await checkpoints.publishKeys("key");
    expect(await counted(() => checkpoints.publishKeys("key"))).toEqual(["GET"]);
  });
});

describe.runIf(onDynamoDb)("a key in KMS", () => {
  test("gives no signature that its public key does not verify", async () => {
    const services = await awsServices();
    Object.assign(process.env, awsEnvironment({ dynamoDb: "", services: services.endpoint }));
    const key = await kmsSigningKey(kmsKey, { pause });
    services.wrongSignatures = 1;
    await expect(key.sign(bytes("x"))).rejects.toMatchObject({ code: "internal" });
    expect(await key.sign(bytes("x"))).toHaveLength(64);
    await expect(key.sign(new Uint8Array(4_097))).rejects.toMatchObject({ code: "internal" });
    await services.close();
    await expect(key.sign(bytes("x"))).rejects.toMatchObject({ code: "unavailable" });
  });
});
