/*
 * What every generated contract test has in common: plain JavaScript for Node 20 and later. Nothing here depends on whom it is about.
 */

export const preamble = `// Made by tooltrail from a tool's recorded definition and the shape of its recorded arguments; no recorded value is in it.
//
// It starts the server and needs @modelcontextprotocol/sdk, version 1:
//
//     MCP_SERVER_COMMAND='["node","server.js"]' node --test THIS-FILE
//
// MCP_CALL_ARGUMENTS='{"path":"README.md"}' takes the place of arguments that are made up here, member by member.
// MCP_CALL_DESTRUCTIVE=1 calls a tool that may destroy something, too.
import assert from 'node:assert/strict';
import { env } from 'node:process';
import { after, before, test } from 'node:test';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { CallToolResultSchema, ListToolsResultSchema } from '@modelcontextprotocol/sdk/types.js';
import { AjvJsonSchemaValidator } from '@modelcontextprotocol/sdk/validation/ajv';
`;

export const checks = `const args = { ...madeUp, ...JSON.parse(env.MCP_CALL_ARGUMENTS ?? '{}') };
const isFilledIn = toFillIn.length === 0 || env.MCP_CALL_ARGUMENTS !== undefined;
const limits = { timeout: 30_000 };

const client = new Client({ name: 'contract-test', version: '1.0.0' });
let served;

before(async () => {
  const [command, ...rest] = JSON.parse(env.MCP_SERVER_COMMAND ?? '[]');
  assert.ok(command, \`Say how \${server} is started: MCP_SERVER_COMMAND='["node","server.js"]'\`);
  // The runner's own variable would make a server that is written for Node a test of it.
  const { NODE_TEST_CONTEXT: _, ...environment } = env;
  await client.connect(new StdioClientTransport({ command, args: rest, env: environment, stderr: 'inherit' }), limits);
  for (let page = 0, cursor; page < 100 && !served; page += 1) {
    const params = cursor === undefined ? {} : { cursor };
    const listed = await client.request({ method: 'tools/list', params }, ListToolsResultSchema, limits);
    served = listed.tools.find(({ name }) => name === tool);
    cursor = listed.nextCursor;
    if (cursor === undefined) break;
  }
}, { timeout: 60_000 });

after(() => client.close());

test('the tool is there', () => {
  assert.ok(served, \`\${server} lists no tool \${JSON.stringify(tool)}\`);
});

test('its schema takes arguments like the recorded ones', () => {
  assert.ok(served, 'there is no such tool');
  const { inputSchema } = served;
  const lacked = recordedKeys && (inputSchema.required ?? []).filter((name) => !recordedKeys.includes(name));
  assert.deepEqual(lacked ?? [], [], 'it requires what recorded arguments did not have');
  const unknown = recorded.filter((path) => !declares(inputSchema, path, inputSchema));
  assert.deepEqual(unknown, [], 'it does not know members that recorded arguments had');
  if (isFilledIn) assert.equal(misfit(inputSchema, args), undefined);
});

test('a call like the recorded ones goes well', { timeout: 60_000 }, async (t) => {
  assert.ok(served, 'there is no such tool');
  const mayDestroy = isDestructive || served.annotations?.destructiveHint === true;
  if (mayDestroy && env.MCP_CALL_DESTRUCTIVE !== '1') return t.skip('it may destroy something: MCP_CALL_DESTRUCTIVE=1 calls it all the same');
  if (!isFilledIn) return t.skip(\`MCP_CALL_ARGUMENTS has to give \${JSON.stringify(toFillIn)}\`);
  const params = { name: tool, arguments: args };
  const result = await client.request({ method: 'tools/call', params }, CallToolResultSchema, limits);
  assert.ok(!result.isError, \`it answered with an error: \${JSON.stringify(result.content)}\`);
  if (outputSchema) assert.ok(served.outputSchema, 'it promises nothing of its answers any more');
  if (served.outputSchema) assert.equal(misfit(served.outputSchema, result.structuredContent), undefined);
  if (outputSchema) assert.equal(misfit(outputSchema, result.structuredContent), undefined);
});

/* Where a value does not fit a schema; undefined where it does. */
function misfit({ $schema: _schema, $id: _id, ...schema }, value) {
  if (value === undefined) return 'there is no structured content';
  const { valid, errorMessage } = new AjvJsonSchemaValidator().getValidator(schema)(value);
  return valid ? undefined : errorMessage;
}

/* Whether a schema has a member of its own for what is at the end of a way. */
function declares(schema, [step, ...rest], root, depth = 0) {
  if (typeof schema !== 'object' || schema === null || depth > 16) return false;
  const others = [...(schema.allOf ?? []), ...(schema.anyOf ?? []), ...(schema.oneOf ?? []), pointed(schema.$ref, root)];
  const lists = [...(schema.prefixItems ?? []), schema.items];
  const next = step === '*' ? lists : [Object.hasOwn(schema.properties ?? {}, step) ? schema.properties[step] : undefined];
  const here = next.filter((one) => one !== undefined);
  if (here.length > 0 && (rest.length === 0 || here.some((one) => declares(one, rest, root, depth + 1)))) return true;
  return others.some((one) => declares(one, [step, ...rest], root, depth + 1));
}

function pointed(reference, root) {
  if (typeof reference !== 'string' || !reference.startsWith('#')) return undefined;
  const steps = reference.split('/').slice(1).map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
  return steps.reduce((value, step) => (Object.hasOwn(value ?? {}, step) ? value[step] : undefined), root);
}
`;
