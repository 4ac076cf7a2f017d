import { describe, expect, test } from "vitest";
import { withoutNpm } from "./environment.ts";

const user = { HOME: "/home/u", PATH: "/home/u/bin:/usr/bin:/bin", NPM_TOKEN: "t" };

/** What `npx tooltrail proxy` adds, as npm 11 does. */
const npm = {
  npm_command: "exec",
  npm_config_cache: "/home/u/.npm",
  npm_execpath: "/usr/lib/node_modules/npm/bin/npm-cli.js",
  npm_node_execpath: "/usr/bin/node",
  npm_lifecycle_event: "npx",
  INIT_CWD: "/home/u/project",
  NODE: "/usr/bin/node",
  COLOR: "0",
  EDITOR: "vi",
};
const prefix = "/home/u/project/node_modules/.bin:/home/node_modules/.bin:/usr/lib/node_modules/npm/lib/node-gyp-bin";
const byNpm = (env: NodeJS.ProcessEnv) => ({ ...env, ...npm, PATH: `${prefix}:${env.PATH}` });

describe("the server's environment", () => {
  test.each<[string, NodeJS.ProcessEnv, NodeJS.ProcessEnv]>([
    [
      "is left alone without npm",
      { ...user, NODE: "x", COLOR: "1", EDITOR: "vi" },
      { ...user, NODE: "x", COLOR: "1", EDITOR: "vi" },
    ],
    ["has nothing of npm's left", byNpm(user), user],
    [
      "keeps the user's own editor and node",
      { ...byNpm(user), EDITOR: "ed", NODE: "/opt/node" },
      { ...user, EDITOR: "ed", NODE: "/opt/node" },
    ],
    ["keeps a PATH that npm did not mark", { ...byNpm(user), PATH: "/usr/bin" }, { ...user, PATH: "/usr/bin" }],
    [
      "loses only the innermost npm's folders",
      { ...byNpm(user), PATH: `${prefix}:/outer/node-gyp-bin:/usr/bin` },
      { ...user, PATH: "/outer/node-gyp-bin:/usr/bin" },
    ],
  ])("%s", (_, given, expected) => {
    expect(withoutNpm(given)).toEqual(expected);
  });
});
