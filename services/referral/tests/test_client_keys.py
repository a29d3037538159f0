"""Which public keys a client may have, and what is kept of them."""

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from joserfc.jwk import ECKey, JWKRegistry, OctKey, OKPKey, RSAKey

from polku_referral.door.client_keys import Private, Unfit, new_pair, public_key


def named(text: str) -> str:
    """A fresh key is in no name: processes that share the tests out must agree on their names."""
    return "made" if len(text) > 60 else text


STRANGE_CURVE = (
    ec.generate_private_key(ec.BrainpoolP256R1())
    .public_key()
    .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    .decode()
)
UNKNOWN_CURVE = """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoEcz1UBgi0DQgAEODhR5tmIYNjbOon2bduKs+RjV46C
GF5/UGb9TIiwDxH2B4Kk/tmLnCu5NwoKNfWaV3Bp4WHNFfTllAbjhaX+2g==
-----END PUBLIC KEY-----"""
"""Of SM2, made for this test."""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not a key",
        "{",
        "{}",
        "[]",
        '{"keys":[]}',
        '{"kty":["EC"]}',
        '{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}',
        '{"kty":"EC","crv":"P-256","x":1,"y":2}',
        json.dumps(OctKey.generate_key(256).as_dict()),
        json.dumps(ECKey.generate_key("P-384").as_dict(private=False)),
        json.dumps(ECKey.generate_key("secp256k1").as_dict(private=False)),
        json.dumps(OKPKey.generate_key("X25519").as_dict(private=False)),
        ECKey.generate_key("P-521").as_pem(private=False).decode(),
        STRANGE_CURVE,
        UNKNOWN_CURVE,
        json.dumps({**ECKey.generate_key("P-256").as_dict(private=False), "use": "enc"}),
        '{"a":' * 1600,
    ],
    ids=named,
)
def test_keys_that_prove_nothing(text: str) -> None:
    with pytest.raises(Unfit):
        public_key(text)


@pytest.mark.parametrize("kid", ["", "ä", "x y", "x" * 129, "a\nb", None, 5])
def test_a_key_id_that_is_not_plain_is_not_kept(kid: object) -> None:
    key = ECKey.generate_key("P-256")
    told = {**key.as_dict(private=False), "kid": kid, "note": "x"}
    try:
        found = public_key(json.dumps(told))
    except Unfit:
        assert not isinstance(kid, str)
        return
    assert found["kid"] == key.thumbprint()
    assert "note" not in found


@pytest.mark.filterwarnings("ignore:Key size")
def test_a_short_rsa_key() -> None:
    with pytest.raises(Unfit):
        public_key(RSAKey.generate_key(1024).as_pem(private=False).decode())


def test_a_new_pair_belongs_together() -> None:
    private, public = new_pair()
    assert "d" not in public
    assert JWKRegistry.import_key(private).thumbprint() == public["kid"]


@pytest.mark.filterwarnings("ignore:Key size")
def test_a_huge_rsa_key() -> None:
    modulus = base64.urlsafe_b64encode(((1 << 8999) | 1).to_bytes(1125, "big")).decode().rstrip("=")
    with pytest.raises(Unfit):
        public_key(json.dumps({"kty": "RSA", "e": "AQAB", "n": modulus}))


EC, RSA, ED = ECKey.generate_key("P-256"), RSAKey.generate_key(2048), OKPKey.generate_key("Ed25519")


def pem(key: ECKey | RSAKey | OKPKey, form: PrivateFormat, password: bytes = b"") -> str:
    locked = BestAvailableEncryption(password) if password else NoEncryption()
    made: bytes = key.private_key.private_bytes(Encoding.PEM, form, locked)  # type: ignore[union-attr]
    return made.decode()


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(EC.as_dict(private=True)),
        json.dumps(RSA.as_dict(private=True)),
        json.dumps(ED.as_dict(private=True)),
        json.dumps({**EC.as_dict(private=False), "d": "x"}),  # broken, and still nobody else's business
        json.dumps(OctKey.generate_key(256).as_dict(private=True)),
        pem(EC, PrivateFormat.PKCS8),
        pem(RSA, PrivateFormat.PKCS8),
        pem(ED, PrivateFormat.PKCS8),
        pem(EC, PrivateFormat.TraditionalOpenSSL),
        pem(RSA, PrivateFormat.TraditionalOpenSSL),
        pem(EC, PrivateFormat.PKCS8, b"salasana"),
        pem(EC, PrivateFormat.OpenSSH),
        EC.as_pem(private=False).decode() + pem(EC, PrivateFormat.PKCS8),
    ],
    ids=named,
)
def test_a_private_key_is_told_from_one_that_does_not_fit(text: str) -> None:
    with pytest.raises(Private):
        public_key(text)
