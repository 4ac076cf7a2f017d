import { createHash, createHmac } from "node:crypto";
import type { SignatureV4Init } from "@smithy/signature-v4";
import { isLoopback } from "@tooltrail/format";
import { type Config, readToken } from "./config.ts";

/** What a request carries to prove who asks. A body is sent as it is given here, as `bodyType`. */
export type Authorize = (method: string, url: URL, body?: string) => Promise<{ readonly [header: string]: string }>;

/** What bodies are. */
export const bodyType = "application/json";

/**
 * How the pipeline at the endpoint is asked: on this machine with the token of its data folder; elsewhere with `TOOLTRAIL_TOKEN` (a JWT) where
 * that is set, and else signed with AWS credentials (SigV4), found as the AWS command line finds them.
 *
 * @throws Error where the endpoint is neither https nor on this machine: nothing that proves who asks is sent there.
 */
export function authorizer({ endpoint, dataDir, token, region }: Config): Authorize {
  const base = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (base !== undefined && isLoopback(base)) return bearer(readToken(dataDir));
  if (base?.protocol !== "https:")
    throw new Error(
      `TOOLTRAIL_ENDPOINT: ${endpoint} is no https address, nor one on this machine; the token is sent to no other.`,
    );
  if (token !== undefined) return bearer(token);
  return signed(async () => {
    const { defaultProvider } = await import("@aws-sdk/credential-provider-node");
    return { credentials: defaultProvider(), region: regionOf(base, region) };
  });
}

const bearer =
  (token: string): Authorize =>
  async () => ({ authorization: `Bearer ${token}` });

/** Signs for an HTTP API of API Gateway. The AWS modules are loaded by the first request. */
export function signed(init: () => Promise<Pick<SignatureV4Init, "credentials" | "region">>): Authorize {
  return async (method, url, body) => {
    const { SignatureV4 } = await import("@smithy/signature-v4");
    const signer = new SignatureV4({ ...(await init()), service: "execute-api", sha256: Sha256 });
    const { headers } = await signer.sign({
      method,
      protocol: url.protocol,
      hostname: url.hostname,
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      // Signature Version 4 wants the type signed where there is one; of the body its hash is.
      headers: { host: url.host, ...(body !== undefined && { "content-type": bodyType }) },
      ...(body !== undefined && { body }),
    });
    const { host: _, ...rest } = headers; // fetch sets it itself
    return rest;
  };
}

/** `https://ID.execute-api.REGION.amazonaws.com`; behind a domain of one's own the region is where the AWS settings say. */
function regionOf({ hostname }: URL, configured: string | undefined): string {
  const region = /\.execute-api\.([a-z0-9-]+)\.amazonaws\.com(\.cn)?$/.exec(hostname)?.[1] ?? configured;
  if (region === undefined)
    throw new Error(`TOOLTRAIL_ENDPOINT: ${hostname} does not tell its region. Set AWS_REGION.`);
  return region;
}

/** What the signer asks of a hash, on Node's own. */
class Sha256 {
  readonly #hash;
  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash = secret === undefined ? createHash("sha256") : createHmac("sha256", secret as string);
  }
  update(data: Uint8Array): void {
    this.#hash.update(data);
  }
  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }
  reset(): void {
    throw new Error("One hash is for one text.");
  }
}
