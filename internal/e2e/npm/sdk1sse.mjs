// Lists the tools of an MCP server and calls one over HTTP+SSE, with the TypeScript SDK 1.x.
// node sdk1sse.mjs URL KEY legacy TOOL ARGUMENTS-JSON; an empty KEY sends no credential.
// Answers what the server asks. Prints one line of JSON: {tools, result} or {status, error}.
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { CreateMessageRequestSchema, ElicitRequestSchema, ListRootsRequestSchema } from '@modelcontextprotocol/sdk/types.js';

const [url, key, , tool, args] = process.argv.slice(2);
const headers = key ? { Authorization: `Bearer ${key}` } : {};
const transport = new SSEClientTransport(new URL(url), { requestInit: { headers } });
const client = new Client({ name: 'gatehouse-e2e', version: '1' }, { capabilities: { sampling: {}, elicitation: {}, roots: {} } });
client.setRequestHandler(CreateMessageRequestSchema, () => ({ model: 'e2e', role: 'assistant', content: { type: 'text', text: 'sampled by the client' } }));
client.setRequestHandler(ElicitRequestSchema, () => ({ action: 'decline' }));
client.setRequestHandler(ListRootsRequestSchema, () => ({ roots: [{ uri: 'file:///e2e', name: 'e2e' }] }));
try {
  await client.connect(transport);
  const { tools } = await client.listTools();
  const result = await client.callTool({ name: tool, arguments: JSON.parse(args) });
  console.log(JSON.stringify({ tools: tools.map((t) => t.name), result }));
  await client.close();
} catch (e) {
  console.log(JSON.stringify({ status: e.status ?? e.code, name: e.constructor.name, error: String(e) }));
  process.exitCode = 1;
}
process.exit();
