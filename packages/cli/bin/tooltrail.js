#!/usr/bin/env node
import "@tooltrail/format/compile-cache";
import { isMainThread, Worker } from "node:worker_threads";

// What reads a whole log makes much garbage of short life. Where the young heap is small, memory is, too, and it takes no longer: a process must be told so before
// it begins, a thread can be told by whoever begins it.
if (isMainThread && process.argv[2] === "verify") {
  const resourceLimits = { maxYoungGenerationSizeMb: 16 };
  const worker = new Worker(new URL(import.meta.url), { argv: process.argv.slice(2), resourceLimits });
  let failed = false;
  worker.on("error", ({ message }) => {
    failed = true;
    process.stderr.write(`tooltrail: ${message}\n`);
  });
  worker.on("exit", (code) => {
    process.exitCode = failed ? 2 : code; // could not tell
  });
} else await import("../src/tooltrail.ts");
