import { expect, test } from "vitest";
import { cellsOf, fields } from "./fields.ts";

const names = (cell: Parameters<typeof cellsOf>[0]): string =>
  cellsOf(cell)
    .map(({ to, in: place }) => (place === undefined ? `\`${to}\`` : `${place} \`${to}\``))
    .join(", ");

const page = `# Our fields, said elsewhere

Made from [the table](src/mapping/fields.ts) by its test (\`npx vitest run packages/core -u\`). \`tooltrail records --format otel\` and \`--format ocsf\` follow it.
OTel: MCP and GenAI conventions, as OTLP JSON, a span a line. OCSF 1.8.0: API Activity (6003), an event a line. IETF: draft-sharif-agent-audit-trail-00.

| field | OTel | OCSF | IETF draft |
|---|---|---|---|
${fields.map(({ field, otel, ocsf, ietf }) => `| \`${field}\` | ${names(otel)} | ${names(ocsf)} | ${names(ietf)} |`).join("\n")}
`;

test("the page of fields says what the table does", async () => {
  await expect(page).toMatchFileSnapshot("../../FIELDS.md");
});
