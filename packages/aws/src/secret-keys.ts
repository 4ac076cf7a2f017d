import { createPrivateKey } from "node:crypto";
import { GetSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import type { Keys } from "@tooltrail/format/keys";
import { parseDigestKeys } from "@tooltrail/format/keys";
import { clientOptions, jitter, request } from "./request.ts";

/** The installation's keys, and the public keys (base64url) of others that are known to be ours. */
export interface SecretKeys extends Keys {
  readonly enrolledKeys: readonly string[];
}

/**
 * Reads the keys from Secrets Manager, once: a rotation reaches a function when Lambda starts it the next time.
 *
 * @param secret name or ARN of a secret that holds `{"installationKey": PEM, "digestKeys": [current, former...], "enrolledKeys": [base64url...]}`.
 * @throws Error that names the member that is wrong, and quotes nothing of it. AppError where the secret cannot be read.
 */
export async function secretKeys(secret: string): Promise<SecretKeys> {
  const client = new SecretsManagerClient(clientOptions());
  const { SecretString } = await request("Secrets Manager", jitter, () =>
    client.send(new GetSecretValueCommand({ SecretId: secret })),
  );
  return parseKeys(SecretString);
}

/** @throws Error that names the member that is wrong. */
export function parseKeys(text: string | undefined): SecretKeys {
  const { installationKey, digestKeys, enrolledKeys = [] } = parseObject(text);
  if (!isEd25519(installationKey))
    throw wrong(
      "installationKey",
      "is not an Ed25519 private key in PEM (PKCS #8). `openssl genpkey -algorithm ed25519` makes one",
    );
  if (!isTexts(digestKeys)) throw wrong("digestKeys", "is not a list of texts, the current key first");
  if (!isTexts(enrolledKeys) || !enrolledKeys.every((key) => /^[A-Za-z0-9_-]{43}$/.test(key)))
    throw wrong("enrolledKeys", "is not a list of Ed25519 public keys, 43 characters of base64url each");
  return { installationPem: installationKey, ...parsed(digestKeys), enrolledKeys };
}

function parseObject(text: string | undefined): { readonly [member: string]: unknown } {
  try {
    const value: unknown = JSON.parse(text ?? "");
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  } catch {
    // said below, without what the parser quotes
  }
  throw new Error(
    "The keys' secret (TOOLTRAIL_KEYS_SECRET) is not a JSON object with installationKey, digestKeys and, if any, enrolledKeys.",
  );
}

function parsed(digestKeys: readonly string[]): Pick<Keys, "digestKey" | "formerDigestKeys"> {
  try {
    return parseDigestKeys(digestKeys.join(","));
  } catch {
    throw wrong("digestKeys", "needs at least one key, each of at least 32 bytes in hex or base64");
  }
}

function isEd25519(pem: unknown): pem is string {
  try {
    return typeof pem === "string" && createPrivateKey(pem).asymmetricKeyType === "ed25519";
  } catch {
    return false;
  }
}

const isTexts = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((one) => typeof one === "string");

const wrong = (member: string, what: string): Error =>
  new Error(`The keys' secret (TOOLTRAIL_KEYS_SECRET): ${member} ${what}.`);
