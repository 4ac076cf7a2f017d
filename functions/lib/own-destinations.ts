import { join } from "node:path";
import type { Destination } from "@tooltrail/core/response/response";
import { config } from "./config.ts";

/** On one machine postmortems are files, unless a policy sends them elsewhere. */
export const ownDestinations = (): Destination[] => [
  { kind: "Destination", name: "postmortems", type: "folder", path: join(config().dataDir, "postmortems") },
];
