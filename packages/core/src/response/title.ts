import type { ResponseDocument } from "./response.ts";

/** What a document is about, in a few words: `billing >=2 <3 in production, back to 1.9.4`. */
export function titleOf(document: ResponseDocument): string {
  switch (document.kind) {
    case "Playbook":
      return document.title;
    case "Runbook": {
      const { server, versions, rollbackTo } = document;
      return `${server} ${versions}${whereOf(document)}${rollbackTo === undefined ? "" : `, back to ${rollbackTo}`}`;
    }
    case "Destination":
      return document.type;
    case "ResponsePolicy": {
      const { server = "every server", levels } = document;
      return `${server}${whereOf(document)}: ${levels.map(({ targets }) => targets.join(" and ") || "nobody").join(", then ")}`;
    }
  }
}

const whereOf = ({ environment }: { readonly environment?: string }): string =>
  environment === undefined ? "" : ` in ${environment}`;
