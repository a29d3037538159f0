"""A sender's commands sent again, and by whom they may be sent."""

import asyncio
from collections.abc import Callable
from typing import Any

from polku_referral.desk import Desk

from .conftest import Person, Sender, SignIn, said
from .material import (
    API,
    COACH,
    COORDINATOR,
    COUNTY,
    ELSEWHERE,
    NOBODY,
    OPEN,
    REFERRER,
    TOWN,
)


async def test_a_command_sent_again_after_a_lost_answer(sender: Sender, me: Person, desk: Desk) -> None:
    at = (await sender.sent())["id"]
    await me.command(f"/referrals/{at}/ask", {"text": "?"}, 1)
    first = await sender.command(at, "answer", {"text": "Kyllä."}, 2)
    again = await sender.command(at, "answer", {"text": "Kyllä."}, 2)
    assert (again.status_code, again.json(), again.headers["etag"]) == (200, first.json(), first.headers["etag"])
    await me.command(f"/referrals/{at}/accept", {}, 3)
    later = await sender.command(at, "answer", {"text": "Kyllä."}, 2)
    assert (later.status_code, later.json()["state"], later.headers["etag"]) == (200, "accepted", '"4"')
    assert (await said(desk)).count("polku.referral.answered.v1") == 1


async def test_what_is_no_repeat(sender: Sender, enrol: Callable[..., Any], sign_in: SignIn) -> None:
    """Other words, another command, another version, another caller of the same organisation."""
    at = (await sender.sent())["id"]
    wish = {"reason": "sent-in-error"}
    assert (await sender.command(at, "withdraw", wish, 1)).status_code == 200
    colleague: Sender = await enrol(TOWN)
    for answer in (
        await sender.command(at, "withdraw", {"reason": "situation-changed"}, 1),
        await sender.command(at, "withdraw", {**wish, "text": "Anteeksi."}, 1),
        await sender.command(at, "request-withdrawal", wish, 1),
        await colleague.command(at, "withdraw", wish, 1),
        await (await sign_in(REFERRER)).command(f"/referrals/{at}/withdraw", wish, 1),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "lost-race")
        assert answer.json()["present"]["state"] == "withdrawn"
    again = await sender.command(at, "withdraw", wish, 2)
    assert (again.status_code, again.json()["code"]) == (409, "wrong-state")


async def test_the_same_command_many_times_at_once(sender: Sender, desk: Desk) -> None:
    at = (await sender.sent())["id"]
    wish = {"reason": "sent-in-error", "text": "Väärä henkilö."}
    answers = await asyncio.gather(*(sender.command(at, "withdraw", wish, 1) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert await said(desk) == ["polku.referral.received.v1", "polku.referral.withdrawn.v1"]


# -- who may ----------------------------------------------------------------------------------------------


async def test_only_its_sender_commands_as_its_sender(
    sender: Sender, me: Person, enrol: Callable[..., Any], sign_in: SignIn
) -> None:
    at, wish = (await sender.sent())["id"], {"reason": "sent-in-error"}
    reader: Sender = await enrol(TOWN, scopes=("referrals:read",))
    stranger: Sender = await enrol(COUNTY)
    assert (await reader.told(at))["commands"] == []
    assert (await reader.command(at, "withdraw", wish, 1)).status_code == 403
    assert (await stranger.command(at, "withdraw", wish, 1)).status_code == 404
    assert (await sender.command(NOBODY, "withdraw", wish, 1)).status_code == 404
    for who, status in ((None, 401), (COACH, 403), (COORDINATOR, 403), (ELSEWHERE, 403)):
        assert (await (await sign_in(who)).command(f"/referrals/{at}/withdraw", wish, 1)).status_code == status
    for name in ("ask", "waitlist", "forward", "confirm-withdrawal", "map-codes"):
        assert (await sender.command(at, name, {}, 1)).status_code == 403
        assert (await (await sign_in(REFERRER)).command(f"/referrals/{at}/{name}", {}, 1)).status_code == 403
    theirs = await sign_in(REFERRER)
    assert (await theirs.get(f"{API}/referrals/{at}")).json()["commands"] == ["withdraw", "correct-contact"]
    done = await theirs.command(f"/referrals/{at}/withdraw", wish, 1)
    assert (done.status_code, done.json()["history"][-1]["party"]) == (200, "sender")


async def test_who_is_of_both_sides(sender: Sender, enrol: Callable[..., Any], sign_in: SignIn, desk: Desk) -> None:
    """The project's eyes do not lend the sender's hand: what another organisation sent stays its own."""
    both = {"roles": ["coordinator", "referrer"], "organisation_id": TOWN}
    await desk.directory.staff.collection.update_one({"_id": COORDINATOR}, {"$set": both})
    county: Sender = await enrol(COUNTY)
    ours, theirs = (await sender.sent())["id"], (await county.sent())["id"]
    me = await sign_in(COORDINATOR)
    assert (await me.get(f"{API}/referrals/{ours}")).json()["commands"] == [*OPEN, "withdraw", "correct-contact"]
    assert (await me.get(f"{API}/referrals/{theirs}")).json()["commands"] == OPEN
    wish = {"reason": "sent-in-error"}
    assert (await me.command(f"/referrals/{theirs}/withdraw", wish, 1)).status_code == 404
    assert (await me.command(f"/referrals/{ours}/withdraw", wish, 1)).status_code == 200
