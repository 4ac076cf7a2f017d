export {
  type BatchHeaders,
  batchSchema,
  bodyLines,
  checkSeal,
  type Envelope,
  type Fault,
  firstPrev,
  headersHash,
  type Identity,
  identityOf,
  maxBatchRecords,
  maxBatchSpanMs,
  maxBodyBytes,
  maxEnvelopeBytes,
  maxPackedBytes,
  open,
  pack,
  recordLine,
  seal,
} from "./batch.ts";
export { canonical, keyedDigest, maxCanonicalBytes, sha256, steadyText } from "./canonical.ts";
export {
  busName,
  detailTypes,
  eventSource,
  type IncidentDetail,
  type IncidentSaid,
  ownActTypes,
  type PipelineEvent,
  pipelineSource,
} from "./events.ts";
export {
  callId,
  incidentId,
  isIncidentId,
  parseRecordId,
  plainEmitterId,
  pseudonym,
  quarantineId,
  type RecordPlace,
  recordId,
} from "./ids.ts";
export { isLoopback } from "./loopback.ts";
export type { PlainEvent } from "./plain-event.ts";
export type { PlainScore } from "./plain-score.ts";
export {
  type Annotations,
  type AuditRecord,
  type CallRecord,
  type Client,
  type ControlRecord,
  type Decision,
  type DefinitionRecord,
  decisionEffects,
  type IntentRecord,
  type LifecycleRecord,
  type Links,
  maxDefinitionRecordBytes,
  maxRecordBytes,
  type Outcome,
  type OutcomeClass,
  type OutcomeReason,
  outcomeClasses,
  outcomeReasons,
  type Principal,
  type PrincipalName,
  type RecordKind,
  recordKinds,
  recordSchema,
  type ScoreRecord,
  type Sealed,
  type ServerRef,
  type Shape,
  type Sides,
} from "./record.ts";
export { shapeOf } from "./shape.ts";
export { isTraceparent } from "./traceparent.ts";
export { upcast } from "./upcast.ts";
