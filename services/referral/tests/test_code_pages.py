"""An organisation's map of codes as managers and operators see and change it, without JavaScript."""

import html
import re
from typing import Any

import pytest

from polku_referral.desk import Desk
from polku_referral.model.code_map import CodeMap

from .conftest import Person, Sender, SignIn
from .material import COACH, COORDINATOR, MANAGER, NOBODY, REFERRER, TOWN, leaks

ORGANISATION = f"/referral/organisations/{TOWN}"
HERE = f"{ORGANISATION}/codes"
MAP = {"unknown": "keep", "service": {"Työpaja": "work-activity"}}


@pytest.fixture
async def manager(desk: Desk, sign_in: SignIn) -> Person:
    """With a map that knows one code and lets unknown ones in."""
    assert await desk.code_maps.put(TOWN, CodeMap.model_validate(MAP), 0, None)
    found: Person = await sign_in(MANAGER)
    return found


async def text_of(me: Person, address: str = HERE) -> str:
    return html.unescape((await me.get(address)).text)


async def sent(me: Person, what: str, version: int, **fields: str) -> Any:
    """One form of the page, filled in."""
    await me.get(HERE)
    return await me.send(f"{HERE}/{what}", {"csrf": me.csrf, "version": str(version), **fields})


async def kept(desk: Desk) -> dict[str, Any]:
    found = (await desk.code_maps.kept(TOWN)).code_map
    assert found is not None
    return found.model_dump(exclude_defaults=True)


async def trail(desk: Desk) -> list[tuple[str, str | None, str | None, str | None]]:
    rows = desk.audit.rows.find({"action": {"$regex": "change"}}).sort("_id.seq")
    return [(row["action"], row["by"], row.get("about"), row.get("detail")) async for row in rows]


async def test_who_may_see_it(manager: Person, sign_in: SignIn) -> None:
    assert f'href="{HERE}"' in (await manager.get(ORGANISATION)).text
    assert (await manager.get(HERE)).status_code == 200
    assert (await manager.get(HERE.replace(TOWN, NOBODY))).status_code == 404
    for role in (COORDINATOR, COACH, REFERRER):
        assert (await (await sign_in(role)).get(HERE)).status_code == 403


async def test_what_waits_is_mapped_and_repaired(manager: Person, sender: Sender, enrol: Any, desk: Desk) -> None:
    trial: Sender = await enrol(test=True)
    await trial.sent("T-1", service="Kokeilu")
    assert "nobody knows keep" not in await text_of(manager, ORGANISATION)
    own = ' <b>"Verstas"</b> & 1'  # the space is the sender's
    both, *ones = [
        (await sender.sent(name, service=own, **more))["id"]
        for name, more in (("A", {"route": "??"}), ("B", {}), ("C", {}))
    ]
    await trial.sent("T-2", service=own)
    assert "2 codes that nobody knows keep referrals waiting." in await text_of(manager, ORGANISATION)
    page = await text_of(manager)
    assert (own in page, "<b>" in (await manager.get(HERE)).text) == (True, False)
    waits = re.findall(r'class="hint" id="h-waiting-\d">(\w+), (\d) referrals? waits?<', page)
    assert waits == [("Services", "3"), ("Routes", "1")]  # the most first, and no trial among them
    done = await manager.submit(HERE, f"{HERE}/map", {"ours": "group-activity"})  # the first form: what waits most
    assert done.headers["location"] == f"{HERE}?repaired=2"
    assert "2 referrals that waited were repaired." in await text_of(manager, done.headers["location"])
    assert [(await sender.told(at))["service"] for at in (both, *ones)] == [
        "unknown",
        "group-activity",
        "group-activity",
    ]
    assert (await trial.told((await trial.get("/referrals")).json()["items"][0]["id"]))["service"] == "group-activity"
    page = await text_of(manager)
    assert re.findall(r'class="hint" id="h-waiting-\d">(\w+), (\d) referrals? waits?<', page) == [("Routes", "1")]
    assert "1 code that nobody knows keeps referrals waiting." in await text_of(manager, ORGANISATION)
    assert await trail(desk) == [("change-codes", MANAGER, TOWN, None)]
    assert await kept(desk) == {"unknown": "keep", "service": {"Työpaja": "work-activity", own: "group-activity"}}


