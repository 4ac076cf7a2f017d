/** Names on the bus. A stack, an emitter and the one-machine bus must agree on them. */
export const busName = "tooltrail";
export const eventSource = "tooltrail";
export const detailTypes = { batch: "tooltrail.batch/1", plain: "MCP Tool Call" } as const;

/** The source of what the pipeline itself says on the bus. Its own rule does not listen to it. */
export const pipelineSource = "tooltrail.pipeline";

/**
 * What the pipeline says on the bus: the type is the detail-type, the rest the detail.
 *
 * `integrity.conflict`: somebody wrote another batch under a number that is taken (`refused`, kept in quarantine), or touched the ledger itself.
 */
export type PipelineEvent =
  | {
      readonly type: "integrity.conflict";
      readonly what: "batch_refused";
      readonly emitter: string;
      readonly seq: number;
      /** Identities of the batch in the ledger and of the one that was refused. */
      readonly stored: string;
      readonly refused: string;
      readonly quarantineId: string;
      readonly account: string;
    }
  | {
      readonly type: "integrity.conflict";
      readonly what: "ledger_modified" | "ledger_removed";
      readonly emitter: string;
      readonly seq: number;
    };
