/**
 * The two tables, as data: what a stack creates, what tests create, and what the adapters rely on are the same thing.
 *
 * Ledger: append-only. `pk` is the emitter, `sk` its batch's number; the index holds nothing but keys, by server and day.
 * State: all that is mutable. Rows with `expiresAt` (seconds since the epoch) go away by themselves.
 */
export const ledgerTable = {
  hashKey: "pk",
  rangeKey: "sk",
  index: { name: "byServerDay", hashKey: "gpk", rangeKey: "gsk", projection: "KEYS_ONLY" },
} as const;

export const stateTable = { hashKey: "pk", rangeKey: "sk", timeToLive: "expiresAt" } as const;

/** The type of every key attribute above: text. */
export const keyType = "S";

/**
 * What each function asks of DynamoDB through these adapters, hence what its role may allow, and no more. A transaction needs the permission of
 * each of its writes. On the ledger `Query` is of the index alone. On State the api's `DeleteItem` is of `QUARANTINE` and of definitions, the evaluation's of `P#slo-alerts`, that of triage, respond and
 * incidents of `P#incidents`.
 *
 * `partitions`: what the keys of State begin with that it names (`dynamodb:LeadingKeys`), of rows of projections with their name. Sequencer, signer, follower, evaluation, and who deals with incidents
 * are told apart by nothing else.
 */
export const permissions = {
  ingest: { ledger: ["PutItem"], state: ["GetItem", "PutItem"] },
  api: {
    ledger: ["BatchGetItem", "GetItem", "PutItem", "Query"],
    state: ["BatchGetItem", "DeleteItem", "GetItem", "PutItem", "Query"],
  },
  sequence: {
    ledger: [],
    state: ["BatchGetItem", "BatchWriteItem", "GetItem", "PutItem"],
    partitions: ["LEAF", "LOG"],
  },
  reconcile: {
    ledger: ["GetItem", "Query"],
    state: ["BatchGetItem", "BatchWriteItem", "GetItem", "PutItem", "Query"],
    partitions: ["DAYS", "LEAF", "LOG", "SIGNER"],
  },
  sign: { ledger: [], state: ["GetItem", "PutItem"], partitions: ["LOG", "SIGNER"] },
  follow: {
    ledger: ["GetItem"],
    state: ["BatchGetItem", "BatchWriteItem", "DeleteItem", "GetItem", "PutItem", "Query"],
    partitions: ["CURSOR", "P#continuity", "P#continuity-said", "P#counters", "P#inventory", "P#postings"],
  },
  evaluate: {
    ledger: ["BatchGetItem", "GetItem", "Query"],
    state: ["BatchGetItem", "DeleteItem", "GetItem", "PutItem", "Query"],
    partitions: [
      "CURSOR",
      "DAYS",
      "LEAF",
      "P#counters",
      "P#own-figures",
      "P#slo-alerts",
      "P#slo-definitions",
      "QUARANTINE",
    ],
  },
  triage: {
    ledger: ["BatchGetItem", "Query"],
    state: ["BatchGetItem", "DeleteItem", "GetItem", "PutItem", "Query"],
    partitions: ["CURSOR", "DAYS", "P#counters", "P#incidents", "P#response-documents", "P#slo-definitions"],
  },
  respond: {
    ledger: ["BatchGetItem", "GetItem", "Query"],
    state: ["BatchGetItem", "DeleteItem", "GetItem", "PutItem", "Query"],
    partitions: [
      "CURSOR",
      "DAYS",
      "LEAF",
      "NAME",
      "P#counters",
      "P#incidents",
      "P#inventory",
      "P#response-documents",
      "P#slo-definitions",
    ],
  },
  incidents: {
    ledger: ["PutItem"],
    state: ["BatchGetItem", "DeleteItem", "GetItem", "PutItem", "Query"],
    partitions: [
      "CURSOR",
      "DAYS",
      "NAME",
      "P#incidents",
      "P#inventory",
      "P#response-documents",
      "QUARANTINE",
      "SUBJECT",
    ],
  },
} as const;
