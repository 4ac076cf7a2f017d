import { randomBytes } from "node:crypto";
import { hostname, userInfo } from "node:os";
import { type Audit, type Caller, createAudit } from "@tooltrail/core/audit";
import type { Ports } from "@tooltrail/core/ports";
import { identityOf } from "@tooltrail/format";
import { loadKeys } from "@tooltrail/format/keys";
import { localAccount } from "@tooltrail/local/bus";
import { fileEvents } from "@tooltrail/local/file-events";
import { createRules } from "@tooltrail/local/rules";
import { openDatabase } from "@tooltrail/local/sqlite";
import { sqliteLedger } from "@tooltrail/local/sqlite-ledger";
import { sqlitePrincipals, sqliteQuarantine } from "@tooltrail/local/sqlite-state";
import { config } from "./config.ts";
import { once } from "./once.ts";

/** The ports on this machine, opened at the first call and then the same. */
export const ports = once((): Ports => {
  const db = database();
  return {
    ledger: sqliteLedger(db),
    principals: sqlitePrincipals(db),
    quarantine: sqliteQuarantine(db),
    events: events(),
    surroundings: {
      now: Date.now,
      digestKey: keys().digestKey,
      formerDigestKeys: keys().formerDigestKeys,
      enrolledKeys: new Set([own().key, ...config().enrolledKeys]),
    },
  };
});

/** What the pipeline says, on file and to its own functions. */
export const events = once(() => fileEvents(config().dataDir, Date.now, rules().deliver));
export const rules = once(createRules);

/** For the queue, which on AWS is a service of its own. */
export const database = once(() => {
  const { dataDir, fsync } = config();
  return openDatabase(dataDir, fsync);
});

const keys = once(() => {
  const { spoolDir, digestKey } = config();
  return loadKeys(spoolDir, digestKey);
});

/** This process as an emitter: what proxies of this installation sign with, it signs with, too. */
const own = once(() => identityOf(keys().installationPem, randomBytes(16)));

export const audit = once((): Audit => createAudit(ports(), own(), localAccount));

/** Whoever has the token can read the data folder, hence is its owner as far as this machine can tell. */
export const callerOf = once((): Caller => {
  const subject = `os:${userInfo().username}@${hostname()}`;
  return { issuer: "os", subject, method: "token", verified: true };
}) as (event: unknown) => Caller;
