// API keys in the process: KEYS='{"<sha256 of a key, hex>": {"sub": "ada"}}' LISTEN=127.0.0.1:3000 node api-key.ts
import { createHash } from 'node:crypto';
import express from 'express';
import { requireBearerAuth } from '@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js';
import { InvalidTokenError } from '@modelcontextprotocol/sdk/server/auth/errors.js';
import { serve, host, port } from '../notes.ts';

// Digests only: whoever reads the environment cannot call. Keys are long random texts, so a fast digest will do.
const keys = new Map<string, { sub: string }>(Object.entries(JSON.parse(process.env.KEYS!)));

const verifier = {
  async verifyAccessToken(token: string) {
    const key = keys.get(createHash('sha256').update(token).digest('hex'));
    if (!key) throw new InvalidTokenError('key not accepted');
    return { token, clientId: key.sub, scopes: [], expiresAt: Infinity, extra: { sub: key.sub } };
  },
};

const app = express();
app.use(requireBearerAuth({ verifier })); // before the body is read
app.use(express.json());
app.post('/mcp', (req, res) => serve(String(req.auth!.extra!.sub), req, res));
app.listen(Number(port), host);
