"""What the agreement with a sender keeps from it, at every place where the sender reads a referral."""

from collections.abc import Sequence
from datetime import date

import pytest

from polku_referral.desk import Desk
from polku_referral.model.agreements import Agreement
from polku_referral.model.telling import RETURNS
from polku_referral.views import HELD_BACK

from .conftest import Sender, SignIn
from .material import API, COORDINATOR, MANAGER, PAGES, REFERRER, TOWN


async def agree(desk: Desk, *returns: str) -> None:
    """TOWN's one agreement: what goes back."""
    agreement = Agreement(id="agreement-1", returns=returns, starts_on=date(2026, 1, 1))
    await desk.directory.organisations.collection.update_one(
        {"_id": TOWN}, {"$set": {"agreements": [agreement.model_dump(mode="json")]}}
    )
    desk.agreements.forget(TOWN)


def test_the_feed_and_the_referral_keep_the_same_things_back() -> None:
    assert HELD_BACK.keys() == RETURNS.keys()


@pytest.mark.parametrize("returns", [(), ("reason",)])
async def test_a_reason(desk: Desk, sender: Sender, sign_in: SignIn, returns: Sequence[str]) -> None:
    at, me = (await sender.sent())["id"], await sign_in(COORDINATOR)
    await agree(desk, *returns)
    wish = {"reason": "outside-area", "text": "Ks. naapurin hanke."}
    assert (await me.command(f"/referrals/{at}/decline", wish, 1)).json()["reason"] == "outside-area"
    is_told = "reason" in returns
    late = await sender.command(at, "withdraw", {"reason": "sent-in-error"}, 1)
    theirs = await sign_in(REFERRER)
    for shown in (
        (await sender.get(f"/referrals/{at}")).json(),
        (await sender.get("/referrals")).json()["items"][0],
        (await theirs.get(f"{API}/referrals/{at}")).json(),
        late.json()["present"],
    ):
        assert shown["state"] == "declined"
        assert shown["reason"] == ("outside-area" if is_told else None)
    one = (await sender.get(f"/referrals/{at}")).json()
    assert one["reason_text"] == ("Ks. naapurin hanke." if is_told else None)
    assert bool(one["messages"]) == is_told
    page = (await theirs.get(f"{PAGES}/{at}")).text
    for words in ("Lives elsewhere", "naapurin hanke"):
        assert (words in page) == is_told
    assert "naapurin hanke" in (await me.get(f"{PAGES}/{at}")).text


async def test_a_start_day(desk: Desk, sender: Sender, sign_in: SignIn) -> None:
    at, me = (await sender.sent())["id"], await sign_in(MANAGER)
    await agree(desk, "reason", "outcome")
    wish = {"coordinator_id": COORDINATOR, "starts_on": "2026-03-09"}
    done = (await me.command(f"/referrals/{at}/accept", wish, 1)).json()
    assert (done["accepted_on"], done["starts_on"]) == ("2026-03-02", "2026-03-09")
    heard = (await sender.get(f"/referrals/{at}")).json()
    assert (heard["state"], heard["accepted_on"], heard["starts_on"]) == ("accepted", None, None)
    assert "9 Mar 2026" not in (await (await sign_in(REFERRER)).get(f"{PAGES}/{at}")).text
    assert "9 Mar 2026" in (await me.get(f"{PAGES}/{at}")).text


async def test_where_it_was_given_on(desk: Desk, sender: Sender, sign_in: SignIn) -> None:
    at, me = (await sender.sent())["id"], await sign_in(MANAGER)
    await agree(desk, "outcome")
    await me.command(
        f"/referrals/{at}/forward", {"partner": "kainuu-hyvinvointi", "text": "Sovittu heidän kanssaan."}, 1
    )
    heard = (await sender.get(f"/referrals/{at}")).json()
    assert (heard["state"], heard["forwarded_to"], heard["messages"]) == ("forwarded", None, None)
    page = (await (await sign_in(REFERRER)).get(f"{PAGES}/{at}")).text
    assert "Kainuu-Hyvinvointi" not in page
    assert "Sovittu" not in page
