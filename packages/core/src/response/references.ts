import { type Fault, oneOf, type Path, shown } from "../slo/document.ts";
import { type Destination, noticeTypes, type ResponseDocument, type ResponsePolicy, ticketTypes } from "./response.ts";

/** What is to be said of a document beside others. Not there: that may be elsewhere, and is noted. Of the wrong type: that is a fault. */
export interface Reference {
  readonly policy: ResponsePolicy;
  readonly faults: readonly Fault[];
  readonly notes: readonly Fault[];
}

/** Looks at the destinations that policies name, among the documents that are here together. */
export function checkReferences(documents: readonly ResponseDocument[]): Reference[] {
  const types = new Map(
    documents
      .filter((document): document is Destination => document.kind === "Destination")
      .map(({ name, type }) => [name, type]),
  );
  return documents
    .filter((document): document is ResponsePolicy => document.kind === "ResponsePolicy")
    .map((policy) => {
      const named = namedIn(policy);
      return {
        policy,
        faults: named.flatMap(({ path, name, use }) => {
          const type = types.get(name);
          if (type === undefined || uses[use].some((one) => one === type)) return [];
          return [{ path, message: `${shown(name)} is of type ${type}. ${use} are of type ${oneOf(uses[use])}.` }];
        }),
        notes: named
          .filter(({ name }) => !types.has(name))
          .map(({ path, name }) => ({ path, message: `no destination ${shown(name)} is among these documents.` })),
      };
    });
}

/** What can be asked of which destinations. */
const uses = { Targets: noticeTypes, Tickets: ticketTypes, Executors: ["webhook"] } as const satisfies {
  readonly [use: string]: readonly Destination["type"][];
};

const namedIn = ({ levels, tickets, executors }: ResponsePolicy) => [
  ...levels.flatMap(({ targets }, i) => listed("Targets", ["levels", i, "targets"], targets)),
  ...listed("Tickets", ["tickets"], tickets),
  ...listed("Executors", ["executors"], executors),
];

const listed = (use: keyof typeof uses, path: Path, names: readonly string[]) =>
  names.map((name, i) => ({ use, path: [...path, i], name }));
