import { keepDraft, keepTicket } from "@tooltrail/core/postmortem/keep";
import { fileFolders } from "@tooltrail/local/file-folders";
import { reader } from "#log";
import { config } from "./config.ts";
import { fetchHttp } from "./http.ts";
import type { Responder } from "./incident-parts.ts";
import { once } from "./once.ts";
import { ownDestinations } from "./own-destinations.ts";
import { events, ports } from "./ports-local.ts";
import { localSecrets } from "./secrets-local.ts";

const now = Date.now;
const startedAtMs = now();

const ways = once(() => ({
  http: fetchHttp(),
  secrets: localSecrets(config().dataDir, process.env),
  folders: fileFolders(config().dataDir),
  now,
}));

export async function responder(): Promise<Responder> {
  const log = (await reader())();
  const evidence = { ledger: ports().ledger, projections: log.projections, log };
  return {
    projections: log.projections,
    events: events(),
    principals: ports().principals,
    ways: ways(),
    destinations: ownDestinations(),
    random: Math.random,
    now,
    startedAtMs,
    draft: (incident) => keepDraft(evidence, incident, now()),
    ticket: (incident, destination) =>
      keepTicket({ projections: log.projections, ways: ways(), nowMs: now() }, incident, destination),
  };
}
