"""Who is behind a figure: members with their events, who is left out and why, page by page."""

import pytest

from .asking import BASE
from .stories import ALL, numbered, opened, received, started


async def test_members_with_the_events_behind_them(web, door, apply, feed):
    door.enter("coordinator")
    records = feed.add(ALL)
    await apply(records)
    answer = (await web.get(f"{BASE}/figures/EECR01/members")).json()
    [member] = answer["members"]
    assert (member["id"], member["case_code"], member["gender"]) == ("p1", "K-p1", "woman")
    in_force = [event["type"] for event in member["events"] if event["in_force"]]
    assert sorted(in_force) == ["polku.participation.corrected.v1", "polku.person.age-stated.v1"]
    assert len(member["events"]) == 8  # the start, two corrections, two ages, two ends and the reopening
    assert answer["rule"]["within_days_after_leaving"] == 28
    ids = {record.event.id for record in records}
    assert {event["id"] for event in member["events"]} <= ids


async def test_who_is_left_out_and_why(web, door, apply, feed):
    door.enter("manager")
    await apply(feed.add(numbered(opened("p1", "w1"), started("p1", "w1", education=None))))
    await apply(feed.add(numbered(received("p2", "r2"))))
    answer = (await web.get(f"{BASE}/figures/EECO02/members?counted=false")).json()
    told = {member["case_code"]: (member["reason"], member["missing"]) for member in answer["members"]}
    assert told == {"K-p1": ("incomplete", ["age", "education"]), "K-p2": ("not-started", ["age"][:0])}
    then = (await web.get(f"{BASE}/figures/EECO02/members?counted=false&as_of=2026-11-01")).json()
    assert then["members"] == answer["members"]


async def test_members_by_cursor(web, door, apply, feed):
    door.enter("manager")
    for n in range(7):
        await apply(feed.add(numbered(opened(f"p{n}", f"w{n}"), started(f"p{n}", f"w{n}"))))
    seen, address = [], f"{BASE}/figures/EECO01/members?limit=3"
    while address:
        answer = await web.get(address)
        seen += [member["id"] for member in answer.json()["members"]]
        address = answer.links.get("next", {}).get("url")
    assert seen == [f"p{n}" for n in range(7)]
    day = [m["id"] for m in (await web.get(f"{BASE}/figures/EECO01/members?as_of=2026-11-01")).json()["members"]]
    assert day == seen


@pytest.mark.parametrize(
    ("code", "kinds", "amounts"),
    [
        ("SESSIONS", {"session"}, [1, 1]),
        ("SESSION-HOURS", {"session"}, [1.5, 0.8]),
        ("ATTENDANCES", {"person"}, [1, 1]),
        ("REFERRALS-RECEIVED", {"person"}, [1, 1, 1]),
    ],
)
async def test_members_of_what_stands_beside(web, door, apply, feed, code, kinds, amounts):
    door.enter("manager")
    await apply(feed.add(ALL))
    for query in ("", "?as_of=2027-11-01"):
        members = (await web.get(f"{BASE}/figures/{code}/members{query}")).json()["members"]
        assert {member["kind"] for member in members} == kinds
        assert [member["amount"] for member in members] == amounts
        assert all(member["events"] for member in members)


async def test_unknown_figures_have_no_members(web, door):
    door.enter("manager")
    for code in ("EECO99", "COMPANIES", "COMPLETE", "counted"):
        assert (await web.get(f"{BASE}/figures/{code}/members")).status_code == 404
