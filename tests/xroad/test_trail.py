"""What a message says of itself is kept with its command, but no person's code; without the row there is no answer."""

from typing import Any

import pytest

from polku_referral.audit import Audit

from ..client.material import CODES
from .conftest import REFERRALS, Road, code_of


def test_a_command_leaves_the_ids_of_its_message(road: Road) -> None:
    sent = road.send(
        "XR-8",
        x_road_id="4c1e2f9e-7c7b-4f5d-9a77-0f1b6f1f2b01",
        x_road_userid="FI-virkailija-17",
        x_road_issue="D/123/2026",
    )
    referral_id = sent.json()["id"]
    (row,) = road.rows("audit", action="x-road", about=referral_id)
    assert row["message"] == {
        "id": "4c1e2f9e-7c7b-4f5d-9a77-0f1b6f1f2b01",
        "request_id": sent.headers["x-road-request-id"],
        "user_id": "FI-virkailija-17",
        "issue": "D/123/2026",
    }
    (kept,) = road.rows("referrals", external_id="XR-8")
    assert (row["by"], row["kind"]) == (kept["client_id"], "client")
    road.call("GET", f"{REFERRALS}/{referral_id}", x_road_id="4c1e2f9e-7c7b-4f5d-9a77-0f1b6f1f2b02")
    road.call("POST", f"{REFERRALS}/{referral_id}/withdraw", sent={"reason": "sent-in-error"}, if_match='"1"')
    rows = road.rows("audit", action="x-road", about=referral_id)
    assert len(rows) == 2  # reading is in the trail by itself, where a person is looked at
    audit: Audit = road.polku.app.state.desk.audit
    assert road.polku.do(audit.verify()) == []


@pytest.mark.parametrize(
    "user", [f"FI{CODES[0]}", CODES[1], f"x{CODES[2].lower()}x", "a" * 201, "FI vir kailija"], ids=range(5)
)
def test_a_user_id_that_is_a_person_is_not_kept(road: Road, user: str, caplog: pytest.LogCaptureFixture) -> None:
    sent = road.send("", x_road_userid=user, x_road_issue=f"hakemus-{CODES[3]}")
    (row,) = road.rows("audit", action="x-road", about=sent.json()["id"])
    assert (row["message"]["user_id"], row["message"]["issue"]) == ("-", "-")
    assert not any(code.lower() in caplog.text.lower() for code in CODES)


def test_no_row_no_answer(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trail cannot be written: the caller hears 503, and its repeat finds the referral and leaves the row."""
    write = Audit.write

    async def gone(self: Audit, who: Any, looks: Any) -> None:
        raise TimeoutError("no audit trail")

    with monkeypatch.context() as patch:
        patch.setattr(Audit, "write", gone)
        answer = road.send("XR-9")
        assert (answer.status_code, code_of(answer)) == (503, "unavailable")
    assert Audit.write is write
    again = road.send("XR-9")
    assert again.status_code == 200
    assert len(road.rows("audit", action="x-road", about=again.json()["id"])) == 1
