import { SESv2Client, SendEmailCommand } from "@aws-sdk/client-sesv2";
import type { Mail } from "@tooltrail/core/incidents/ports";
import { clientOptions, jitter, type Pause, request } from "./request.ts";

/**
 * Emails by Amazon SES (https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html), as plain text. The sender must be a verified identity of the account. SES has no key for a
 * message, so one that was sent again after a lost answer comes twice.
 *
 * @throws AppError as `request` does.
 */
export function sesMail({ requestTimeoutMs, pause = jitter }: { requestTimeoutMs?: number; pause?: Pause } = {}): Mail {
  const client = new SESv2Client(clientOptions(requestTimeoutMs));
  const utf8 = (text: string) => ({ Data: text, Charset: "UTF-8" });
  return {
    async send({ from, to, subject, text }) {
      const email = new SendEmailCommand({
        FromEmailAddress: from,
        Destination: { ToAddresses: [...to] },
        Content: { Simple: { Subject: utf8(subject), Body: { Text: utf8(text) } } },
      });
      await request("SES", pause, () => client.send(email));
    },
  };
}
