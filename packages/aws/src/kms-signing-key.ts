import { createPublicKey, verify } from "node:crypto";
import { GetPublicKeyCommand, KMSClient, SignCommand } from "@aws-sdk/client-kms";
import { AppError } from "@tooltrail/core/errors";
import type { SigningKey } from "@tooltrail/core/log/ports";
import { clientOptions, jitter, type Pause, request } from "./request.ts";

/** Of one Sign with MessageType RAW. A checkpoint has some hundred. */
const maxMessageBytes = 4_096;

/**
 * A key in KMS (`ECC_NIST_EDWARDS25519`), which nobody ever sees. Its public half is read once.
 *
 * A signature is checked before it is given out: what is signed once is promised, and a wrong one would be found by everybody else.
 *
 * @param keyId an ARN.
 * @throws AppError as `request`; internal where the key is of another kind.
 */
export async function kmsSigningKey(keyId: string, { pause = jitter }: { pause?: Pause } = {}): Promise<SigningKey> {
  const client = new KMSClient(clientOptions());
  const { PublicKey } = await request("KMS", pause, () => client.send(new GetPublicKeyCommand({ KeyId: keyId })));
  const key = parsed(PublicKey);
  const { x = "" } = key.export({ format: "jwk" });
  return {
    publicKey: Buffer.from(x, "base64url"),
    async sign(message) {
      if (message.length > maxMessageBytes)
        throw new AppError("internal", `KMS signs at most ${maxMessageBytes} bytes, and these are ${message.length}.`);
      const sign = new SignCommand({
        KeyId: keyId,
        Message: message,
        MessageType: "RAW",
        SigningAlgorithm: "ED25519_SHA_512",
      });
      const { Signature = new Uint8Array(0) } = await request("KMS", pause, () => client.send(sign));
      if (Signature.length !== 64 || !verify(null, message, key, Signature))
        throw new AppError("internal", "KMS gave a signature that its public key does not verify.");
      return Signature;
    },
  };
}

function parsed(spki: Uint8Array | undefined): ReturnType<typeof createPublicKey> {
  const key = spki && createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
  if (key?.asymmetricKeyType !== "ed25519")
    throw new AppError("internal", "A key of TOOLTRAIL_LOG_KEYS is no Ed25519 key (ECC_NIST_EDWARDS25519).");
  return key;
}
