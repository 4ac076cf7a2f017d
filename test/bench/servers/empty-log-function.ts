import { GetPublicKeyCommand, KMSClient, SignCommand } from "@aws-sdk/client-kms";
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { clients as common, commands as commonCommands } from "./empty-function.ts";

/** The same with the clients of the log, which `api` has, too. */

export const clients = [...common, new S3Client(), new KMSClient()];
export const commands = [
  ...commonCommands,
  GetObjectCommand,
  GetPublicKeyCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  SignCommand,
];
export { handler } from "./empty-function.ts";
