"""Figures over HTTP: who may see them, on other days and as known at an instant, as a sheet."""

import csv
import io
from datetime import date, timedelta

import pytest

from polku_runtime.access import Principal

from .asking import BASE, by_code
from .stories import ALL, START, corrected, ended, held, numbered, person, reopened


async def test_figures(web, door, apply, feed):
    await apply(feed.add(ALL))
    door.enter("manager")
    figures = by_code(await web.get(f"{BASE}/figures"))
    assert {key: figures["EECO01"][key] for key in ("value", "target")} == {"value": 2, "target": 95}
    assert figures["EECO01"]["by_gender"] == {"woman": 1, "man": 1}
    assert figures["EECO04"]["parts"] == {"FI-OUTSIDE": 1, "FI-STUDYING": 0}
    assert figures["EECR01"]["value"] == 1
    assert figures["EECO01"]["forecast"]["state"] == "running"
    assert figures["COMPANIES"]["value"] is None
    assert figures["COMPANIES"]["target"] == 11
    assert figures["SESSION-HOURS"]["parts"] == {"group-activity": 1.5, "training": 0.8}
    assert figures["EECO01"]["rule_version"] == "esf-plus/1"
    assert figures["EECO01"]["updated_at"] is not None
    assert len(figures) == 17 + 6 + 1


async def test_no_figure_before_anything_happened(web, door):
    door.enter("steering")
    figures = by_code(await web.get(f"{BASE}/figures"))
    assert figures["EECO01"]["value"] == 0
    assert figures["EECO01"]["updated_at"] is None


@pytest.mark.parametrize(
    ("roles", "figures", "members"),
    [
        (("manager",), 200, 200),
        (("coordinator",), 200, 200),
        (("steering",), 200, 403),
        (("coach",), 403, 403),
        (("operator",), 403, 403),
        ((), 401, 401),
    ],
)
async def test_roles(web, door, roles, figures, members):
    if roles:
        door.enter(*roles)
    assert (await web.get(f"{BASE}/figures")).status_code == figures
    assert (await web.get(f"{BASE}/figures.csv")).status_code == figures
    assert (await web.get(f"{BASE}/figures/EECO01/members")).status_code == members


async def test_machines_see_figures_and_never_persons(web, door):
    auth = {"authorization": "Bearer good"}
    door.machine = Principal(kind="client", id="c1", scopes=frozenset({"figures:read"}))
    assert (await web.get(f"{BASE}/figures", headers=auth)).status_code == 200
    assert (await web.get(f"{BASE}/figures/EECO01/members", headers=auth)).status_code == 403
    assert (await web.get(f"{BASE}/figures", headers={"authorization": "Bearer bad"})).status_code == 401
    door.machine = Principal(kind="client", id="c1", scopes=frozenset({"referrals:write"}))
    assert (await web.get(f"{BASE}/figures", headers=auth)).status_code == 403


async def test_another_programme_looks_like_none(web, door):
    door.enter("manager", programmes=("other",))
    assert (await web.get(f"{BASE}/figures")).status_code == 404
    assert (await web.get("/indicators/api/v1/programmes/nowhere/figures")).status_code == 404
    assert (await web.get("/indicators/programmes/kainuu", headers={"accept": "text/html"})).status_code == 404
    assert (await web.get("/indicators/api/v1/programmes")).json() == []


@pytest.mark.parametrize(
    "query",
    [
        "as_of=yesterday",
        "as_of=2026-02-30",
        "as_of=0001-01-01",
        "as_of=9999-12-31",
        "as_known=2026-03-01T10:00:00",
        "as_known=0001-01-01T00:00:00%2B14:00",
        "as_known=9999-12-31T23:59:59-12:00",
    ],
)
async def test_a_moment_that_is_none_is_refused(web, door, query):
    door.enter("manager")
    answer = await web.get(f"{BASE}/figures?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["in"] == "query"


async def test_as_of_and_as_known(web, door, apply, feed, clock):
    """Entry in February, learnt in March; corrected in April."""
    door.enter("manager")
    await apply(feed.add(person(employment_status="inactive")))
    learnt = clock.now
    clock.advance(days=30)
    await apply(feed.add([(corrected(employment_status="employed"), 3)]))

    async def value(code, **query):
        return by_code(await web.get(f"{BASE}/figures", params=query))[code]["value"]

    before = (START - timedelta(days=1)).isoformat()
    assert await value("EECO01", as_of=before) == 0
    assert await value("EECO01", as_of=START.isoformat()) == 1
    # Now we know that he was employed on the start day; then we said inactive.
    assert await value("EECO05", as_of=START.isoformat()) == 1
    assert await value("EECO04", as_of=START.isoformat(), as_known=learnt.isoformat()) == 1
    assert await value("EECO05") == 1
    earlier = (learnt - timedelta(seconds=1)).isoformat()
    assert await value("EECO01", as_known=earlier) == 0


async def test_as_of_between_an_end_and_a_reopening(web, door, apply, feed):
    door.enter("manager")
    end = START + timedelta(days=90)
    story = person(employment_status="inactive")
    await apply(feed.add([*story, (ended(on=end, status="employed"), 3), (reopened(on=end + timedelta(days=10)), 4)]))
    between = (end + timedelta(days=5)).isoformat()
    assert by_code(await web.get(f"{BASE}/figures"))["EECR04"]["value"] == 0
    assert by_code(await web.get(f"{BASE}/figures?as_of={between}"))["EECR04"]["value"] == 1


async def test_csv_for_a_finnish_spreadsheet(web, door, apply, feed):
    door.enter("manager")
    await apply(feed.add(numbered(held(minutes=90))))
    answer = await web.get(f"{BASE}/figures.csv", headers={"accept-language": "fi"})
    assert answer.content.startswith(b"\xef\xbb\xbf")
    rows = {row["code"]: row for row in csv.DictReader(io.StringIO(answer.text.lstrip("\ufeff")), delimiter=";")}
    assert rows["SESSION-HOURS"]["value"] == "1,5"
    assert rows["COMPANIES"]["value"] == ""
    assert rows["EECO01"]["label"] == "Osallistuvia henkilöitä"


async def test_the_api_describes_itself(web, door):
    door.enter("manager")
    paths = (await web.get("/indicators/api/v1/openapi.json")).json()["paths"]
    assert "/indicators/api/v1/programmes/{programme}/figures" in paths
    assert not any("/programmes/{programme}" in path and "/api/" not in path for path in paths)


def test_the_story_days_are_inside_the_programme():
    assert date(2025, 6, 1) < START
