import { PutObjectCommand } from "@aws-sdk/client-s3";
import type { Checkpoints } from "@tooltrail/core/log/ports";
import { servingOf } from "@tooltrail/format/log";
import { type Bucket, isPreconditionFailed, logPrefix } from "./s3.ts";
import { readObject } from "./s3-blobs.ts";

interface Seen {
  readonly text: string;
  readonly etag: string;
}

/**
 * The checkpoint and the keys in the log's bucket.
 *
 * S3 compares by the tag of the bytes that were read, so a checkpoint is replaced only where it still is that one. A publication whose answer was lost is sent
 * again and then meets itself; what is there tells.
 *
 * @throws AppError as `request`.
 */
export function s3Checkpoints(bucket: Bucket): Checkpoints {
  const checkpoint = `${logPrefix}checkpoint`;
  /** What was read or published last: whoever publishes over it need not have it read once more. */
  let seen: Seen | undefined;

  async function look(): Promise<Seen | undefined> {
    const object = await readObject(bucket, checkpoint);
    seen = object && { text: Buffer.from(object.bytes).toString(), etag: object.etag };
    return seen;
  }

  return {
    async read() {
      return (await look())?.text;
    },
    async publish(text, over) {
      const there = over !== undefined && seen?.text === over ? seen : await look();
      if (there?.text === text) return true;
      if (there?.text !== over) return false;
      const put = new PutObjectCommand({
        Bucket: bucket.name,
        Key: checkpoint,
        Body: text,
        ...(there ? { IfMatch: there.etag } : { IfNoneMatch: "*" }),
        ...headersOf("checkpoint"),
      });
      try {
        const { ETag = "" } = await bucket.call((client) => client.send(put));
        seen = { text, etag: ETag };
        return true;
      } catch (error) {
        if (isPreconditionFailed(error)) return (await look())?.text === text;
        throw error;
      }
    },
    async publishKeys(text) {
      const key = `${logPrefix}vkey`;
      const there = await readObject(bucket, key);
      if (there && Buffer.from(there.bytes).toString() === text) return;
      const put = new PutObjectCommand({ Bucket: bucket.name, Key: key, Body: text, ...headersOf("vkey") });
      await bucket.call((client) => client.send(put));
    },
  };
}

const headersOf = (name: string) => {
  const { contentType, cacheControl } = servingOf(name);
  return { ContentType: contentType, CacheControl: cacheControl };
};
