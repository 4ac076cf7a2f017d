import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { dynamoDbFolder } from "./dynamodb-local.ts";

/**
 * Fetches DynamoDB Local (official, 57 MB), for tests alone: `npm run dynamodb-local`.
 *
 * It comes in the tarball of an npm package, pinned and checked; the package itself is not installed, since nothing of its dependencies is wanted.
 */
const tarball = "amplify-dynamodb-simulator@2.9.30";
const sha512 = "xTeeRLvzEfqyd5lh3bH4c0kHvSHHmmhD5ZDsHFKAQ5g2Zl6JqlFdutaQhCLHzxEp6Ry1o7TB6niIoXuQAnSewQ==";

if (existsSync(dynamoDbFolder)) {
  process.stdout.write(`DynamoDB Local is in ${dynamoDbFolder}\n`);
} else {
  const cache = join(dynamoDbFolder, "..");
  mkdirSync(cache, { recursive: true });
  const scratch = mkdtempSync(join(cache, "dynamodb-local-"));
  try {
    const packed = execFileSync("npm", ["pack", "--silent", "--pack-destination", scratch, tarball], {
      encoding: "utf8",
    });
    const file = join(scratch, packed.trim().split("\n").at(-1) ?? "");
    const found = createHash("sha512").update(readFileSync(file)).digest("base64");
    if (found !== sha512) throw new Error(`${tarball}: its SHA-512 is ${found}, not the one that is pinned.`);
    execFileSync("tar", ["-xzf", file, "-C", scratch, "package/emulator"]);
    // Whole or not at all: killed before this, the next run begins anew.
    renameSync(join(scratch, "package/emulator"), dynamoDbFolder);
    process.stdout.write(`DynamoDB Local is now in ${dynamoDbFolder}\n`);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
