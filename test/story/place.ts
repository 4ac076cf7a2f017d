import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeChaosPlace } from "../chaos/place.ts";
import { node, root } from "../support/pipeline.ts";
import type { StoryClock } from "./clock.ts";

/** Where a story takes place: the team's folder, a pipeline's data and port, and what is deployed. */
export interface StoryPlace {
  readonly dir: string;
  readonly data: string;
  readonly port: number;
  readonly endpoint: string;
  readonly env: NodeJS.ProcessEnv;
  /** Arguments of `node`. */
  readonly pipelineCommand: readonly string[];
  commandLine(...words: readonly string[]): readonly string[];
  trafficCommand(pauseMs: number): readonly string[];
  /** How a version of the server is started, without a clock of the story's under it. */
  serverCommand(version: string): readonly string[];
  deploy(version: string): void;
  remove(): void;
}

const cli = join(root, "packages/cli/bin/tooltrail.js");
const server = join(root, "test/story/server.ts");

export async function makeStoryPlace({ env: clockEnv, flags }: StoryClock): Promise<StoryPlace> {
  const { dir, data, port, endpoint, env, pipelineCommand, remove } = await makeChaosPlace();
  const fileOf = (name: string, version: string): string => {
    const file = join(dir, name);
    writeFileSync(file, `${version}\n`);
    return file;
  };
  const deployed = join(dir, "deployed");
  mkdirSync(data, { mode: 0o700 });
  return {
    dir,
    data,
    port,
    endpoint,
    env: { ...env, ...clockEnv, TOOLTRAIL_ENVIRONMENT: "production" },
    pipelineCommand: [...flags, ...pipelineCommand],
    commandLine: (...words) => [...flags, cli, ...words],
    trafficCommand: (pauseMs) => [
      join(root, "test/story/traffic.ts"),
      String(pauseMs),
      deployed,
      node,
      ...[...flags, cli, "proxy", "--server", "orders", "--"],
      ...[node, ...flags, server, deployed],
    ],
    serverCommand: (version) => [node, server, fileOf(`deployed-${version}`, version)],
    deploy: (version) => void fileOf("deployed", version),
    remove,
  };
}
