"""Many referrals at once: one result per row, receipts of the rows' own bytes, jobs followed to their end."""

import pytest

from polku_client import PolkuProblem, verify_receipt

from ..serving import Serving
from .material import referral


def test_one_result_per_row_and_again(polku: Serving) -> None:
    bodies = [referral(number=number) for number in range(6)]
    bodies[2] = {**bodies[2], "route": "no-such-route"}
    with polku.client() as sender:
        checked = sender.batch(bodies, dry_run=True)
        assert [one.status for one in checked] == ["valid", "valid", "refused", "valid", "valid", "valid"]
        kept_out = sender.batch(bodies, atomic=True)
        assert [one.status for one in kept_out].count("not-written") == 5
        sent = sender.batch(bodies)
        assert [one.status for one in sent] == ["created", "created", "refused", "created", "created", "created"]
        assert [one.status for one in sender.batch(bodies)].count("repeated") == 5
        refused = sent[2].problem
        assert refused
        assert [(error.pointer, error.code) for error in refused.errors] == [("/route", "unknown-code")]
        keys = sender.receipt_keys()
        for one, body in zip(sent, bodies, strict=True):
            if one.receipt and one.sent:
                assert verify_receipt(one.receipt, one.sent, keys).external_id == body["external_id"]
                again = sender.push(body)
                assert (again.id, again.receipt) == (one.id, one.receipt)


def test_a_large_batch_is_a_job_that_is_followed(polku: Serving) -> None:
    bodies = [referral(number=number) for number in range(1100)]
    bodies[700] = {**bodies[700], "programme": "elsewhere"}
    told: list[tuple[int, int]] = []
    with polku.client(sleep=lambda _: None) as sender:
        results = sender.batch(bodies, dry_run=True, progress=lambda done, total: told.append((done, total)))
    assert [one.row for one in results] == list(range(1, 1101))
    assert [one.row for one in results if not one.is_good] == [701]
    assert told[-1] == (1100, 1100)
    assert told == sorted(told)


def test_what_is_wrong_with_the_whole_is_a_problem(polku: Serving) -> None:
    with polku.client(polku.machine(scopes=("referrals:read",))) as reader, pytest.raises(PolkuProblem) as refused:
        reader.batch([referral()])
    assert refused.value.code == "insufficient-scope"
