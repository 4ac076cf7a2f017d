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
          conditions: [{ test: "StringNotEquals", variable: "events:source", values: [pipelineSource] }],
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
  conditions: [{ test: "StringEquals", variable: "events:source", values: [pipelineSource] }],
});
