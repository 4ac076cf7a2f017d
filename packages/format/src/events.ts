/** Names on the bus. A stack, an emitter and the one-machine bus must agree on them. */
export const busName = "tooltrail";
export const eventSource = "tooltrail";
export const detailTypes = { batch: "tooltrail.batch/1", plain: "MCP Tool Call" } as const;

/** The source of what the pipeline itself says on the bus. Its own rule does not listen to it. */
export const pipelineSource = "tooltrail.pipeline";

/**
 * What the pipeline says on the bus: the type is the detail-type, the rest the detail.
 *
 * `integrity.conflict`: somebody wrote another batch under a number that is taken (`refused`, kept in quarantine), touched the ledger itself, or
 * the log's objects are not what they must be, so that it stands still.
 * `log.sequenced`: the log has grown to `size` leaves, not yet signed. `log.advanced`: a checkpoint of `size` leaves is published.
 * `log.witness.missed`: a checkpoint is published without the signature of a configured witness, which was asked, and gave none now or before.
 * `emitter.gap`: batches that an emitter has numbered have not come for 15 minutes (`open`), or have come after all (`closed`).
 * `emitter.silent`: an emitter that has not said that it stops has said nothing for 15 minutes.
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
    }
  | {
      readonly type: "integrity.conflict";
      readonly what: "log_diverged";
      /** The object's name, or `head`. */
      readonly object: string;
      readonly detail: string;
    }
  | { readonly type: "log.sequenced"; readonly size: number }
  | {
      readonly type: "log.advanced";
      readonly origin: string;
      readonly size: number;
      /** base64. */
      readonly root: string;
      readonly cosignatures: number;
    }
  | {
      readonly type: "log.witness.missed";
      readonly origin: string;
      readonly size: number;
      /** The name of its key. */
      readonly witness: string;
      readonly why: string;
    }
  | {
      readonly type: "emitter.gap";
      readonly state: "open" | "closed";
      readonly emitter: string;
      readonly server: string;
      /** The missing numbers, both included. */
      readonly from: number;
      readonly to: number;
    }
  | {
      readonly type: "emitter.silent";
      readonly emitter: string;
      readonly server: string;
      readonly lastSeq: number;
      readonly lastReceivedAt: number;
    };
