"""The machines' door: what proves a client, and everything that does not."""

import base64
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from fastapi import FastAPI
from joserfc.jwk import ECKey, RSAKey

from polku_events.refusals import Refused
from polku_referral.door.client_keys import MOST_RSA, public_key
from polku_referral.door.descriptions import PROOF
from polku_referral.door.oauth import METADATA, TOKEN
from polku_referral.door.tokens import InvalidClient, _claimed, _verified
from polku_runtime.testing import Clock

from .conftest import Sender
from .material import COUNTY, NOBODY, ORIGIN, TOWN, body, token_form
from .mutations import ASSERTIONS

DESCRIPTION = re.compile(r"[ !#-\[\]-~]+")
"""RFC 6749 §5.2."""
CLAIMS = ("iss", "aud", "exp", "iat", "nbf", "jti")
HINTS = {"expired": "has expired", "lasts for a day": "300 seconds", "iat long ago": "300 seconds"}


async def test_assertions_that_prove_nothing(sender: Sender, clock: Clock) -> None:
    now = int(clock.now.timestamp())
    for name, mutation in ASSERTIONS.items():
        answer = await sender.http.post(TOKEN, data=token_form(mutation(sender, now)))
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client"), name
        assert answer.headers["cache-control"] == "no-store", name
        said, claim = answer.json()["error_description"], name.split()[0]
        assert DESCRIPTION.fullmatch(said), name
        is_told = claim in CLAIMS and name != "iat long ago"
        assert (HINTS.get(name) or (claim if is_told else PROOF)) in said, name
    assert (await sender.sign_on()).status_code == 200


