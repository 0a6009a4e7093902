// Lists the tools of an MCP server and calls one, with the TypeScript SDK 2.x.
// node sdk2.mjs URL KEY legacy|modern|auto TOOL ARGUMENTS-JSON; an empty KEY sends no credential.
// Prints one line of JSON: {version, tools, result} or {status, error}.
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

const [url, key, era, tool, args] = process.argv.slice(2);
const mode = era === 'modern' ? { pin: '2026-07-28' } : era;
const headers = key ? { Authorization: `Bearer ${key}` } : {};
const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
const client = new Client({ name: 'gatehouse-e2e', version: '2' }, { versionNegotiation: { mode } });
try {
  await client.connect(transport);
  const { tools } = await client.listTools();
  const result = await client.callTool({ name: tool, arguments: JSON.parse(args) });
  console.log(JSON.stringify({ version: client.getNegotiatedProtocolVersion(), tools: tools.map((t) => t.name), result }));
  await client.close();
} catch (e) {
  console.log(JSON.stringify({ status: e.status ?? e.code ?? e.cause?.status, name: e.constructor.name, error: String(e) }));
  process.exitCode = 1;
}
