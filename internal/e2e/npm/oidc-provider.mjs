// An OpenID provider of the real kind (node oidc-provider) whose users consent to everything.
// node oidc-provider.mjs CONFIGURATION-FILE, which is JSON:
//   {issuer, port, cert, key, keys: [JWK, the first signs], clients: [metadata], accounts: {name: {claims of access tokens}},
//    resources: {URI: {scope, format: "jwt"|"opaque", ttl}}, defaultResource: URI, ttls: {user: seconds},
//    claims: {scope: [claims of ID tokens and userinfo]}}
// Who signs in is the login_hint, or the first account. Prints "ready" when it listens.
// For tests alone: POST /test/keys with [JWK, …] changes the keys; GET /test/seen counts requests by path.
import { createServer as plain } from 'node:http';
import { createServer as secure } from 'node:https';
import { readFileSync } from 'node:fs';
import { Provider, errors } from 'oidc-provider';
import { createMemoryAdapter } from './node_modules/oidc-provider/lib/adapters/memory_adapter.js';

const given = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const adapter = createMemoryAdapter(); // outlives a change of keys
const seen = {};

function provider(keys) {
  const p = new Provider(given.issuer, {
    adapter,
    jwks: { keys },
    clients: given.clients ?? [],
    clientBasedCORS: () => true,
    cookies: { keys: ['not-a-secret'] },
    pkce: { required: () => true },
    clientDefaults: { id_token_signed_response_alg: keys[0].alg },
    ...(given.claims && { claims: given.claims }),
    scopes: ['openid', 'offline_access', ...Object.keys(given.claims ?? {}), ...Object.values(given.resources).flatMap((r) => r.scope.split(' '))],
    ttl: {
      Grant: 3600, IdToken: 600, Interaction: 600, RefreshToken: 3600, Session: 3600,
      AccessToken: (_ctx, token) => given.ttls?.[token.accountId] ?? token.resourceServer?.accessTokenTTL ?? 600,
      ClientCredentials: (_ctx, token) => token.resourceServer?.accessTokenTTL ?? 600,
    },
    findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id, ...given.accounts[id] }) }),
    extraTokenClaims: (_ctx, token) => given.accounts[token.accountId ?? token.clientId],
    interactions: { url: (_ctx, interaction) => `/consent/${interaction.uid}` },
    issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    features: {
      devInteractions: { enabled: false },
      registration: { enabled: true },
      revocation: { enabled: true },
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: (_ctx, client) => client.clientId === 'gatehouse' },
      dPoP: { enabled: true },
      mTLS: {
        enabled: true, certificateBoundAccessTokens: true,
        getCertificate: (ctx) => {
          const raw = ctx.socket.getPeerCertificate?.()?.raw;
          return raw && `-----BEGIN CERTIFICATE-----\n${raw.toString('base64')}\n-----END CERTIFICATE-----`;
        },
      },
      resourceIndicators: {
        enabled: true,
        defaultResource: (_ctx, _client, oneOf) => oneOf ?? given.defaultResource,
        useGrantedResource: () => true,
        getResourceServerInfo: (_ctx, uri) => {
          const r = given.resources[uri];
          if (!r) throw new errors.InvalidTarget();
          return {
            audience: uri, scope: r.scope, accessTokenFormat: r.format ?? 'jwt', accessTokenTTL: r.ttl,
            jwt: { sign: { alg: keys[0].alg, kid: keys[0].kid } },
          };
        },
      },
    },
  });
  p.on('server_error', (_ctx, e) => console.error(e));
  return p;
}

// consent signs the user in and grants all that was asked for.
async function consent(p, req, res) {
  const { prompt, params, session, grantId } = await p.interactionDetails(req, res);
  if (prompt.name === 'login') {
    const accountId = params.login_hint ?? Object.keys(given.accounts)[0];
    return p.interactionFinished(req, res, { login: { accountId } });
  }
  const grant = grantId ? await p.Grant.find(grantId) : new p.Grant({ accountId: session.accountId, clientId: params.client_id });
  const { missingOIDCScope, missingOIDCClaims, missingResourceScopes } = prompt.details;
  if (missingOIDCScope) grant.addOIDCScope(missingOIDCScope.join(' '));
  if (missingOIDCClaims) grant.addOIDCClaims(missingOIDCClaims);
  for (const [uri, scopes] of Object.entries(missingResourceScopes ?? {})) grant.addResourceScope(uri, scopes.join(' '));
  return p.interactionFinished(req, res, { consent: { grantId: await grant.save() } }, { mergeWithLastSubmission: true });
}

let current = provider(given.keys);
let answer = current.callback();

async function handle(req, res) {
  const { pathname } = new URL(req.url, given.issuer);
  seen[pathname] = (seen[pathname] ?? 0) + 1;
  try {
    if (pathname === '/test/seen') return res.end(JSON.stringify(seen));
    if (pathname === '/test/keys') {
      let text = '';
      for await (const part of req) text += part;
      current = provider(JSON.parse(text));
      answer = current.callback();
      return res.end();
    }
    if (pathname.startsWith('/consent/')) return await consent(current, req, res);
    return await answer(req, res);
  } catch (e) {
    console.error(e);
    res.statusCode = 500;
    res.end(String(e));
  }
}

const server = given.cert
  ? secure({ cert: readFileSync(given.cert), key: readFileSync(given.key), requestCert: true, rejectUnauthorized: false }, handle)
  : plain(handle);
server.listen(given.port, '127.0.0.1', () => console.log('ready'));
