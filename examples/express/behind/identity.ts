import type { IncomingMessage } from 'node:http';
import { createRemoteJWKSet, jwtVerify } from 'jose';

const gateway = process.env.GATEHOUSE!; // how callers reach Gatehouse: public_url
const self = process.env.SELF!; // this server, as Gatehouse is configured to reach it: servers[].url

const keys = createRemoteJWKSet(new URL('/.well-known/jwks.json', gateway), {
  cacheMaxAge: 300_000, // as the answer says
  cooldownDuration: 1_000, // an unknown key is asked for once a second at most
});

// identify returns who made a request, as Gatehouse says, or throws.
export async function identify(req: IncomingMessage) {
  const { payload } = await jwtVerify(String(req.headers['x-gatehouse-identity']), keys, {
    issuer: gateway,
    audience: self,
    typ: 'gatehouse-identity+jwt',
    algorithms: ['ES256', 'EdDSA'],
    requiredClaims: ['sub', 'exp'],
    clockTolerance: 5,
  });
  if (!payload.sub) throw new Error('nobody');
  return payload; // sub, tenant, tenant_name, key_id, server, method, tool, jti
}
