// Lists the tools of an MCP server and calls one, with the TypeScript SDK 1.x.
// node sdk1.mjs URL KEY legacy TOOL ARGUMENTS-JSON; an empty KEY sends no credential.
// Prints one line of JSON: {version, tools, result} or {status, error}.
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

const [url, key, , tool, args] = process.argv.slice(2);
const headers = key ? { Authorization: `Bearer ${key}` } : {};
const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
const client = new Client({ name: 'gatehouse-e2e', version: '1' });
try {
  await client.connect(transport);
  const { tools } = await client.listTools();
  const result = await client.callTool({ name: tool, arguments: JSON.parse(args) });
  console.log(JSON.stringify({ version: transport.protocolVersion, tools: tools.map((t) => t.name), result }));
  await transport.terminateSession();
  await client.close();
} catch (e) {
  console.log(JSON.stringify({ status: e.status ?? e.code, name: e.constructor.name, error: String(e) }));
  process.exitCode = 1;
}
