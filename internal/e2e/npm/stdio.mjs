// Lists the tools of an MCP server that is a command, and calls one, with the TypeScript SDKs.
// node stdio.mjs legacy|auto|old TOOL COMMAND ARGUMENTS…; old is the SDK 1.x.
// Prints one line of JSON: {version, tools} or {error}.
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { Client as Client1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as Stdio1 } from '@modelcontextprotocol/sdk/client/stdio.js';

const [era, tool, command, ...args] = process.argv.slice(2);
const how = { command, args, env: process.env, stderr: 'inherit' };
const transport = era === 'old' ? new Stdio1(how) : new StdioClientTransport(how);
const client = era === 'old' ? new Client1({ name: 'gatehouse-e2e', version: '1' }) : new Client({ name: 'gatehouse-e2e', version: '2' }, { versionNegotiation: { mode: era } });
try {
  await client.connect(transport);
  const { tools } = await client.listTools();
  await client.callTool({ name: tool, arguments: {} });
  console.log(JSON.stringify({ version: client.getNegotiatedProtocolVersion?.(), tools: tools.map((t) => t.name) }));
  await client.close();
} catch (e) {
  console.log(JSON.stringify({ error: String(e) }));
  process.exitCode = 1;
}
