import type { Attempt, TicketText, Ways } from "../incidents/ports.ts";
import type { Destination } from "../response/response.ts";
import { Failure } from "./attempt.ts";

/** A file `<incident id>.md`, replaced as a whole; one that says the same already is left alone, and one that is not ours as well. Its address is its path. */
export async function putInFolder(
  ways: Ways,
  { name, path }: Extract<Destination, { readonly type: "folder" }>,
  { incident, marker, markdown, revision }: TicketText,
): Promise<Attempt> {
  if (ways.folders === undefined)
    throw new Failure("this installation has no folders: that needs one that runs on a machine of yours.", false);
  const file = `${incident}.md`;
  const there = await ways.folders.read(path, file);
  if (there !== undefined && !there.includes(marker))
    throw new Failure(`${file} is there already, without the line "${marker}": it is somebody else's.`, false);
  if (there !== markdown) await ways.folders.write(path, file, markdown);
  const url = `${path.replace(/\/+$/, "")}/${file}`;
  return { outcome: "done", ticket: { destination: name, id: file, url, revision } };
}
