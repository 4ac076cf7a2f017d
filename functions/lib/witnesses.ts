import type { Witness } from "@tooltrail/core/log/ports";
import { parsePolicy } from "@tooltrail/format/log";

const timeoutMs = 2_000;
/** A witness answers with a few lines. */
const maxAnswerBytes = 64 * 1024;

/**
 * The witnesses of a policy that have an address, asked over HTTP (C2SP tlog-witness). Each is given two seconds for all of it; no redirect is followed.
 *
 * @param policyText a C2SP tlog-policy, or nothing.
 * @throws LogFormatError that names the policy's line.
 */
export function httpWitnesses(policyText: string | undefined): Witness[] {
  if (policyText === undefined) return [];
  return parsePolicy(policyText).witnesses.flatMap(({ key, url }) =>
    url === undefined ? [] : [{ key, cosign: (request: string) => addCheckpoint(url, request) }],
  );
}

async function addCheckpoint(url: string, request: string): Promise<{ status: number; text: string }> {
  const response = await fetch(`${url.replace(/\/$/, "")}/add-checkpoint`, {
    method: "POST",
    body: request,
    headers: { "content-type": "text/plain; charset=utf-8" },
    redirect: "error",
    signal: AbortSignal.timeout(timeoutMs),
  });
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > maxAnswerBytes)
      throw new Error(`The witness at ${url} answers with more than ${maxAnswerBytes} bytes.`);
    chunks.push(chunk);
  }
  return { status: response.status, text: Buffer.concat(chunks).toString("utf8") };
}
