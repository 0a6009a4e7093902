// node oidc-provider as it is measured: one account, which is signed in by whoever comes and consents to everything.
// node oidc-provider.mjs CONFIGURATION-FILE, which is JSON:
//   {issuer, port, keys: [JWK], clients: [metadata], account, introspects: client id, scope, resources: {URI: "jwt"|"opaque"}}
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import { Provider, errors } from 'oidc-provider';

const given = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const all = new Map(), uids = new Map(), members = new Map();

// Memory keeps everything, in memory. The adapter that oidc-provider has for trying it out forgets all but 1000 rows,
// sessions and refresh tokens among them, and looks through all tokens of a grant whenever there is another.
class Memory {
  constructor(model) { this.model = model; }
  key(id) { return `${this.model}:${id}`; }
  async find(id) { return all.get(this.key(id)); }
  async findByUid(uid) { return this.find(uids.get(uid)); }
  async findByUserCode() { return undefined; }
  async consume(id) { all.get(this.key(id)).consumed = Math.floor(Date.now() / 1000); }
  async destroy(id) { all.delete(this.key(id)); }
  async upsert(id, payload) {
    if (this.model === 'Session') uids.set(payload.uid, id);
    else if (payload.grantId) {
      if (!members.has(payload.grantId)) members.set(payload.grantId, new Set());
      members.get(payload.grantId).add(this.key(id));
    }
    all.set(this.key(id), payload);
  }
  async revokeByGrantId(grantId) {
    for (const key of members.get(grantId) ?? []) all.delete(key);
    members.delete(grantId);
  }
}

const provider = new Provider(given.issuer, {
  adapter: Memory,
  jwks: { keys: given.keys },
  clients: given.clients,
  cookies: { keys: ['not-a-secret'] },
  pkce: { required: () => true },
  clientDefaults: { id_token_signed_response_alg: given.keys[0].alg },
  scopes: ['openid', 'offline_access', given.scope],
  ttl: { AccessToken: 600, ClientCredentials: 600, Grant: 3600, Interaction: 600, RefreshToken: 3600, Session: 3600 },
  findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  interactions: { url: (_ctx, interaction) => `/consent/${interaction.uid}` },
  issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: (_ctx, client) => client.clientId === given.introspects },
    resourceIndicators: {
      enabled: true,
      defaultResource: (_ctx, _client, oneOf) => oneOf,
      useGrantedResource: () => true,
      getResourceServerInfo: (_ctx, uri) => {
        if (!given.resources[uri]) throw new errors.InvalidTarget();
        return {
          audience: uri, scope: given.scope, accessTokenFormat: given.resources[uri], accessTokenTTL: 600,
          jwt: { sign: { alg: given.keys[0].alg, kid: given.keys[0].kid } },
        };
      },
    },
  },
});
provider.on('server_error', (_ctx, e) => console.error(e));

async function consent(req, res) {
  const { prompt, params, session, grantId } = await provider.interactionDetails(req, res);
  if (prompt.name === 'login') return provider.interactionFinished(req, res, { login: { accountId: given.account } });
  const grant = grantId ? await provider.Grant.find(grantId) : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  if (prompt.details.missingOIDCScope) grant.addOIDCScope(prompt.details.missingOIDCScope.join(' '));
  for (const [uri, scopes] of Object.entries(prompt.details.missingResourceScopes ?? {})) grant.addResourceScope(uri, scopes.join(' '));
  return provider.interactionFinished(req, res, { consent: { grantId: await grant.save() } }, { mergeWithLastSubmission: true });
}

const answer = provider.callback();
createServer((req, res) => (req.url.startsWith('/consent/') ? consent(req, res) : answer(req, res))).listen(given.port, '127.0.0.1');
