"""Who is calling, as Gatehouse says. Needs PyJWT[crypto] 2.10 or newer."""

import os

import jwt

GATEWAY = os.environ["GATEHOUSE"]  # how callers reach Gatehouse: public_url
SELF = os.environ["SELF"]  # this server, as Gatehouse is configured to reach it: servers[].url

keys = jwt.PyJWKClient(GATEWAY + "/.well-known/jwks.json", lifespan=300)


def identify(headers) -> dict:
    """Return the claims (sub, tenant, tenant_name, key_id, tool, jti …), or raise jwt.PyJWTError."""
    token = headers.get("X-Gatehouse-Identity", "")
    if jwt.get_unverified_header(token).get("typ") != "gatehouse-identity+jwt":
        raise jwt.InvalidTokenError("not an identity")
    claims = jwt.decode(
        token,
        keys.get_signing_key_from_jwt(token).key,
        algorithms=["ES256", "EdDSA"],
        issuer=GATEWAY,
        audience=SELF,
        leeway=5,
        options={"require": ["iss", "aud", "sub", "exp"]},
    )
    if not claims["sub"]:
        raise jwt.InvalidTokenError("nobody")
    return claims
