import { pipelineSource } from "@tooltrail/format";
import type { StageConfig } from "./config.ts";

/** The bus, and a policy for whoever emits: it may put events here, in any name but the pipeline's, and nothing else. */
export function createBus(config: StageConfig) {
  const bus = new sst.aws.Bus("Bus", { transform: { bus: { name: config.name } } });
  const emitters = new aws.iam.Policy("EmitterPolicy", {
    name: `${config.name}-emitter`,
    description: "Put audit events on the bus.",
    policy: aws.iam.getPolicyDocumentOutput({
      statements: [
        {
          actions: ["events:PutEvents"],
          resources: [bus.arn],
          conditions: everySource("StringNotEquals"),
        },
      ],
    }).json,
  });
  return { bus, emitterPolicyArn: emitters.arn };
}

/** What a function of the pipeline needs to say something on the bus: only in the pipeline's name. */
export const mayPublish = (bus: sst.aws.Bus) => ({
  actions: ["events:PutEvents"],
  resources: [bus.arn],
  conditions: everySource("StringEquals"),
});

/** A request carries up to ten events, so their source is a set to IAM; of an empty one everything is true, hence `Null`. */
const everySource = (test: "StringEquals" | "StringNotEquals") => [
  { test: `ForAllValues:${test}`, variable: "events:source", values: [pipelineSource] },
  { test: "Null", variable: "events:source", values: ["false"] },
];

/**
 * The bus itself refuses the pipeline's name from everybody but the pipeline, whatever a role elsewhere in the account allows: who listens for
 * `integrity.conflict` can believe it. Like the ledger's policy, an administrator can take it off.
 */
export function sealBus(bus: sst.aws.Bus, speakers: readonly sst.aws.Function[]) {
  new aws.cloudwatch.EventBusPolicy("BusPolicy", {
    eventBusName: bus.name,
    policy: aws.iam.getPolicyDocumentOutput({
      statements: [
        {
          sid: "OnlyThePipelineSpeaksInItsName",
          effect: "Deny",
          principals: [{ type: "*", identifiers: ["*"] }],
          actions: ["events:PutEvents"],
          resources: [bus.arn],
          conditions: [
            { test: "ForAnyValue:StringEquals", variable: "events:source", values: [pipelineSource] },
            {
              test: "StringNotEquals",
              variable: "aws:PrincipalArn",
              values: speakers.map((speaker) => speaker.nodes.role.arn),
            },
          ],
        },
      ],
    }).json,
  });
}
