import { randomBytes } from "node:crypto";
import { dynamo } from "@tooltrail/aws/dynamo";
import { dynamoLedger } from "@tooltrail/aws/dynamo-ledger";
import { dynamoPrincipals } from "@tooltrail/aws/dynamo-principals";
import { dynamoQuarantine } from "@tooltrail/aws/dynamo-quarantine";
import { eventBridgeEvents } from "@tooltrail/aws/event-bridge-events";
import { secretKeys } from "@tooltrail/aws/secret-keys";
import { type Audit, createAudit } from "@tooltrail/core/audit";
import type { Ports } from "@tooltrail/core/ports";
import { identityOf } from "@tooltrail/format";
import { awsConfig } from "./config.ts";

export { callerOf } from "./caller-aws.ts";

/*
 * Everything is made while Lambda starts the function, with the full processor and before any event waits: where a variable or a key is
 * missing, the function does not start, and says so, rather than failing on each message.
 */
const { ledgerTable, stateTable, keysSecret, bus, account } = awsConfig();
const keys = await secretKeys(keysSecret);
const own = identityOf(keys.installationPem, randomBytes(16));
const database = dynamo();

const thePorts: Ports = {
  ledger: dynamoLedger(database, { ledgerTable, stateTable }),
  principals: dynamoPrincipals(database, stateTable),
  quarantine: dynamoQuarantine(database, stateTable),
  events: eventBridgeEvents(bus),
  surroundings: {
    now: Date.now,
    digestKey: keys.digestKey,
    formerDigestKeys: keys.formerDigestKeys,
    enrolledKeys: new Set([own.key, ...keys.enrolledKeys]),
  },
};
const theAudit = createAudit(thePorts, own, account);

/** The ports on AWS, one set for as long as Lambda keeps the process. */
export const ports = (): Ports => thePorts;

/** This process as an emitter, signing with the installation's key. */
export const audit = (): Audit => theAudit;
