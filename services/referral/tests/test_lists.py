"""Lists of referrals and of codes, as a sender and the project read them."""

import asyncio

import pytest

from .conftest import Sender, SignIn
from .material import (
    API,
    COACH,
    COORDINATOR,
)


async def test_lists_by_cursor(sender: Sender, sign_in: SignIn) -> None:
    urgent = {3, 5}
    for number in range(7):
        await sender.sent(f"A-{number}", urgency="urgent" if number in urgent else "normal")

    async def walked(first: str) -> list[str]:
        found, address = [], first
        while address:
            answer = await sender.http.get(address, headers=sender.headers)
            assert answer.status_code == 200
            found += [row["external_id"] for row in answer.json()["items"]]
            link = answer.headers.get("link", "")
            address = link[1 : link.index(">")] if link else ""
            assert bool(link) == (answer.json()["next"] is not None)
        return found

    assert await walked(f"{API}/referrals?limit=2&state=received") == ["A-3", "A-5", "A-0", "A-1", "A-2", "A-4", "A-6"]
    assert await walked(f"{API}/referrals?limit=3") == [f"A-{number}" for number in (6, 5, 4, 3, 2, 1, 0)]
    assert await walked(f"{API}/referrals?external_id=A-4") == ["A-4"]
    me = await sign_in(COORDINATOR)
    assert len((await me.get(f"{API}/referrals")).json()["items"]) == 7
    assert (await me.get(f"{API}/referrals?state=accepted")).json() == {"items": [], "next": None}


@pytest.mark.parametrize(
    "query",
    [
        "after=x",
        "after=WyJhIiwiYiIsImMiXQ",
        "limit=0",
        "limit=1000",
        "limit=x",
        "state=lost",
        "external_id=",  # a variable that was empty must not find somebody else's referral first in the list
        "changed_since=2026-03-01",
    ],
)
async def test_lists_asked_for_wrongly(sender: Sender, query: str) -> None:
    answer = await sender.get(f"/referrals?{query}")
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert (error["in"], error["pointer"]) == ("query", "/" + query.partition("=")[0])
    assert "state" not in query or "withdrawal-requested" in error["message"]


async def test_a_cursor_of_another_list(sender: Sender) -> None:
    for number in range(2):
        await sender.sent(f"A-{number}")
    cursor = (await sender.get("/referrals?limit=1")).json()["next"]
    assert (await sender.get(f"/referrals?limit=1&state=received&after={cursor}")).status_code == 422


async def test_code_lists(sender: Sender, sign_in: SignIn) -> None:
    codes = (await sender.get("/codes")).json()
    assert {"code": "urgent", "fi": "Kiireellinen", "sv": "Brådskande", "en": "Urgent"} in codes["urgency"]
    assert (await (await sign_in(COACH)).get(f"{API}/codes")).json() == codes
    assert (await (await sign_in(None)).get(f"{API}/codes")).status_code == 401


async def test_many_readers_at_once(sender: Sender, sign_in: SignIn) -> None:
    """Looks at one person are one chain; readers at the same moment all get through."""
    at, me = f"{API}/referrals/{(await sender.sent())['id']}/person", await sign_in(COORDINATOR)
    answers = await asyncio.gather(*(me.get(at) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
