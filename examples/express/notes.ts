import type { Request, Response } from 'express';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';

// serve answers one request of somebody whose name is known.
export async function serve(who: string, req: Request, res: Response) {
  const server = new McpServer({ name: 'notes', version: '1' });
  const say = (text: string) => async () => ({ content: [{ type: 'text' as const, text }] });
  server.registerTool('list_notes', { description: 'Your notes.' }, say(`${who} has 0 notes`));
  server.registerTool('clear_notes', { description: 'Remove your notes.' }, say(`cleared for ${who}`));
  const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined, enableJsonResponse: true });
  res.on('close', () => void server.close());
  await server.connect(transport);
  await transport.handleRequest(req, res, req.body);
}

// address is where the process listens, host and port.
export const [host, port] = process.env.LISTEN!.split(':') as [string, string];
