// Calls tools of an MCP server with the TypeScript SDK 1.x or 2.x, which signs in by itself when it is told to.
// node login.mjs 1|2 URL USER [[TOOL, ARGUMENTS], …] CLIENT-ID [dpop|old|fleeting|listen]; with an empty CLIENT-ID it registers
// itself, one that is a URL is that of a document about it, another may have a $CLIENT_SECRET, sent as $CLIENT_METHOD says;
// with private_key_jwt that is a private key, in PEM.
// The browser is played by following redirects as USER; with $BROWSER, by what is there: it is posted the URL and answers
// with the parameters at the redirect URI. listen: the client listens there itself, on a port of its own. old: it has not
// heard of protected resource metadata. fleeting: it wants no refresh token. A TOOL that is a URL is no tool: the access
// token is posted there between the calls.
// Prints one line of JSON: {version, tools, results: [{text} or {status, name, error}], sent: [parameters of each
// authorization request], token, asked: {path: requests for metadata and tokens}} or {status, name, error, …}.
import { createServer } from 'node:http';

const [sdk, url, user, calls, id, mode] = process.argv.slice(2);
let arrive; // settles what the listener at the redirect URI waits for
const listener = mode === 'listen' && createServer((req, res) => {
  res.end('Back in the client.');
  arrive?.(new URL(req.url, redirect).searchParams);
});
if (listener) await new Promise((done) => listener.listen(0, '127.0.0.1', done));
const redirect = `http://127.0.0.1:${listener ? listener.address().port : 33418}/callback`;
const document = id.startsWith('https://') ? id : undefined;

const of = sdk === '1'
  ? { ...await import('@modelcontextprotocol/sdk/client/index.js'), ...await import('@modelcontextprotocol/sdk/client/streamableHttp.js'),
      ...await import('@modelcontextprotocol/sdk/client/auth.js') }
  : await import('@modelcontextprotocol/client');

const sent = [];
const asked = {};
let landed; // the parameters at the redirect URI

// visit follows an authorization request to the redirect URI, with the cookies that are set on the way.
async function visit(at) {
  if (process.env.BROWSER) {
    const arrival = new Promise((settle) => { arrive = settle; });
    const res = await fetch(process.env.BROWSER, { method: 'POST', body: at });
    if (!res.ok) throw new Error(await res.text());
    return listener ? arrival : new URLSearchParams(await res.text());
  }
  const cookies = new Map();
  for (let hop = 0; hop < 12; hop++) {
    const u = new URL(at);
    if (`${u.origin}${u.pathname}` === redirect) return u.searchParams;
    const res = await fetch(u, { redirect: 'manual', headers: { cookie: [...cookies].map(([k, v]) => `${k}=${v}`).join('; ') } });
    for (const c of res.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(c);
      cookies.set(name, value);
    }
    if (!res.headers.has('location')) throw new Error(`${at}: ${res.status} ${await res.text()}`);
    at = new URL(res.headers.get('location'), u).href;
  }
  throw new Error('too many redirects');
}

const dpop = mode === 'dpop';
const session = dpop && await of.DpopSession.create();
const signs = process.env.CLIENT_METHOD === 'private_key_jwt';
const secret = process.env.CLIENT_SECRET && !signs && { client_secret: process.env.CLIENT_SECRET, token_endpoint_auth_method: process.env.CLIENT_METHOD };
const kept = { client: id && !document ? { client_id: id, ...secret } : undefined };
const provider = {
  redirectUrl: redirect,
  clientMetadataUrl: document,
  clientMetadata: {
    client_name: 'gatehouse-e2e', redirect_uris: [redirect], application_type: 'native', token_endpoint_auth_method: 'none',
    grant_types: mode === 'fleeting' ? ['authorization_code'] : ['authorization_code', 'refresh_token'], response_types: ['code'],
    ...(dpop && { dpop_bound_access_tokens: true }),
    ...(mode === 'old' && { scope: 'tools:read' }), // nobody tells it
  },
  clientInformation: () => kept.client,
  saveClientInformation: (c) => { kept.client = c; },
  tokens: () => kept.tokens,
  saveTokens: (t) => { kept.tokens = t; },
  codeVerifier: () => kept.verifier,
  saveCodeVerifier: (v) => { kept.verifier = v; },
  invalidateCredentials: (what) => {
    for (const [name, field] of [['client', 'client'], ['tokens', 'tokens'], ['verifier', 'verifier']]) {
      if (what === 'all' || what === name) delete kept[field];
    }
  },
  redirectToAuthorization: async (to) => {
    sent.push(Object.fromEntries(to.searchParams));
    to.searchParams.set('login_hint', user);
    landed = await visit(to.href);
  },
  ...(dpop && { dpop: () => session }),
  ...(signs && { addClientAuthentication: of.createPrivateKeyJwtAuth({ issuer: id, subject: id, privateKey: process.env.CLIENT_SECRET, alg: 'ES256' }) }),
};

const options = {
  authProvider: provider,
  fetch: async (at, init) => {
    const path = new URL(at).pathname;
    if (mode === 'old' && path.includes('oauth-protected-resource')) return new Response('', { status: 404 });
    if (path.includes('.well-known') || init?.method !== 'POST' || !path.endsWith('/mcp')) asked[path] = (asked[path] ?? 0) + 1;
    const res = await fetch(at, init);
    if (mode !== 'old') return res;
    const headers = new Headers(res.headers);
    headers.delete('www-authenticate');
    return new Response(res.body, { status: res.status, headers });
  },
};
const connect = async (transport) => {
  const client = sdk === '1'
    ? new of.Client({ name: 'gatehouse-e2e', version: '1' })
    : new of.Client({ name: 'gatehouse-e2e', version: '2' }, { versionNegotiation: { mode: 'auto' } });
  await client.connect(transport);
  return client;
};

let transport = new of.StreamableHTTPClientTransport(new URL(url), options);
// again does something, and once more after signing in if that was missing.
async function again(what, before = () => {}) {
  try {
    return await what();
  } catch (e) {
    if (!landed) throw e;
    if (landed.has('error')) throw new Error(`refused at the provider: ${landed}`);
    await transport.finishAuth(sdk === '1' ? landed.get('code') : landed);
    landed = undefined;
    before();
    return await what();
  }
}
const refusal = (e) => ({ status: [e.status, e.code, e.cause?.status].find(Number.isInteger), name: e.constructor.name, error: String(e) });

const out = { results: [], sent, asked };
try {
  const client = await again(() => connect(transport), () => { transport = new of.StreamableHTTPClientTransport(new URL(url), options); });
  out.version = sdk === '1' ? transport.protocolVersion : client.getNegotiatedProtocolVersion();
  out.tools = (await client.listTools()).tools.map((t) => t.name);
  for (const [name, args] of JSON.parse(calls)) {
    if (name.startsWith('http://')) {
      const res = await fetch(name, { method: 'POST', body: kept.tokens?.access_token });
      if (!res.ok) throw new Error(await res.text());
      continue;
    }
    try {
      const r = await again(() => client.callTool({ name, arguments: args }));
      out.results.push({ text: r.content.map((c) => c.text).join('') });
    } catch (e) {
      out.results.push(refusal(e));
      landed = undefined;
    }
  }
  await client.close();
} catch (e) {
  Object.assign(out, refusal(e));
  process.exitCode = 1;
}
console.log(JSON.stringify({ ...out, token: kept.tokens?.access_token }));
process.exit();
