import { delimiter } from "node:path";

/**
 * The environment that the proxy was started in, without what npm put there (`npx tooltrail proxy -- …`): the server must find the
 * same `node` and the same variables as without the proxy.
 *
 * npm prepends its folders to PATH and ends them with one of its own, `…/node-gyp-bin`, which marks where the user's PATH begins. A
 * variable named `npm_*` that the user had set cannot be told from npm's and goes too.
 */
export function withoutNpm(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  if (env.npm_execpath === undefined) return env;
  const kept = Object.entries(env).filter(([name]) => !name.startsWith("npm_") && name !== "INIT_CWD");
  const clean: NodeJS.ProcessEnv = Object.fromEntries(kept);
  if (clean.NODE === env.npm_node_execpath) delete clean.NODE;
  if (clean.COLOR === "0" || clean.COLOR === "1") delete clean.COLOR;
  if (clean.EDITOR === "vi") delete clean.EDITOR;
  const folders = (env.PATH ?? "").split(delimiter);
  const last = folders.findIndex((folder) => /[\\/]node-gyp-bin$/.test(folder));
  if (last !== -1) clean.PATH = folders.slice(last + 1).join(delimiter);
  return clean;
}
