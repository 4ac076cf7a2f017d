import type { Tell } from "../incidents/ports.ts";
import { attempt, Failure } from "./attempt.ts";
import { tellByEmail } from "./tell-email.ts";
import { tellPagerDuty } from "./tell-pagerduty.ts";
import { tellSlack } from "./tell-slack.ts";
import { tellTopic } from "./tell-topic.ts";
import { tellWebhook } from "./tell-webhook.ts";

/**
 * Tells one destination one thing, once. Never throws; what came of it, and whether it is worth another attempt, is a value (`retry.ts` says when). Safe to repeat: PagerDuty and a webhook take a
 * notice once, however often it is sent; Slack, email and topics have no key for it, and may show it twice.
 */
export const tell: Tell = (ways, destination, notice) =>
  attempt(ways, destination, async (errand) => {
    switch (destination.type) {
      case "pagerduty":
        return tellPagerDuty(errand, destination, notice);
      case "slack":
        return tellSlack(errand, destination, notice);
      case "webhook":
        return tellWebhook(ways, errand, destination, notice);
      case "email":
        return tellByEmail(ways, destination, notice);
      case "sns":
        return tellTopic(ways, destination, notice);
      case "github":
      case "jira":
      case "folder":
        throw new Failure("takes tickets, and nobody is told there.", false);
    }
  });
