// An MCP server that stands behind Gatehouse and knows who is calling:
// GATEHOUSE=https://mcp.example.com SELF=http://127.0.0.1:3000/mcp node server.ts
import { createServer } from 'node:http';
import type { JWTPayload } from 'jose';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { identify } from './identity.ts';

// serve is the server as one caller sees it.
function serve(id: JWTPayload) {
  const server = new McpServer({ name: 'behind', version: '1' });
  server.registerTool('whoami', { description: 'Who is calling.' }, async () => ({
    content: [{ type: 'text', text: `${id.sub} of ${id.tenant_name} calls ${id.tool}` }],
  }));
  return server;
}

const self = new URL(process.env.SELF!);
createServer(async (req, res) => {
  let id: JWTPayload;
  try {
    id = await identify(req);
  } catch {
    res.writeHead(401).end('not from the gateway\n');
    return;
  }
  const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined, enableJsonResponse: true });
  await serve(id).connect(transport);
  await transport.handleRequest(req, res);
}).listen(Number(self.port), self.hostname);
