"""Authlib as the OAuth client: it knows nothing of Polku but what the metadata says."""

from typing import Any

import httpx
import pytest
from authlib.integrations.httpx_client import OAuth2Client, OAuthError
from authlib.oauth2.rfc7523 import PrivateKeyJWT, private_key_jwt_sign
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from ..serving import Serving

KEYS: dict[str, Key] = {
    "ES256": ECKey.generate_key("P-256"),
    "PS256": RSAKey.generate_key(2048),
    "Ed25519": OKPKey.generate_key("Ed25519"),
}


class Proof(PrivateKeyJWT):  # type: ignore[misc]
    """Authlib's own, but for a minute: what it makes by itself lasts an hour, which is too long here."""

    def __init__(self, audience: str, alg: str, lasts_s: int = 60) -> None:
        super().__init__(audience, alg=alg)
        self.lasts_s = lasts_s

    def sign(self, auth: Any, token_endpoint: str) -> str:
        key = auth.client_secret
        signed: str = private_key_jwt_sign(key, auth.client_id, token_endpoint, self.alg, expires_in=self.lasts_s)
        return signed


def client_of(polku: Serving, key: Key, proof: Proof) -> OAuth2Client:
    machine = polku.machine(key)
    made = OAuth2Client(machine.client_id, key, token_endpoint_auth_method=proof.name, base_url=polku.address)
    made.register_client_auth_method(proof)
    return made


@pytest.mark.parametrize("algorithm", KEYS)
def test_authlib_gets_tokens_and_reads(polku: Serving, algorithm: str) -> None:
    told = httpx.get(f"{polku.address}/.well-known/oauth-authorization-server").json()
    assert "private_key_jwt" in told["token_endpoint_auth_methods_supported"]
    assert algorithm in told["token_endpoint_auth_signing_alg_values_supported"]
    with client_of(polku, KEYS[algorithm], Proof(told["issuer"], algorithm)) as oauth:
        for _ in range(2):
            token = oauth.fetch_token(told["token_endpoint"], grant_type="client_credentials", scope="referrals:read")
            assert token["scope"] == "referrals:read"
        assert oauth.get("/referral/api/v1/referrals").json() == {"items": [], "next": None}
        refused = oauth.post("/referral/api/v1/referrals", json={})
        assert refused.status_code == 403
        assert refused.json()["code"] == "insufficient-scope"


@pytest.mark.parametrize(("audience", "lasts_s"), [("/referral/oauth/token", 60), ("", 3600)], ids=["endpoint", "hour"])
def test_a_proof_for_the_endpoint_or_for_an_hour_is_refused(polku: Serving, audience: str, lasts_s: int) -> None:
    endpoint = f"{polku.address}/referral/oauth/token"
    oauth = client_of(polku, KEYS["ES256"], Proof(polku.address + audience, "ES256", lasts_s))
    with oauth, pytest.raises(OAuthError, match="invalid_client"):
        oauth.fetch_token(endpoint, grant_type="client_credentials")
