import type { EventBridgeEvent } from "aws-lambda";

/** An event as EventBridge gives it to a rule's target. */
export type RuleEvent = EventBridgeEvent<string, unknown>;

/** The bus's rules for what the pipeline itself says: whoever asked for a detail-type is called with each such event, at once. */
export interface Rules {
  on(detailType: string, call: (event: RuleEvent) => void): void;
  deliver(event: RuleEvent): void;
}

export function createRules(): Rules {
  const targets: { readonly detailType: string; readonly call: (event: RuleEvent) => void }[] = [];
  return {
    on: (detailType, call) => void targets.push({ detailType, call }),
    deliver(event) {
      for (const { detailType, call } of targets) if (detailType === event["detail-type"]) call(event);
    },
  };
}
