"""`map-codes` of one referral: the municipality too, which stays sealed; said again where it was wrong."""

from typing import Any

import pytest

from polku_referral.desk import Desk
from polku_referral.model.code_map import CodeMap

from .conftest import Person, Sender, said
from .material import API, MANAGER, PAGES, TOWN

OWN = "Kainuun Kajaani"


async def learn(desk: Desk, version: int, **more: Any) -> None:
    assert await desk.code_maps.put(TOWN, CodeMap.model_validate({"unknown": "keep", **more}), version, MANAGER)


@pytest.fixture
async def keeps(desk: Desk) -> None:
    """TOWN's map knows one code and lets unknown ones in."""
    await learn(desk, 0, route={"TYP-01": "employment-service"})


async def contact(me: Person, at: str) -> tuple[str | None, str | None]:
    """The municipality and what the sender called it, as the project reads them."""
    told = (await me.get(f"{API}/referrals/{at}/person")).json()["contact"]
    return told.get("municipality"), told.get("own_municipality")


async def everything(desk: Desk) -> str:
    """All that stands in the database in plain sight."""
    names = await desk.repository.database.list_collection_names()
    return str([row for name in names async for row in desk.repository.database[name].find({})])


async def test_a_municipality_that_nobody_knows_is_seen_and_repaired(
    keeps: None, sender: Sender, me: Person, desk: Desk
) -> None:
    at = (await sender.sent(person__municipality=OWN))["id"]
    page = f"{PAGES}/{at}"
    text = (await me.get(page)).text
    assert (OWN in text, "Unknown code" in text, f'action="{page}/accept"' in text) == (True, True, True)
    for typed in ("20", "Kajaani", ""):
        wrong = await me.submit(page, f"{page}/map-codes", {"municipality": typed})
        assert (wrong.status_code, 'id="e-municipality"' in wrong.text) == (422, True)
    done = await me.submit(page, f"{page}/map-codes", {"municipality": "205"})
    assert done.headers["location"] == f"{page}?done=map-codes"
    text = (await me.get(page)).text
    assert ("Unknown code" in text, f"{OWN} was read as 205" in text) == (False, True)
    assert await contact(me, at) == ("205", OWN)
    assert await said(desk) == ["polku.referral.received.v1", "polku.referral.codes-mapped.v1"]
    assert OWN not in await everything(desk)  # what is personal is sealed, and so is what it stands for
    assert "'205'" not in await everything(desk)


async def test_what_a_municipality_stands_for_holds_for_these_words_alone(
    keeps: None, sender: Sender, me: Person
) -> None:
    at = (await sender.sent(person__municipality=OWN))["id"]
    assert (await me.command(f"/referrals/{at}/map-codes", {"municipality": "205"}, 1)).status_code == 200
    await sender.command(at, "correct-contact", {"phone": "050 1"}, 2)
    assert await contact(me, at) == ("205", OWN)
    await sender.command(at, "correct-contact", {"municipality": "Sotkamon kunta"}, 3)
    assert await contact(me, at) == ("Sotkamon kunta", "Sotkamon kunta")
    assert (await me.command(f"/referrals/{at}/map-codes", {"municipality": "765"}, 4)).status_code == 200
    assert await contact(me, at) == ("765", "Sotkamon kunta")
    cleared = await sender.command(at, "correct-contact", {"municipality": "205"}, 5)
    assert await contact(me, at) == ("205", None)
    assert cleared.status_code == 200
    assert "map-codes" not in (await me.get(f"{API}/referrals/{at}")).json()["commands"]


async def test_a_map_that_has_learnt_a_municipality_reads_those_that_are_there(
    keeps: None, sender: Sender, me: Person, desk: Desk
) -> None:
    at, by_hand = [(await sender.sent(name, person__municipality=OWN))["id"] for name in ("A-1", "A-2")]
    assert (await me.command(f"/referrals/{by_hand}/map-codes", {"municipality": "765"}, 1)).status_code == 200
    await learn(desk, 1, municipality={OWN: "205"})
    assert await contact(me, at) == ("205", OWN)
    assert await contact(me, by_hand) == ("765", OWN)  # what somebody said of this referral goes before


async def test_codes_are_mapped_again_until_the_referral_is_answered(
    keeps: None, sender: Sender, me: Person, desk: Desk
) -> None:
    at = (await sender.sent(service="Verstas", route="TYP-01"))["id"]
    page = f"{PAGES}/{at}"
    assert (await me.command(f"/referrals/{at}/map-codes", {"service": "training"}, 1)).status_code == 200
    shown = (await me.get(f"{API}/referrals/{at}")).json()
    assert {"accept", "map-codes"} <= set(shown["commands"])
    assert "Correct what they stand for" in (await me.get(page)).text
    # By page, both at once; the one that the map had read may be put right for this referral as well.
    assert (
        await me.submit(page, f"{page}/map-codes", {"service": "group-activity", "route": "self"})
    ).status_code == 303
    heard = await sender.told(at)
    assert (heard["route"], heard["service"], heard["unmapped"]) == ("self", "group-activity", {})
    assert heard["mapped"] == {"route": "TYP-01", "service": "Verstas"}
    assert (await me.command(f"/referrals/{at}/map-codes", {"service": "training"}, 2)).status_code == 409  # too slow
    assert (await me.command(f"/referrals/{at}/accept", {}, 3)).status_code == 200
    late = await me.command(f"/referrals/{at}/map-codes", {"service": "training"}, 4)
    assert (late.status_code, late.json()["refusal"]) == (409, "wrong-state")
    assert await said(desk) == [
        "polku.referral.received.v1",
        "polku.referral.codes-mapped.v1",
        "polku.referral.codes-mapped.v1",
        "polku.referral.accepted.v1",
    ]
    row = await desk.repository.database["referrals"].find_one({"_id": at})
    assert row is not None
    assert [event["data"]["service"] for event in row["outbox"][1:]] == ["training", "group-activity", "group-activity"]


@pytest.mark.parametrize(
    ("wish", "pointers"),
    [
        ({}, ["/route"]),
        ({"service": "training"}, ["/service"]),
        ({"municipality": "205"}, ["/municipality"]),
        ({"municipality": "20"}, ["/municipality"]),
    ],
)
async def test_only_own_codes_are_mapped(
    keeps: None, sender: Sender, me: Person, wish: dict[str, Any], pointers: list[str]
) -> None:
    at = (await sender.sent(route="TYP-01"))["id"]
    answer = await me.command(f"/referrals/{at}/map-codes", wish, 1)
    assert (answer.status_code, [error["pointer"] for error in answer.json()["errors"]]) == (422, pointers)


async def test_without_own_codes_there_is_nothing_to_map(sender: Sender, me: Person) -> None:
    at = (await sender.sent())["id"]
    answer = await me.command(f"/referrals/{at}/map-codes", {}, 1)
    assert (answer.status_code, answer.json()["refusal"]) == (409, "wrong-state")
    assert "map-codes" not in answer.json()["present"]["commands"]
