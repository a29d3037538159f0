"""The client against a running service: what is sent arrives once, and what is refused says why."""

import json
from pathlib import Path

import pytest
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from polku_client import Client, InvalidReceipt, Misconfigured, PolkuProblem, verify_receipt

from ..serving import Serving
from .material import referral


@pytest.mark.parametrize(
    "key",
    [ECKey.generate_key("P-256"), OKPKey.generate_key("Ed25519"), RSAKey.generate_key(2048)],
    ids=["ES256", "Ed25519", "PS256"],
)
def test_every_kind_of_key_gets_in(polku: Serving, key: Key, tmp_path: Path) -> None:
    machine = polku.machine(key)
    file = tmp_path / "private.pem"
    file.write_bytes(key.as_pem(private=True))
    jwk = key.as_dict(private=True)
    for source in (file, str(file), file.read_text(), jwk, json.dumps(jwk)):
        with Client(polku.address, machine.client_id, source) as sender:
            assert sender.find("TE-0000-0") is None


def test_a_referral_is_pushed_once_however_often_it_is_sent(polku: Serving) -> None:
    with polku.client() as sender:
        body = referral()
        assert sender.check(body).exists is False
        first = sender.push(body, idempotency_key="yksi")
        again = sender.push(dict(reversed(body.items())))
        assert (first.is_new, again.is_new) == (True, False)
        assert (first.id, first.receipt, first.sent) == (again.id, again.receipt, again.sent)
        assert first.state == "received"
        assert [step.kind for step in first.history] == ["received"]
        assert sender.check(body).exists is True
        found = sender.find(body["external_id"])
        assert found is not None
        assert found.id == sender.get(first.id).id == first.id


def test_a_receipt_holds_offline_for_the_bytes_that_were_sent(polku: Serving) -> None:
    machine = polku.machine()
    with polku.client(machine) as sender:
        pushed, keys = sender.push(referral()), sender.receipt_keys()
    assert pushed.receipt
    assert pushed.sent
    said = verify_receipt(pushed.receipt, pushed.sent, keys)
    assert (said.issuer, said.organisation_id) == (polku.address, machine.organisation_id)
    assert (said.referral_id, said.external_id) == (pushed.id, pushed.external_id)
    assert abs((said.received_at - pushed.received_at).total_seconds()) < 1
    with pytest.raises(InvalidReceipt, match="another body"):
        verify_receipt(pushed.receipt, pushed.sent + b" ", keys)
    stranger = {"keys": [ECKey.generate_key("P-256", {"kid": "polku-1"}).as_dict(private=False)]}
    with pytest.raises(InvalidReceipt, match="signed"):
        verify_receipt(pushed.receipt, pushed.sent, stranger)


def test_a_token_is_no_receipt(polku: Serving) -> None:
    with polku.client() as sender, pytest.raises(InvalidReceipt):
        verify_receipt(sender.connection.token(), b"", sender.receipt_keys())


def test_a_refusal_says_which_field_and_never_what_was_sent(polku: Serving) -> None:
    person = {**referral()["person"], "identity_code": "010594Y9033", "municipality": "20"}
    with polku.client(language="fi") as sender, pytest.raises(PolkuProblem) as refused:
        sender.check(referral(person=person))
    problem = refused.value
    assert (problem.status, problem.code) == (422, "invalid")
    assert problem.title == "Tiedoissa on korjattavaa"
    assert "/person/municipality" in {error.pointer for error in problem.errors}
    assert "010594" not in repr(problem) + str(problem)


def test_other_content_under_the_same_id_is_refused(polku: Serving) -> None:
    with polku.client() as sender:
        body = referral()
        sender.push(body)
        with pytest.raises(PolkuProblem) as refused:
            sender.push({**body, "urgency": "urgent"})
    assert refused.value.code == "idempotency-mismatch"


def test_another_organisation_sees_nothing(polku: Serving) -> None:
    with polku.client() as sender, polku.client() as stranger:
        pushed = sender.push(referral())
        with pytest.raises(PolkuProblem) as refused:
            stranger.get(pushed.id)
        assert refused.value.status == 404
        assert stranger.find(pushed.external_id or "") is None


def test_a_client_that_is_not_known_is_told_so(polku: Serving) -> None:
    strange = Client(polku.address, "nobody", ECKey.generate_key("P-256").as_dict(private=True))
    with strange as sender, pytest.raises(PolkuProblem) as refused:
        sender.find("TE-1")
    assert (refused.value.status, refused.value.code) == (401, "invalid_client")


def test_a_server_that_says_it_is_another_one_gets_no_proof(polku: Serving) -> None:
    machine = polku.machine()
    elsewhere = polku.address.replace("127.0.0.1", "localhost")
    with (
        Client(elsewhere, machine.client_id, machine.key.as_dict(private=True)) as sender,
        pytest.raises(Misconfigured, match="give it as audience"),
    ):
        sender.find("TE-1")
    with Client(elsewhere, machine.client_id, machine.key.as_dict(private=True), polku.address) as sender:
        assert sender.find("TE-1") is None
