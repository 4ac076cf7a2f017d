import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";

test("a user without a home, as a container's need not have one, can run it", () => {
  const homeless = `data:text/javascript,
    import os from "node:os";
    import { syncBuiltinESMExports } from "node:module";
    os.homedir = () => { throw new Error("no home") };
    syncBuiltinESMExports();`;
  const program = join(import.meta.dirname, "../bin/tooltrail.js");
  const env = { PATH: process.env.PATH, TOOLTRAIL_SPOOL: "/nowhere/spool" };
  const said = execFileSync(process.execPath, ["--import", homeless.replaceAll("\n", " "), program, "--help"], { env });
  expect(said.toString()).toContain("tooltrail proxy");
});
