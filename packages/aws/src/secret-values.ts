import { GetSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { AppError } from "@tooltrail/core/errors";
import type { Secrets } from "@tooltrail/core/incidents/ports";
import { clientOptions, jitter, type Pause, request } from "./request.ts";

type Values = ReadonlyMap<string, string>;

/** A rotated secret is used after this time at the latest; until then no attempt asks for it. */
const keptForMs = 60_000;

/**
 * What documents name, in one secret of Secrets Manager: a JSON object of names and values. Read again after a minute; several who ask at once wait for one answer, and a failure is not kept.
 *
 * @param secret its name or ARN.
 * @param now in milliseconds.
 * @throws AppError as `request` does; `unavailable` where it is no such object, since somebody may put it right. Nothing of it is quoted.
 */
export function secretValues(secret: string, now: () => number, { pause = jitter }: { pause?: Pause } = {}): Secrets {
  const client = new SecretsManagerClient(clientOptions());
  let kept: { readonly values: Promise<Values>; readonly until: number } | undefined;

  async function load(): Promise<Values> {
    const command = new GetSecretValueCommand({ SecretId: secret });
    const { SecretString } = await request("Secrets Manager", pause, () => client.send(command));
    return parseValues(SecretString);
  }

  return {
    async read(name) {
      if (kept === undefined || kept.until <= now()) {
        const values = load();
        const mine = { values, until: now() + keptForMs };
        kept = mine;
        values.catch(() => {
          if (kept === mine) kept = undefined;
        });
      }
      return (await kept.values).get(name) || undefined;
    },
  };
}

/** @throws AppError */
function parseValues(text: string | undefined): Values {
  try {
    const value: unknown = JSON.parse(text ?? "");
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      const texts = Object.entries(value).filter((pair): pair is [string, string] => typeof pair[1] === "string");
      return new Map(texts.map(([name, one]) => [name, one.trim()]));
    }
  } catch {
    // said below, without what the parser quotes
  }
  throw new AppError(
    "unavailable",
    "The secret with the destinations' secrets is not a JSON object of names and values.",
  );
}