def test_the_largest_key_may_be_used() -> None:
    """Its signature is judged as one: with the library's own bounds it was too long to be looked at."""
    largest = (1 << MOST_RSA) - 1
    public = RSAKey.import_key(RSAPublicNumbers(65537, largest).public_key())
    parts = (b'{"alg":"PS256"}', b'{"sub":"x"}', bytes(MOST_RSA // 8))
    assertion = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
    with pytest.raises(InvalidClient, match="signature"):
        _verified(assertion, [public_key(json.dumps(public.as_dict(private=False)))])
    assert _claimed(assertion) == ("x", None)


async def test_a_stranger_cannot_tell_what_is_wrong(sender: Sender, clock: Clock) -> None:
    """Whether there is such a client, or another key of it, shows in nothing; nor do claims that nobody has proved."""
    strange = ECKey.generate_key("P-256")
    for claims in ({}, {"sub": NOBODY, "iss": NOBODY}, {"aud": "x"}, {"exp": 1}, {"jti": ...}):
        sender.key = strange
        answer = await sender.http.post(TOKEN, data=token_form(sender.assertion(**claims)))
        assert (answer.status_code, answer.json()) == (
            401,
            {"error": "invalid_client", "error_description": PROOF},
        ), claims


async def test_what_is_allowed(sender: Sender, clock: Clock) -> None:
    now = int(clock.now.timestamp())
    for claims in (
        {"aud": [ORIGIN]},
        {"exp": now - 29},
        {"exp": now + 300},
        {"iat": ...},
        {"nbf": now + 29},
        {"more": 1},
    ):
        answer = await sender.http.post(TOKEN, data=token_form(sender.assertion(**claims)))
        assert answer.status_code == 200, claims


async def test_a_client_that_is_named_beside_the_assertion_is_the_one_in_it(sender: Sender) -> None:
    """RFC 7521 §4.2. Some libraries send `client_id` always."""
    signed = sender.assertion()
    answer = await sender.http.post(TOKEN, data=token_form(signed, client_id=NOBODY))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert answer.json()["error_description"].startswith("client_id ")
    assert (await sender.http.post(TOKEN, data=token_form(signed, client_id=sender.client_id))).status_code == 200


async def test_an_assertion_works_once(sender: Sender, clock: Clock) -> None:
    signed = sender.assertion()
    answers = [await sender.http.post(TOKEN, data=token_form(signed)) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 401, 401]
    assert (await sender.http.post(TOKEN, data=token_form(sender.assertion(jti="jti-used-twice")))).status_code == 200
    clock.advance(seconds=20)
    assert (await sender.http.post(TOKEN, data=token_form(sender.assertion(jti="jti-used-twice")))).status_code == 401


async def test_a_refused_assertion_uses_up_nothing(sender: Sender) -> None:
    assert (
        await sender.http.post(TOKEN, data=token_form(sender.assertion(jti="jti-kept-back", aud="x")))
    ).status_code == 401
    assert (await sender.http.post(TOKEN, data=token_form(sender.assertion(jti="jti-kept-back")))).status_code == 200


async def test_keys_are_rotated_without_a_gap(sender: Sender, app: FastAPI) -> None:
    admin, old, new = app.state.admin, sender.key, ECKey.generate_key("P-256", auto_kid=True)

    async def works(key: ECKey) -> bool:
        sender.key = key
        return (await sender.sign_on()).status_code == 200

    assert not await works(new)
    await admin.add_key(None, sender.client_id, None, json.dumps(new.as_dict(private=False)))
    assert await works(old)
    assert await works(new)
    await admin.remove_key(None, sender.client_id, None, str(old.kid))
    assert not await works(old)
    assert await works(new)


async def test_one_key_under_one_id_at_two_clients(sender: Sender, enrol: Callable[..., Any], app: FastAPI) -> None:
    """A proof names its client, so it is not the other's; what happens to one client leaves the other."""
    other: Sender = await enrol(COUNTY)
    await app.state.admin.add_key(None, other.client_id, None, json.dumps(sender.key.as_dict(private=False)))
    other.key = sender.key
    tokens = {one.client_id: (await one.sign_on()).json()["access_token"] for one in (sender, other)}
    assert len(set(tokens.values())) == 2
    borrowed = sender.assertion(sub=other.client_id)
    assert (await sender.http.post(TOKEN, data=token_form(borrowed))).status_code == 401
    await app.state.admin.revoke(None, sender.client_id, None)
    assert (await sender.sign_on()).status_code == 401
    assert (await other.sign_on()).status_code == 200


async def test_the_same_jti_of_two_clients_is_two_proofs(sender: Sender, enrol: Callable[..., Any]) -> None:
    other: Sender = await enrol()
    for one, status in ((sender, 200), (other, 200), (sender, 401)):
        answer = await one.http.post(TOKEN, data=token_form(one.assertion(jti="jti-of-both")))
        assert answer.status_code == status


async def test_a_client_that_was_shut_out(sender: Sender, app: FastAPI) -> None:
    await app.state.admin.revoke(None, sender.client_id, None)
    assert (await sender.sign_on()).status_code == 401


async def test_a_client_of_an_organisation_that_has_left(sender: Sender, app: FastAPI) -> None:
    await app.state.admin.open_organisation(None, TOWN, None, active=False)
    assert (await sender.sign_on()).status_code == 401


async def test_scopes(enrol: Callable[..., Any]) -> None:
    sender: Sender = await enrol(scopes=("referrals:write", "figures:read"))
    assert (await sender.sign_on()).json()["scope"] == "referrals:write figures:read"
    narrowed = await sender.sign_on("figures:read")
    assert narrowed.json()["scope"] == "figures:read"
    assert (await sender.post(body())).status_code == 403
    refused = await sender.sign_on("referrals:read")
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_scope")


async def test_who_only_tries_sees_no_figures(enrol: Callable[..., Any], app: FastAPI) -> None:
    """They are counted from real people, and few of them. A client may have been registered before this was refused."""
    sender: Sender = await enrol(scopes=("referrals:write", "figures:read"), test=True)
    assert (await sender.sign_on()).json()["scope"] == "referrals:write"
    refused = await sender.sign_on("figures:read")
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_scope")
    said = {"scopes": ("referrals:read", "figures:read"), "test": True}
    with pytest.raises(Refused) as caught:
        await app.state.admin.add_client(None, TOWN, said, None)
    assert [(wrong.field, wrong.code) for wrong in caught.value.wrong] == [("scopes", "not-for-trials")]


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": ""}, 400, "unsupported_grant_type"),
        ({"client_assertion_type": "x"}, 401, "invalid_client"),
    ],
)
async def test_forms_that_ask_for_something_else(
    sender: Sender, changes: dict[str, str], status: int, error: str
) -> None:
    answer = await sender.http.post(TOKEN, data=token_form(sender.assertion(), **changes))
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert next(iter(changes)) in answer.json()["error_description"]


async def test_the_token_endpoint_takes_forms(sender: Sender) -> None:
    assert (await sender.http.post(TOKEN, json=token_form(sender.assertion()))).status_code == 415
    assert (await sender.http.post(TOKEN)).status_code == 400
    assert (await sender.http.post(TOKEN, data={"scope": "x" * 501})).status_code == 422
    assert (await sender.http.post(TOKEN, content=b"grant_type=%ff", headers={"content-type": "application/x-www-form-urlencoded"})).status_code == 400  # fmt: skip


async def test_the_metadata_lead_to_a_token(sender: Sender) -> None:
    told = (await sender.http.get(METADATA)).json()
    assert told["issuer"] == ORIGIN
    assert (await sender.http.post(told["token_endpoint"], data=token_form(sender.assertion()))).status_code == 200
    keys = await sender.http.get(told["jwks_uri"])
    assert keys.json()["keys"]
    assert keys.headers["cache-control"] == "public, max-age=30"
