"""Figures over HTTP: who may see what, other days, members with reasons, CSV, and the pages."""

import asyncio
import csv
import io
from datetime import date, timedelta

import httpx
import pytest

from polku_indicators.app import create_api
from polku_runtime.access import Principal
from polku_web.doors import Visit

from .stories import START, ended, held, numbered, opened, person, received, reopened, started
from .test_fold import history

BASE = "/indicators/api/v1/programmes/kainuu"


class FakeDoor:
    """Lets in whoever the test says."""

    csrf_keys = (b"k",)

    def __init__(self) -> None:
        self.staff: Principal | None = None
        self.machine: Principal | None = None

    async def visit(self, request):
        return None if self.staff is None else Visit(self.staff, "session", None)

    async def client(self, token):
        return self.machine if token == "good" else None

    def enter(self, *roles, programmes=("kainuu",)):
        self.staff = Principal(kind="staff", id="s1", roles=frozenset(roles), programmes=frozenset(programmes))


@pytest.fixture
def door():
    return FakeDoor()


@pytest.fixture
async def app(store, settings, effects, door):
    app = create_api(settings, effects=effects, door=door)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def web(app):
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700") as client:
        yield client


def by_code(answer):
    return {figure["code"]: figure for figure in answer.json()["figures"]}


async def test_figures(web, door, apply, feed):
    await apply(feed.add(event for topic in history() for event in topic))
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
    from .stories import corrected

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


async def test_members_with_the_events_behind_them(web, door, apply, feed):
    door.enter("coordinator")
    records = feed.add(event for topic in history() for event in topic)
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
    await apply(feed.add(event for topic in history() for event in topic))
    for query in ("", "?as_of=2027-11-01"):
        members = (await web.get(f"{BASE}/figures/{code}/members{query}")).json()["members"]
        assert {member["kind"] for member in members} == kinds
        assert [member["amount"] for member in members] == amounts
        assert all(member["events"] for member in members)


async def test_unknown_figures_have_no_members(web, door):
    door.enter("manager")
    for code in ("EECO99", "COMPANIES", "COMPLETE", "counted"):
        assert (await web.get(f"{BASE}/figures/{code}/members")).status_code == 404


async def test_csv_for_a_finnish_spreadsheet(web, door, apply, feed):
    door.enter("manager")
    await apply(feed.add(numbered(held(minutes=90))))
    answer = await web.get(f"{BASE}/figures.csv", headers={"accept-language": "fi"})
    assert answer.content.startswith(b"\xef\xbb\xbf")
    rows = {row["code"]: row for row in csv.DictReader(io.StringIO(answer.text.lstrip("\ufeff")), delimiter=";")}
    assert rows["SESSION-HOURS"]["value"] == "1,5"
    assert rows["COMPANIES"]["value"] == ""
    assert rows["EECO01"]["label"] == "Osallistuvia henkilöitä"


async def page(web, address, lang="en", status=200, **headers):
    answer = await web.get(address, headers={"accept": "text/html", "accept-language": lang, **headers})
    assert answer.status_code == status, answer.text
    return answer.text


@pytest.mark.parametrize("lang", ["fi", "sv", "en"])
async def test_dashboard(web, door, apply, feed, lang):
    door.enter("manager")
    await apply(feed.add(event for topic in history() for event in topic))
    text = await page(web, "/indicators/programmes/kainuu", lang)
    assert f'lang="{lang}"' in text
    assert 'href="/indicators/programmes/kainuu/figures/EECO01"' in text
    assert "hx-sse:connect" in text
    assert text.count("<svg") > 8
    fragment = await page(web, "/indicators/programmes/kainuu", lang, **{"hx-request": "true"})
    assert "<html" not in fragment


async def test_steering_sees_numbers_without_lists(web, door, apply, feed):
    door.enter("steering")
    await apply(feed.add(person()))
    text = await page(web, "/indicators/programmes/kainuu")
    assert '/figures/EECO01"' not in text
    assert "K-p1" not in text
    await page(web, "/indicators/programmes/kainuu/figures/EECO01", status=403)


async def test_a_past_day_is_kept_in_every_link(web, door, apply, feed):
    door.enter("manager")
    await apply(feed.add(person()))
    text = await page(web, "/indicators/programmes/kainuu?as_of=2026-02-10&then=yes")
    assert "figures/EECO01?as_of=2026-02-10&amp;then=yes" in text
    assert "hx-sse:connect" not in text
    text = await page(web, "/indicators/programmes/kainuu/figures/EECO01?as_of=2026-02-10")
    assert "K-p1" in text
    await page(web, "/indicators/programmes/kainuu?as_of=2026-02-31")
    await page(web, "/indicators/programmes/kainuu?as_of=")
    await page(web, "/indicators/programmes/kainuu?as_of=9999-12-31&then=yes")


@pytest.mark.parametrize("lang", ["fi", "sv", "en"])
@pytest.mark.parametrize("code", ["EECO01", "EECO06", "EECO10", "EECR01", "EECR02", "SESSIONS", "ATTENDANCES"])
async def test_member_pages(web, door, apply, feed, lang, code):
    door.enter("coordinator")
    await apply(feed.add(event for topic in history() for event in topic))
    await apply(feed.add(numbered(opened("p8", "w8"), started("p8", "w8", education=None))))
    text = await page(web, f"/indicators/programmes/kainuu/figures/{code}", lang)
    assert code in text
    assert code in await page(web, f"/indicators/programmes/kainuu/figures/{code}?left_out=yes", lang)


async def test_pages_are_woken_by_their_programme(app, apply, feed):
    woken = app.state.live.stream(None, ["figures", "figures-kainuu"])
    told = asyncio.ensure_future(anext(woken))
    await asyncio.sleep(0)
    async with asyncio.timeout(20):
        n = 0
        while not told.done() or told.result()[1] == "reset":  # until the hub listens
            if told.done():
                told = asyncio.ensure_future(anext(woken))
            n += 1
            await apply(feed.add(numbered(received(f"p{n}", f"r{n}"))))
            await asyncio.sleep(0.1)
    assert told.result()[1] == "figures-kainuu"
    await woken.aclose()


async def test_the_api_describes_itself(web, door):
    door.enter("manager")
    paths = (await web.get("/indicators/api/v1/openapi.json")).json()["paths"]
    assert "/indicators/api/v1/programmes/{programme}/figures" in paths
    assert not any("/programmes/{programme}" in path and "/api/" not in path for path in paths)


async def test_home_opens_the_only_programme(web, door):
    door.enter("manager")
    answer = await web.get("/indicators/")
    assert (answer.status_code, answer.headers["location"]) == (303, "/indicators/programmes/kainuu")
    door.enter("manager", programmes=())
    assert "No programme" in await page(web, "/indicators/")


def test_the_story_days_are_inside_the_programme():
    assert date(2025, 6, 1) < START
