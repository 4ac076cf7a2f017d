import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { AppError } from "@tooltrail/core/errors";
import type { SigningKey } from "@tooltrail/core/log/ports";
import { loadOrMake } from "@tooltrail/format/keys";
import { codeOf } from "./file-failure.ts";

/** A key, and where it is a former one, until when it signs beside the current one. */
export interface FileLogKey extends SigningKey {
  readonly untilMs?: number;
}

/** What the log of a data folder is called, and who signs it, the current key first. */
export interface FileLogKeys {
  readonly origin: string;
  readonly keys: readonly FileLogKey[];
}

const fileOf = (dataDir: string): string => join(dataDir, "log-keys.json");

/**
 * Reads `<data>/log-keys.json`, which is made the first time, with a new name and a new key. Read anew, it shows a rotation.
 *
 * @throws Error where the file is readable by others, cannot be made, or is not what it must be; its message names the member, and quotes nothing of it.
 */
export function loadLogKeys(dataDir: string): FileLogKeys {
  const { origin, keys } = stored(dataDir);
  return { origin, keys: keys.map(keyOf) };
}

/**
 * Makes a new key the current one. The one before signs beside it until `untilMs`; earlier ones keep their own time, and those whose time is over are forgotten.
 *
 * @throws AppError `not_found` where the folder has no keys, `conflict` where another rotation is under way. Error as `loadLogKeys`.
 */
export function rotateLogKey(dataDir: string, { nowMs, untilMs }: { nowMs: number; untilMs: number }): FileLogKeys {
  const path = fileOf(dataDir);
  if (!existsSync(path))
    throw new AppError("not_found", `${dataDir} is no data folder of a pipeline: it has no log-keys.json.`);
  const next = `${path}.next`;
  const file = openNext(next); // it keeps out a second rotation, which would otherwise forget the first one's key
  try {
    const { origin, keys } = stored(dataDir);
    const former = keys
      .map((key) => ({ ...key, untilMs: key.untilMs ?? untilMs }))
      .filter((key) => key.untilMs > nowMs);
    writeFileSync(file, textOf({ origin, keys: [{ pem: newPem() }, ...former] }));
    fsyncSync(file);
    renameSync(next, path);
  } catch (error) {
    rmSync(next, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
  return loadLogKeys(dataDir);
}

function openNext(path: string): number {
  try {
    return openSync(path, "wx", 0o600);
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
    throw new AppError("conflict", `Another rotation is under way. If none is, one was killed: remove ${path}.`);
  }
}

interface Stored {
  readonly origin: string;
  readonly keys: readonly { readonly pem: string; readonly untilMs?: number }[];
}

const stored = (dataDir: string): Stored => {
  const path = fileOf(dataDir);
  const make = (): string =>
    textOf({ origin: `tooltrail.local/${randomBytes(8).toString("hex")}`, keys: [{ pem: newPem() }] });
  return parsed(path, loadOrMake(path, make));
};

const textOf = (value: Stored): string => `${JSON.stringify(value, undefined, 2)}\n`;

const newPem = (): string =>
  generateKeyPairSync("ed25519").privateKey.export({ format: "pem", type: "pkcs8" }).toString();

function parsed(path: string, text: string): Stored {
  const { origin, keys } = objectOf(path, text);
  // What C2SP signed-note allows for the name of a key.
  if (typeof origin !== "string" || !/^[^\s+]{1,255}$/u.test(origin))
    throw new Error(`${path}: origin must be a text without white space and "+".`);
  if (!Array.isArray(keys) || keys.length === 0)
    throw new Error(`${path}: keys must be a list, the current key first.`);
  return {
    origin,
    keys: keys.map((key: Record<string, unknown> | null, i) => {
      const { pem, untilMs } = key ?? {};
      if (!isEd25519(pem)) throw new Error(`${path}: keys[${i}].pem is not an Ed25519 private key in PEM (PKCS #8).`);
      if (untilMs === undefined) return { pem };
      if (i === 0 || !Number.isSafeInteger(untilMs))
        throw new Error(`${path}: keys[${i}].untilMs must be milliseconds since the epoch, and not of the first key.`);
      return { pem, untilMs: Number(untilMs) };
    }),
  };
}

function objectOf(path: string, text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return { ...value };
  } catch {
    // said below, without what the parser quotes
  }
  throw new Error(`${path} is not a JSON object with origin and keys.`);
}

function isEd25519(pem: unknown): pem is string {
  try {
    return typeof pem === "string" && createPrivateKey(pem).asymmetricKeyType === "ed25519";
  } catch {
    return false;
  }
}

function keyOf({ pem, untilMs }: Stored["keys"][number]): FileLogKey {
  const key = createPrivateKey(pem);
  const { x = "" } = createPublicKey(key).export({ format: "jwk" });
  return {
    publicKey: Buffer.from(x, "base64url"),
    sign: async (message) => sign(null, message, key),
    ...(untilMs !== undefined && { untilMs }),
  };
}
