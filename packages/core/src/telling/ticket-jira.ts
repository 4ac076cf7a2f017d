import { AppError } from "../errors.ts";
import type { Ticket } from "../incidents/incident.ts";
import type { Attempt, HttpAnswer, HttpRequest, TicketText } from "../incidents/ports.ts";
import type { Destination } from "../response/response.ts";
import { type AdfDocument, adfOf, cutAdf, sizeOf, textLengthOf } from "./adf.ts";
import { type Errand, Failure, jsonOf, membersOf } from "./attempt.ts";
import { cut, plainText } from "./words.ts";

type Jira = Extract<Destination, { readonly type: "jira" }>;

const maxSummary = 255;
/** Of a description. Whether of its text or of the JSON that it is stored as is not said anywhere, so the first is tried, and then the second. */
const maxDescription = 32_767;
const indexedAfterMs = 30_000;
const isTooLong = /too long|CONTENT_LIMIT_EXCEEDED/;

/**
 * An issue of Jira Cloud (https://developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-issues/).
 *
 * It has a label made from the incident's id, by which it is looked for before one is made: labels are matched as a whole, and people leave them alone. The search's index is some seconds behind, and
 * there is nothing else to look in, so after a lost answer the next attempt waits for it: a second issue is made only where this is killed after it has made the first, and is tried again before the
 * search has seen it. Of two the older one is kept up.
 */
export async function putOnJira(
  errand: Errand,
  destination: Jira,
  text: TicketText,
  known: Ticket | undefined,
): Promise<Attempt> {
  const api = await openApi(errand, destination);
  const label = labelOf(text.incident);
  const key = known?.id ?? (await api.find(label));
  const whole = adfOf(text.markdown);
  const summary = cut(plainText(text.title), maxSummary);
  const put = (measure: (document: AdfDocument) => number): Promise<string> => {
    const description = cutAdf(whole, measure, maxDescription, noteOf(text));
    return key === undefined
      ? api.create({ summary, description, labels: [label] })
      : api.change(key, { summary, description });
  };
  const id = await put(textLengthOf).catch((error: unknown) => {
    if (error instanceof Failure && isTooLong.test(error.message)) return put(sizeOf);
    throw error;
  });
  const url = `${baseOf(destination)}/browse/${id}`;
  return { outcome: "done", ticket: { destination: destination.name, id, url, revision: text.revision } };
}

const labelOf = (incident: string): string => `tooltrail-${incident.replace(/[^\w-]/g, "-")}`;
const baseOf = ({ url }: Jira): string => url.replace(/\/+$/, "");
const noteOf = ({ incident, marker }: TicketText): string =>
  `The rest did not fit in here: npx tooltrail postmortem show ${incident} (${marker})`;

interface Api {
  /** @returns the key of the oldest issue with the label. */
  find(label: string): Promise<string | undefined>;
  /** Both give the issue's key. */
  create(fields: object): Promise<string>;
  change(key: string, fields: object): Promise<string>;
}

async function openApi(errand: Errand, destination: Jira): Promise<Api> {
  const { user, token, project, issueType = "Task" } = destination;
  const credentials = Buffer.from(`${user}:${await errand.secret(token)}`).toString("base64");
  const headers = {
    authorization: `Basic ${credentials}`,
    accept: "application/json",
    "content-type": "application/json",
  };
  const ask = (method: HttpRequest["method"], path: string, content: object): Promise<HttpAnswer> =>
    errand.send({ method, url: `${baseOf(destination)}/rest/api/3${path}`, headers, body: JSON.stringify(content) });
  return {
    async find(label) {
      // A document that holds neither names nor texts is small, whatever the issues hold.
      const answer = await ask("POST", "/search/jql", {
        jql: `project = ${JSON.stringify(project)} AND labels = ${JSON.stringify(label)} ORDER BY created ASC`,
        fields: ["labels"],
        maxResults: 1,
      });
      const { issues } = membersOf(jsonOf(answer));
      if (!Array.isArray(issues)) throw new Failure("the answer is no search of Jira's.", true);
      return issues.length === 0 ? undefined : keyOf(issues[0]);
    },
    async create(fields) {
      const content = { fields: { project: { key: project }, issuetype: { name: issueType }, ...fields } };
      return keyOf(jsonOf(await ask("POST", "/issue", content).catch(waitForIndex)));
    },
    async change(key, fields) {
      await ask("PUT", `/issue/${encodeURIComponent(key)}`, { fields });
      return key;
    },
  };
}

/** What may have been made all the same is looked for when the search has had time to see it. */
function waitForIndex(error: unknown): never {
  if (error instanceof AppError && error.outcome === "unknown") throw new Failure(error.message, true, indexedAfterMs);
  if (error instanceof Failure && error.retryable && error.retryAfterMs === undefined)
    throw new Failure(error.message, true, indexedAfterMs);
  throw error;
}

function keyOf(issue: unknown): string {
  const { key } = membersOf(issue);
  if (typeof key !== "string" || !/^[A-Z][A-Z0-9_]*-\d+$/.test(key))
    throw new Failure("the answer is no issue of Jira's.", true);
  return key;
}
