/// <reference path="./.sst/platform/config.d.ts" />

/** The same functions on AWS: `npx sst deploy --stage production`. What is in it, and why: stacks/README.md. */
export default $config({
  app({ stage }) {
    const production = stage === "production";
    return { name: "tooltrail", home: "aws", protect: production, removal: production ? "retain" : "remove" };
  },
  async run() {
    // SST allows no import above `run`.
    const { stageConfig } = await import("./stacks/config.ts");
    const { tooltrail } = await import("./stacks/tooltrail.ts");
    return tooltrail(stageConfig($app.stage, process.env));
  },
});
