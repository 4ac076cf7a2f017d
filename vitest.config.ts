import { defineConfig } from "vitest/config";

/** `unit` is fast and runs before each commit; `system` starts real processes. */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["packages/**/*.test.ts", "functions/**/*.test.ts", "test/*.test.ts", "test/contract/**/*.test.ts"],
        },
      },
      {
        test: {
          name: "system",
          include: ["test/{pipeline,sdk,infra,interop,bench,readme,chaos}/**/*.test.ts"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
