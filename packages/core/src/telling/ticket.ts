import type { PutTicket } from "../incidents/ports.ts";
import { attempt, Failure } from "./attempt.ts";
import { putInFolder } from "./ticket-folder.ts";
import { putOnGitHub } from "./ticket-github.ts";
import { putOnJira } from "./ticket-jira.ts";

/**
 * Makes a ticket of a postmortem, or changes the one that there is. Never throws. Safe to repeat, and to be killed anywhere: what was made and not remembered is found by its marker before another is
 * made. How long one may stay unfound is said with each destination.
 */
export const putTicket: PutTicket = (ways, destination, text, known) =>
  attempt(ways, destination, async (errand) => {
    switch (destination.type) {
      case "github":
        return putOnGitHub(errand, destination, text, known);
      case "jira":
        return putOnJira(errand, destination, text, known);
      case "folder":
        return putInFolder(ways, destination, text);
      case "pagerduty":
      case "slack":
      case "webhook":
      case "email":
      case "sns":
        throw new Failure("is told of incidents, and takes no tickets.", false);
    }
  });
