import { S3Client } from "@aws-sdk/client-s3";
import { clientOptions, jitter, type Pause, request } from "./request.ts";

/** A bucket with timeouts and retries; region, credentials and endpoint come from the environment, as with every AWS client. */
export interface Bucket {
  readonly name: string;
  /** @throws as `request` does. */
  call<T>(send: (client: S3Client) => Promise<T>): Promise<T>;
}

/** @param options what a test sets: how long a request may take, and how to wait between attempts. */
export function bucket(
  name: string,
  { requestTimeoutMs, pause = jitter }: { requestTimeoutMs?: number; pause?: Pause } = {},
): Bucket {
  const client = new S3Client({
    ...clientOptions(requestTimeoutMs),
    // A server on loopback answers under one name, whatever the bucket.
    forcePathStyle: process.env.AWS_ENDPOINT_URL_S3 !== undefined,
  });
  return { name, call: (send) => request("S3", pause, () => send(client)) };
}

/** Where the log's objects lie in its bucket. */
export const logPrefix = "log/";

/** Whether S3 said that a condition of a put does not hold. */
export const isPreconditionFailed = (error: unknown): boolean => (error as Error).name === "PreconditionFailed";

/** Whether S3 said that there is no such object. It says so only to a role that may list the bucket, and "forbidden" to any other. */
export const isNoSuchKey = (error: unknown): boolean => (error as Error).name === "NoSuchKey";
