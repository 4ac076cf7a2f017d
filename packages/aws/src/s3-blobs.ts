import {
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type PutObjectCommandInput,
  PutObjectTaggingCommand,
} from "@aws-sdk/client-s3";
import { isObjectName, objectName } from "@tooltrail/core/log/object-name";
import type { Blobs } from "@tooltrail/core/log/ports";
import { parseTilePath, servingOf } from "@tooltrail/format/log";
import { concurrently } from "./concurrently.ts";
import { type Bucket, isNoSuchKey, isPreconditionFailed, logPrefix } from "./s3.ts";

export interface S3BlobsOptions {
  /** How many days S3 keeps full tiles and full bundles from being deleted by anybody (Object Lock, compliance mode). Absent: the bucket has no lock. */
  readonly lockedDays?: number;
  readonly now: () => number;
}

/**
 * The log's objects in a bucket, below `log/`, each put on the condition that there is none.
 *
 * What is retired stays until the bucket's lifecycle rule finds its tag: a reader that was just told of a partial still gets it.
 *
 * @throws AppError as `request`.
 */
export function s3Blobs(bucket: Bucket, { lockedDays, now }: S3BlobsOptions): Blobs {
  const lockOf = (name: string): Partial<PutObjectCommandInput> => {
    if (lockedDays === undefined || parseTilePath(name)?.width !== 256) return {};
    return { ObjectLockMode: "COMPLIANCE", ObjectLockRetainUntilDate: new Date(now() + lockedDays * dayMs) };
  };

  return {
    async put(name, bytes) {
      const { contentType, cacheControl } = servingOf(name);
      const put: PutObjectCommandInput = {
        Bucket: bucket.name,
        Key: keyOf(name),
        Body: bytes,
        IfNoneMatch: "*",
        ContentType: contentType,
        CacheControl: cacheControl,
        ...lockOf(name),
      };
      try {
        await bucket.call((client) => client.send(new PutObjectCommand(put)));
        return "put";
      } catch (error) {
        if (isPreconditionFailed(error)) return "exists";
        throw error;
      }
    },
    async read(name) {
      return readObject(bucket, keyOf(name)).then((object) => object?.bytes);
    },
    async list(prefix) {
      const names: string[] = [];
      let ContinuationToken: string | undefined;
      do {
        const page = await bucket.call((client) =>
          client.send(
            new ListObjectsV2Command({
              Bucket: bucket.name,
              Prefix: `${logPrefix}${prefix}`,
              ...(ContinuationToken !== undefined && { ContinuationToken }),
            }),
          ),
        );
        names.push(...(page.Contents ?? []).map(({ Key = "" }) => Key.slice(logPrefix.length)));
        ContinuationToken = page.NextContinuationToken;
      } while (ContinuationToken !== undefined);
      return names.filter(isObjectName); // neither the checkpoint nor the keys
    },
    async retire(names) {
      await concurrently(8, names, async (name) => {
        const tagging = new PutObjectTaggingCommand({
          Bucket: bucket.name,
          Key: keyOf(name),
          Tagging: { TagSet: [{ Key: "superseded", Value: "true" }] },
        });
        await bucket.call((client) => client.send(tagging)).catch(unlessNoSuchKey);
      });
    },
  };
}

const dayMs = 86_400_000;

const keyOf = (name: string): string => `${logPrefix}${objectName(name)}`;

function unlessNoSuchKey(error: unknown): undefined {
  if (!isNoSuchKey(error)) throw error;
}

/** An object, whole, and the tag by which S3 knows its bytes. @returns undefined where there is none. @throws AppError as `request`. */
export async function readObject(
  bucket: Bucket,
  key: string,
): Promise<{ readonly bytes: Uint8Array; readonly etag: string } | undefined> {
  try {
    return await bucket.call(async (client) => {
      const { Body, ETag = "" } = await client.send(new GetObjectCommand({ Bucket: bucket.name, Key: key }));
      // Within the attempt: an answer that breaks off is read again.
      return { bytes: (await Body?.transformToByteArray()) ?? new Uint8Array(0), etag: ETag };
    });
  } catch (error) {
    return unlessNoSuchKey(error);
  }
}
