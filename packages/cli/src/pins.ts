import { createHash, randomBytes } from "node:crypto";
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { parseState, stateBytes, type VerifiedState } from "@tooltrail/core/verify/state";
import { sha256 } from "@tooltrail/format";
import { type Checkpoint, openCheckpoint, parseVkey, type VerifierKey } from "@tooltrail/format/log";

/** What was verified the last time, kept by whoever verifies: the log cannot be cut or written anew behind their back. */
export interface Pin {
  readonly origin: string;
  /** Where it was read from. */
  readonly source: string;
  readonly checkpoint: string;
  /** The log's keys (vkeys) that were trusted. */
  readonly keys: readonly string[];
  readonly checkedAtMs: number;
  /** SHA-256 of the state beside it, in hex. */
  readonly state?: string;
}

export interface OpenPin extends Pin {
  readonly trusted: readonly VerifierKey[];
  readonly at: Checkpoint;
}

/** One pin for each log, by its origin. */
export const pinFile = (dir: string, origin: string): string => join(dir, `${sha256(origin).slice(0, 32)}.json`);

/** @returns undefined where nothing is pinned. @throws Error where the file is no pin: somebody has been at it, and a person must look. */
export async function readPin(file: string): Promise<OpenPin | undefined> {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  try {
    const pin = JSON.parse(text) as Pin;
    const trusted = pin.keys.map(parseVkey);
    return { ...pin, trusted, at: await openCheckpoint(pin.checkpoint, trusted) };
  } catch (error) {
    throw new Error(
      `${file} is not a pin as verify writes it: ${(error as Error).message}. Look what happened to it before removing it.`,
    );
  }
}

/** Logs of other names that were read from there before: the same address should not suddenly have another log. */
export function otherPins(dir: string, source: string, origin: string): Pin[] {
  return filesIn(dir)
    .filter((name) => name.endsWith(".json"))
    .flatMap((name): Pin[] => {
      try {
        return [JSON.parse(readFileSync(join(dir, name), "utf8")) as Pin];
      } catch {
        return []; // not this log's: its own verification says so
      }
    })
    .filter((pin) => pin.source === source && pin.origin !== origin);
}

function filesIn(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
}

/** What was known when it was pinned, from the file beside the pin: undefined where that is not there, or is another than the pin says. */
export function readState(file: string, pin: Pin): VerifiedState | undefined {
  if (pin.state === undefined || !existsSync(stateFile(file))) return undefined;
  const bytes = readFileSync(stateFile(file));
  return hashOf([bytes]) === pin.state ? parseState(bytes) : undefined;
}

/** Replaces the pin and the state beside it, each whole. Killed in between, the pin is the old one, and the state is not its. */
export function writePin(file: string, pin: Pin, state: VerifiedState): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const bytes = stateBytes(state);
  replace(stateFile(file), bytes);
  replace(file, [Buffer.from(`${JSON.stringify({ ...pin, state: hashOf(bytes) }, undefined, 2)}\n`)]);
}

const stateFile = (file: string): string => `${file}.state`;

function hashOf(chunks: readonly Uint8Array[]): string {
  const hash = createHash("sha256");
  for (const chunk of chunks) hash.update(chunk);
  return hash.digest("hex");
}

function replace(file: string, chunks: readonly Uint8Array[]): void {
  const temporary = `${file}.${randomBytes(6).toString("hex")}.tmp`;
  const fd = openSync(temporary, "wx", 0o600);
  try {
    for (const chunk of chunks) writeFileSync(fd, chunk);
    fsyncSync(fd);
    closeSync(fd);
    renameSync(temporary, file);
  } catch (error) {
    unlinkSync(temporary);
    throw error;
  }
  const folder = openSync(dirname(file), "r");
  fsyncSync(folder);
  closeSync(folder);
}
