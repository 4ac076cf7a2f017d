import { generateKeyPairSync, randomBytes } from "node:crypto";
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";

/** The installation's secrets: who signs (Ed25519, PKCS #8 PEM), and what digests and pseudonyms are keyed with. */
export interface Keys {
  readonly installationPem: string;
  readonly digestKey: Uint8Array;
  /** From before a rotation, newest first. */
  readonly formerDigestKeys: readonly Uint8Array[];
}

/**
 * Reads the keys beside the spool, and makes them the first time.
 *
 * @param digestKey base64 or hex text that overrides the digest key's file (`TOOLTRAIL_DIGEST_KEY`), at least 32 bytes. Like the file, it may hold
 *   several keys, white space or commas between them: the first is used, the others are from before a rotation.
 * @throws Error where a key file is somebody else's or readable by others, or cannot be made.
 */
export function loadKeys(spoolDir: string, digestKey: string | undefined): Keys {
  const folder = dirname(spoolDir);
  return {
    installationPem: loadOrMake(join(folder, "installation.key"), makeInstallationKey),
    ...parseDigestKeys(digestKey ?? loadOrMake(join(folder, "digest.key"), () => `${makeDigestKey()}\n`)),
  };
}

/** A new Ed25519 key, PKCS #8 PEM. */
export const makeInstallationKey = (): string =>
  generateKeyPairSync("ed25519").privateKey.export({ format: "pem", type: "pkcs8" }).toString();

/** 32 random bytes in base64url. */
export const makeDigestKey = (): string => randomBytes(32).toString("base64url");

/** @throws Error where there is no key, or one of them is shorter than 32 bytes. */
export function parseDigestKeys(text: string): Pick<Keys, "digestKey" | "formerDigestKeys"> {
  const [digestKey, ...formerDigestKeys] = text
    .trim()
    .split(/[\s,]+/)
    .map(parseDigestKey);
  return { digestKey: digestKey ?? parseDigestKey(""), formerDigestKeys };
}

function parseDigestKey(text: string): Uint8Array {
  const key = /^[0-9a-f]{64,}$/i.test(text) ? Buffer.from(text, "hex") : Buffer.from(text, "base64");
  if (key.length < 32) {
    throw new Error(
      "The digest key (TOOLTRAIL_DIGEST_KEY, or digest.key beside the spool) needs at least 32 bytes, in hex or base64.",
    );
  }
  return key;
}

/**
 * A secret's text, from a file that this user alone can read; made the first time.
 *
 * Two processes may start at once, or one be killed: the file appears whole by `link`, and whoever comes second reads the first one's.
 *
 * @throws Error where the file is somebody else's or readable by others, or cannot be made.
 */
export function loadOrMake(path: string, make: () => string): string {
  const found = read(path);
  if (found !== undefined) return found;
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  const fd = openSync(temporary, "wx", 0o600);
  try {
    writeSync(fd, make());
    fsyncSync(fd);
    linkSync(temporary, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    closeSync(fd);
    unlinkSync(temporary);
  }
  const made = read(path);
  if (made === undefined) throw new Error(`${path} was removed while it was being made.`);
  return made;
}

function read(path: string): string | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  try {
    const { uid, mode } = fstatSync(fd);
    const mine = process.getuid === undefined || uid === process.getuid();
    if (!mine || (mode & 0o077) !== 0) throw new Error(`${path} must belong to this user alone (chmod 600).`);
    return readFileSync(fd, "utf8");
  } finally {
    closeSync(fd);
  }
}
