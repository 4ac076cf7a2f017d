import { PublishCommand, SNSClient } from "@aws-sdk/client-sns";
import type { Topics } from "@tooltrail/core/incidents/ports";
import { clientOptions, jitter, type Pause, request } from "./request.ts";

/**
 * Topics of Amazon SNS (https://docs.aws.amazon.com/sns/latest/api/API_Publish.html). Standard ones have no key for a message, so one that was sent again after a lost answer comes twice.
 *
 * @throws AppError as `request` does.
 */
export function snsTopics({
  requestTimeoutMs,
  pause = jitter,
}: {
  requestTimeoutMs?: number;
  pause?: Pause;
} = {}): Topics {
  const client = new SNSClient(clientOptions(requestTimeoutMs));
  return {
    async publish({ topicArn, subject, text }) {
      const message = new PublishCommand({ TopicArn: topicArn, Subject: subject, Message: text });
      await request("SNS", pause, () => client.send(message));
    },
  };
}
