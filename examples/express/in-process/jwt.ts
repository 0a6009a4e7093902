// JWTs that programs have already: RS256, for this server and no other.
// RESOURCE=https://mcp.example.com/mcp ISSUER=https://jobs.example.com JWKS=https://jobs.example.com/jwks.json LISTEN=127.0.0.1:3000 node jwt.ts
import express from 'express';
import { createRemoteJWKSet, errors, jwtVerify } from 'jose';
import { requireBearerAuth } from '@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js';
import { InvalidTokenError } from '@modelcontextprotocol/sdk/server/auth/errors.js';
import { serve, host, port } from '../notes.ts';

const { RESOURCE, ISSUER, JWKS } = process.env as Record<string, string>;
const keys = createRemoteJWKSet(new URL(JWKS));

const verifier = {
  async verifyAccessToken(token: string) {
    const { payload } = await jwtVerify(token, keys, {
      issuer: ISSUER, audience: RESOURCE, algorithms: ['RS256'], typ: 'JWT', requiredClaims: ['sub', 'exp'], clockTolerance: 60,
    }).catch((e) => { // keys that cannot be had are no fault of the token
      throw e instanceof errors.JOSEError && !(e instanceof errors.JWKSTimeout) ? new InvalidTokenError('token not accepted') : e;
    });
    return { token, clientId: payload.sub!, scopes: [], expiresAt: payload.exp! + 60, extra: { sub: payload.sub } };
  },
};

const app = express();
app.use(requireBearerAuth({ verifier })); // before the body is read
app.use(express.json());
app.post('/mcp', (req, res) => serve(String(req.auth!.extra!.sub), req, res));
app.listen(Number(port), host);
