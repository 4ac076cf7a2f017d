import type { PostmortemAnswer } from "@tooltrail/api/types";
import { type Proven, runContractTests, takeAway, verifyReceipts } from "./prove.ts";
import type { Teller } from "./tell.ts";

/** It is over, and what is known of it is written, proven, and made complete. */
export async function learn(teller: Teller, id: string, vkey: string): Promise<Proven> {
  const { listeners, pipeline, person, hear, begin, tell, quiet } = teller;

  begin("resolve");
  await person.order("incident", "resolve", id);
  tell("resolved");
  await hear("ticket.linked", 15);
  tell(`postmortem drafted, and issue ${listeners.issues.issues()[0]?.number} made`);

  begin("postmortem");
  const { receipts, tests } = await takeAway(teller, id);
  tell(`${receipts.length} receipts and ${tests.length} contract tests are taken away`);

  begin("proof");
  await quiet();
  await pipeline.stop();
  await verifyReceipts(teller, receipts, vkey);
  tell("the pipeline is stopped, and each receipt holds without it");
  const contractTests = await runContractTests(teller, tests);
  for (const { file, broken, fixed } of contractTests)
    tell(`${file} ends with ${broken} on 2.0.0, and with ${fixed} on 2.0.1`);
  pipeline.start();
  await pipeline.ready();

  begin("close");
  await complete(teller, id);
  await person.order("incident", "close", id);
  await hear("incident.closed", 5);
  tell("the postmortem is complete, each action has an owner: closed");
  return { receipts: receipts.length, contractTests };
}

/** In words that Markdown has no need to escape: they are looked for in the issue. */
export const rootCause = "the new version reads a field that the price service leaves out for lamps";
const summary = "Orders could not be placed for half an hour: 2.0.0 could not read an answer of the price service.";

/** What only people can say: what it was, why, and who sees to it that it does not come again. */
async function complete({ person }: Teller, id: string): Promise<void> {
  const { postmortem } = await person.json<PostmortemAnswer>("postmortem", "show", id);
  const flags = [
    ...["--set", `summary=${summary}`],
    ...["--set", `rootCause=${rootCause}`],
    ...postmortem.actionItems.flatMap((item) => ["--owner", `${item.id}=Ada`]),
    ...["--item", "Ask the price service for a schema;type=prevent;owner=Grace"],
  ];
  await person.order("postmortem", "edit", id, ...flags);
}