async def test_codes_are_added_changed_and_removed(manager: Person, sender: Sender, desk: Desk) -> None:
    read = (await sender.sent("A", service="Työpaja"))["id"]
    changed = await sent(manager, "map", 1, at="service-1", field="service", known="Työpaja", ours="training")
    assert changed.headers["location"] == f"{HERE}?repaired=0"
    assert "waited" not in await text_of(manager, f"{HERE}?repaired=0")
    await sent(manager, "map", 2, at="municipality-new", field="municipality", own=" Kajaani ", ours="205")
    await sent(manager, "map", 3, at="outcome-new", field="outcome", own="T1", ours="work")
    await sent(manager, "remove", 4, at="service-1", field="service", known="Työpaja")
    await sent(manager, "unknown", 5, at="unknown", unknown="refuse")
    assert await kept(desk) == {"municipality": {"Kajaani": "205"}, "outcome": {"T1": "work"}}
    assert (await sender.told(read))["service"] == "work-activity"  # what was read by it stays
    page = await text_of(manager)
    assert re.search(r'value="refuse" checked', page)
    assert re.search(r'<option value="work" selected>Work</option>', page)


@pytest.mark.parametrize(
    ("field", "own", "ours", "error"),
    [
        ("service", "", "training", "service-new-own"),
        ("service", "Verstas", "", "service-new"),
        ("service", "Verstas", "nowhere", "service-new"),
        ("service", "Verstas", "Not A Code", "service-new"),
        ("service", "x" * 61, "training", "service-new-own"),
        ("service", "a\u202eb", "training", "service-new-own"),
        ("service", "010594Y9032", "training", "service-new-own"),
        ("municipality", "Kajaani", "20", "municipality-new"),
        ("municipality", "Kajaani", "kajaani", "municipality-new"),
    ],
)
async def test_what_is_wrong_stands_beside_its_field(
    manager: Person, desk: Desk, field: str, own: str, ours: str, error: str
) -> None:
    answer = await sent(manager, "map", 1, at=f"{field}-new", field=field, own=own, ours=ours)
    assert answer.status_code == 422
    assert re.findall(r'class="error" id="e-([^"]+)"', answer.text) == [error]
    assert f'<a href="#f-{error}">' in answer.text
    assert leaks(answer.text) == []
    assert (await kept(desk), await trail(desk)) == (MAP, [])


async def test_a_full_list_takes_no_more(manager: Person, desk: Desk) -> None:
    full = CodeMap.model_validate({"service": {f"c{number}": "training" for number in range(500)}})
    assert await desk.code_maps.put(TOWN, full, 1, None)
    answer = await sent(manager, "map", 2, at="service-new", field="service", own="one more", ours="training")
    assert (answer.status_code, 'id="e-service-new-own"' in answer.text) == (422, True)


async def test_forms_that_nobody_gave(manager: Person, desk: Desk) -> None:
    assert (await sent(manager, "map", 1, at="x", field="urgency", own="A", ours="urgent")).status_code == 404
    assert (await sent(manager, "unknown", 1, at="unknown", unknown="perhaps")).status_code == 422
    assert await kept(desk) == MAP


async def test_who_is_slower_sees_the_present_state(manager: Person, desk: Desk) -> None:
    assert await desk.code_maps.put(TOWN, CodeMap.model_validate({**MAP, "outcome": {"T9": "work"}}), 1, None)
    answer = await sent(manager, "map", 1, at="service-new", field="service", own="Verstas", ours="training")
    assert (answer.status_code, "T9" in answer.text) == (409, True)
    assert "Somebody changed this meanwhile" in answer.text
    assert "Verstas" not in (await kept(desk))["service"]
    made = [("change-codes", MANAGER, TOWN, None), ("change-not-made", MANAGER, TOWN, "change-codes")]
    assert await trail(desk) == made
