import { contextOf } from "@tooltrail/local/poller";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { lambda, loggerOf } from "./handler.ts";

let lines: { readonly message: string; readonly function: string }[];
beforeEach(() => {
  lines = [];
  vi.stubEnv("POWERTOOLS_METRICS_DISABLED", "true");
  const take = (text: unknown): boolean => lines.push(JSON.parse(String(text))) > 0;
  vi.spyOn(process.stdout, "write").mockImplementation(take);
  vi.spyOn(process.stderr, "write").mockImplementation(take);
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

test("functions that run side by side in one process say each its own name, however often they run", async () => {
  const functions = ["sign", "follow"].map((name) => {
    const logger = loggerOf(name);
    return async () => {
      const run = lambda(logger, async () => {
        await new Promise((resolve) => setTimeout(resolve, 5));
        logger.warn(name);
      });
      await run({}, contextOf(name));
    };
  });
  for (let i = 0; i < 2; i += 1) await Promise.all(functions.map((run) => run()));
  vi.restoreAllMocks();
  const warned = lines.filter(({ message }) => message !== undefined);
  expect(warned.map((line) => [line.message, line.function]).sort()).toEqual([
    ["follow", "follow"],
    ["follow", "follow"],
    ["sign", "sign"],
    ["sign", "sign"],
  ]);
});
