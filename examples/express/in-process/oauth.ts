// OAuth 2.1 with PKCE: clients find the issuer by themselves, sign in, and sign in again for a tool that needs more.
// RESOURCE=https://mcp.example.com/mcp ISSUER=https://login.example.com LISTEN=127.0.0.1:3000 node oauth.ts
import express, { type Request } from 'express';
import { createRemoteJWKSet, errors, jwtVerify } from 'jose';
import { requireBearerAuth } from '@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js';
import { getOAuthProtectedResourceMetadataUrl, mcpAuthMetadataRouter } from '@modelcontextprotocol/sdk/server/auth/router.js';
import { InvalidTokenError } from '@modelcontextprotocol/sdk/server/auth/errors.js';
import { serve, host, port } from '../notes.ts';

const { RESOURCE, ISSUER } = process.env as Record<string, string>;
const metadata = await (await fetch(`${ISSUER}/.well-known/oauth-authorization-server`)).json();
if (metadata.issuer !== ISSUER) throw new Error(`${ISSUER} says that it is ${metadata.issuer}`); // RFC 8414 §3.3
const keys = createRemoteJWKSet(new URL(metadata.jwks_uri));

const verifier = {
  async verifyAccessToken(token: string) {
    const { payload } = await jwtVerify(token, keys, {
      issuer: ISSUER, audience: RESOURCE, typ: 'at+jwt', algorithms: ['RS256', 'ES256'],
      requiredClaims: ['sub', 'exp', 'client_id'], clockTolerance: 60,
    }).catch((e) => { // keys that cannot be had are no fault of the token
      throw e instanceof errors.JOSEError && !(e instanceof errors.JWKSTimeout) ? new InvalidTokenError('token not accepted') : e;
    });
    if (payload.cnf) throw new InvalidTokenError('a token that is bound to its client is no bearer token'); // RFC 9449 §7.2
    return {
      token, clientId: String(payload.client_id), scopes: String(payload.scope ?? '').split(' ').filter(Boolean),
      expiresAt: payload.exp! + 60, extra: { sub: payload.sub },
    };
  },
};

// need returns all scopes of a request: it has to be known before the answer begins. A body may be a list of messages.
const need = (req: Request) => [req.body].flat().some((m) => m?.method === 'tools/call' && m.params?.name === 'clear_notes')
  ? ['notes:read', 'notes:write'] : ['notes:read'];

const app = express();
app.use(mcpAuthMetadataRouter({ oauthMetadata: metadata, resourceServerUrl: new URL(RESOURCE), scopesSupported: ['notes:read'], resourceName: 'Notes' }));
app.use(express.json());
app.use((req, res, next) => requireBearerAuth({
  verifier, requiredScopes: need(req), resourceMetadataUrl: getOAuthProtectedResourceMetadataUrl(new URL(RESOURCE)),
})(req, res, next));
app.post('/mcp', (req, res) => serve(String(req.auth!.extra!.sub), req, res));
app.listen(Number(port), host);
