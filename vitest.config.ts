import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

/** `unit` is fast and runs before each commit; `system` starts real processes. */
export default defineConfig({
  test: {
    // Many suites wait for processes and clocks: one more of them keeps two cores busy.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    globalSetup: ["test/support/dynamodb-local.ts", "test/support/s3-server.ts"],
    projects: [
      {
        test: {
          name: "unit",
          // DynamoDB Local starts with the first suite that asks for it, on a machine that may be busy.
          testTimeout: 30_000,
          hookTimeout: 30_000,
          include: ["packages/**/*.test.ts", "functions/**/*.test.ts", "test/*.test.ts", "test/contract/**/*.test.ts"],
        },
      },
      {
        test: {
          name: "system",
          include: ["test/{pipeline,sdk,infra,interop,bench,readme,chaos,story}/**/*.test.ts"],
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
