"""Searching the FHIR door: parameters, order, pages."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from polku_referral.fhir.criteria import MAX_MOMENTS
from polku_referral.fhir.search import MAX_PARAMETERS
from polku_runtime.testing import Clock
from polku_web.paging import encode

from .conftest import Sender, SignIn
from .fhir_asking import ask, codes_of, found
from .fhir_material import FHIR, OWN
from .material import COORDINATOR, COUNTY, NOBODY, ORIGIN, TOWN

SYSTEM = OWN.referrals(TOWN)


async def test_search(sender: Sender, enrol: Callable[..., Any], sign_in: SignIn, clock: Clock) -> None:
    begun = clock.now
    for number in range(5):
        await sender.sent(f"A-{number}")
        clock.now += timedelta(minutes=1)
    other: Sender = await enrol(COUNTY)
    await other.sent("B-1")
    await sender.sign_on()
    me = await sign_in(COORDINATOR)
    changed = (await ask(sender, "GET", "/Task?identifier=A-1")).json()["entry"][0]["resource"]["id"]
    assert (await me.command(f"/referrals/{changed}/accept", {}, 1)).status_code == 200

    everything = ["A-0", "A-2", "A-3", "A-4", "A-1"]
    assert await found(sender, "") == everything
    assert await found(sender, "_count=2&_sort=_lastUpdated") == everything
    assert await found(sender, "_count=1&_sort=-_lastUpdated") == everything[::-1]
    assert await found(sender, "_count=2", "ServiceRequest") == everything
    assert await found(sender, f"requester=Organization/{TOWN}&_total=none") == everything
    assert await found(sender, f"requester={ORIGIN}{FHIR}/Organization/{TOWN}") == everything
    assert await found(sender, f"requester=Organization/{COUNTY}") == []
    assert await found(sender, "status=accepted") == ["A-1"]
    assert await found(sender, "status=requested,rejected") == everything[:4]
    assert await found(sender, "status=http://hl7.org/fhir/task-status|accepted") == ["A-1"]
    assert await found(sender, "status=active", "ServiceRequest") == everything
    assert await found(sender, "status=revoked", "ServiceRequest") == []
    assert await found(sender, f"identifier={SYSTEM}|A-3") == ["A-3"]
    assert await found(sender, "identifier=A-3,A-0", "ServiceRequest") == ["A-0", "A-3"]
    assert await found(sender, "identifier=urn:other|A-3") == []
    assert await found(sender, f"_id={changed},{NOBODY}") == ["A-1"]
    assert await found(sender, "identifier=B-1") == []
    assert await found(sender, f"identifier={SYSTEM}|") == everything
    assert await found(sender, "status=urn:other|accepted") == []

    second = (begun + timedelta(minutes=2)).isoformat().replace("+00:00", "Z")
    for prefix, wanted in (
        ("gt", ["A-3", "A-4", "A-1"]),
        ("sa", ["A-3", "A-4", "A-1"]),
        ("ge", ["A-2", "A-3", "A-4", "A-1"]),
        ("lt", ["A-0"]),
        ("eb", ["A-0"]),
        ("le", ["A-0", "A-2"]),
        ("eq", ["A-2"]),
        ("", ["A-2"]),
    ):
        assert await found(sender, f"_lastUpdated={prefix}{second}") == wanted, prefix
    assert await found(sender, f"_lastUpdated=ge{second}&_lastUpdated=lt2027-01-01&_count=1") == everything[1:]
    there = (begun + timedelta(minutes=2)).astimezone().isoformat()
    assert await found(sender, f"_lastUpdated=gt{quote(there)}") == ["A-3", "A-4", "A-1"]
    assert await found(sender, f"_lastUpdated={begun.date()}") == everything
    assert await found(sender, f"_lastUpdated=gt{begun.date()}") == []


async def test_a_date_stands_for_all_the_time_that_it_leaves_open(sender: Sender, clock: Clock) -> None:
    clock.now = clock.now.replace(hour=22, minute=30)  # it is the next day in Finland already
    await sender.sign_on()
    await sender.sent("A-0")  # 2026-03-02T22:30:00.000Z
    clock.now += timedelta(milliseconds=250)
    await sender.sent("A-1")
    both, neither = ["A-0", "A-1"], list[str]()
    for value, wanted in (
        ("2026", both),
        ("2025", neither),
        ("ge2027", neither),
        ("lt2026", neither),
        ("2026-03", both),
        ("le2026-02", neither),
        ("gt2026-02", both),
        ("2026-03-02", both),
        ("2026-03-03", neither),
        ("ne2026-03-02", neither),
        ("ne2026-03-03", both),
        ("2026-03-02T22:30Z", both),
        ("2026-03-02T22:30:00Z", both),
        ("2026-03-03T00:30:00%2B02:00", both),
        ("2026-03-03T00:30:00+02:00", both),  # a plus that was not encoded
        ("2026-03-02T22:30:00.000Z", ["A-0"]),
        ("gt2026-03-02T22:30:00.000Z", ["A-1"]),
        ("ge2026-03-02T22:30:00.2500000Z", ["A-1"]),  # as .NET writes an instant
        ("gt2026-03-02T22:30:00.2500000Z", neither),
        ("ne2026-03-02T22:30:00.25Z", ["A-0"]),
        ("lt2026-03-02T22:30:00.000Z,ge2026-03-02T22:30:00.250Z", ["A-1"]),
    ):
        assert await found(sender, f"_lastUpdated={value}") == wanted, value


async def test_a_change_in_the_same_second_is_not_passed_over(sender: Sender, clock: Clock) -> None:
    """A client goes on from the newest instant that it saw, in exactly the characters in which it saw it."""
    await sender.sent("A-0")
    (entry,) = (await ask(sender, "GET", "/Task")).json()["entry"]
    newest = entry["resource"]["meta"]["lastUpdated"]
    assert newest == "2026-03-02T08:00:00.000Z"
    clock.now += timedelta(milliseconds=1)
    await sender.sent("A-1")
    assert await found(sender, f"_lastUpdated=gt{newest}") == ["A-1"]


async def test_the_total_alone(sender: Sender) -> None:
    for number in range(2):
        await sender.sent(f"A-{number}")
    for query in ("_count=0", "_summary=count", "_summary=count&_total=none"):
        told = (await ask(sender, "GET", f"/Task?status=requested&{query}")).json()
        assert (told["total"], [link["relation"] for link in told["link"]]) == (2, ["self"])
        assert "entry" not in told
    assert await found(sender, "_summary=false&_count=1") == ["A-0", "A-1"]


async def test_a_search_as_a_form(sender: Sender) -> None:
    """For clients that keep what they look for out of addresses, and so out of logs."""
    for number in range(3):
        await sender.sent(f"A-{number}")
    form = {"content_type": "application/x-www-form-urlencoded; charset=utf-8"}
    told = (
        await ask(sender, "POST", "/Task/_search?_count=1", b"identifier=A-2,A-1&_sort=-_lastUpdated", **form)
    ).json()
    assert [entry["resource"]["identifier"][0]["value"] for entry in told["entry"]] == ["A-2"]
    following = {link["relation"]: link["url"] for link in told["link"]}["next"]
    (entry,) = (await ask(sender, "GET", following.removeprefix(f"{ORIGIN}{FHIR}"))).json()["entry"]
    assert entry["resource"]["identifier"][0]["value"] == "A-1"
    assert (await ask(sender, "POST", "/ServiceRequest/_search", b"", **form)).json()["total"] == 3
    for sent, headers, status in (
        (b"nothing=x", form, 400),
        (b"_id=%ff", form, 400),
        (b"_id=\xff", form, 400),
        (b"_id=" + b"x" * 20_000, form, 413),
        (b"{}", {}, 415),
    ):
        answer = await ask(sender, "POST", "/Task/_search", sent, **headers)
        assert (answer.status_code, answer.json()["resourceType"]) == (status, "OperationOutcome"), sent[:20]


async def test_links_keep_the_form_of_the_answer(sender: Sender) -> None:
    for number in range(2):
        await sender.sent(f"A-{number}")
    told = (await ask(sender, "GET", "/Task?_format=json&_count=1", accept="text/html")).json()
    following = {link["relation"]: link["url"] for link in told["link"]}["next"].removeprefix(f"{ORIGIN}{FHIR}")
    assert (await ask(sender, "GET", following, accept="text/html")).status_code == 200


async def test_what_is_in_a_list_says_that_it_is_not_whole(sender: Sender) -> None:
    referral = await sender.sent()
    for kind in ("Task", "ServiceRequest"):
        (entry,) = (await ask(sender, "GET", f"/{kind}")).json()["entry"]
        assert [tag["code"] for tag in entry["resource"]["meta"]["tag"]] == ["SUBSETTED"]
        assert "tag" not in (await ask(sender, "GET", f"/{kind}/{referral['id']}")).json()["meta"]


async def test_what_was_seen_last_is_where_to_go_on(sender: Sender) -> None:
    await sender.sent()
    newest = (await ask(sender, "GET", "/Task?_sort=-_lastUpdated&_count=1")).json()["entry"][0]["resource"]
    assert await found(sender, f"_lastUpdated=gt{quote(newest['meta']['lastUpdated'])}") == []
    assert await found(sender, f"_lastUpdated=ge{quote(newest['meta']['lastUpdated'])}") == ["TE-2026-000123"]


async def test_searches_that_mean_nothing(sender: Sender) -> None:
    for query, name, code in (
        ("_lastUpdatd=gt2026-01-01", "_lastUpdatd", "unknown-parameter"),
        ("owner=x", "owner", "unknown-parameter"),
        ("status:not=accepted", "status:not", "unknown-parameter"),
        ("requester:Organization.name=x", "requester:Organization.name", "unknown-parameter"),
        ("010594Y9032:not=x", "…:not", "unknown-parameter"),
        ("_lastUpdated=yesterday", "_lastUpdated", "not-valid"),
        ("_lastUpdated=gt2026-02-30", "_lastUpdated", "not-valid"),
        ("_lastUpdated=gt2026-01-01T08:00:00", "_lastUpdated", "not-valid"),
        ("_lastUpdated=xx2026-01-01", "_lastUpdated", "not-valid"),
        ("_lastUpdated=" + ",".join(["ne2026"] * (MAX_MOMENTS + 1)), "_lastUpdated", "not-valid"),
        ("_count=-1", "_count", "not-valid"),
        ("_summary=true", "_summary", "not-valid"),
        ("_include=Task:focus", "_include", "unknown-parameter"),
        ("_lastUpdated=ap2026-01-01", "_lastUpdated", "not-valid"),
        ("_lastUpdated=2026-00", "_lastUpdated", "not-valid"),
        ("_lastUpdated=2026-13", "_lastUpdated", "not-valid"),
        ("_lastUpdated=0000", "_lastUpdated", "not-valid"),
        ("_lastUpdated=9999-12-31", "_lastUpdated", "not-valid"),
        ("_lastUpdated=0001-01-01T00:00:00%2B14:00", "_lastUpdated", "not-valid"),
        ("_lastUpdated=gt2026-01-01,", "_lastUpdated", "not-valid"),
        ("_count=x", "_count", "not-valid"),
        ("_sort=status", "_sort", "not-valid"),
        ("_count=1&_count=2", "_count", "not-valid"),
        ("_total=some", "_total", "not-valid"),
        ("after=WzFd", "after", "cursor"),
        ("after=WyJ4IiwieSJd", "after", "cursor"),
        (f"after={encode(('0001-01-01T00:00:00+14:00', 'x'))}", "after", "cursor"),
    ):
        answer = await ask(sender, "GET", f"/Task?{query}")
        assert (answer.status_code, codes_of(answer)) == (400, [("invalid", code)]), query
        assert answer.json()["issue"][0]["location"] == [f"http:{name}"]


async def test_a_search_of_very_many_conditions_is_refused_at_once(sender: Sender) -> None:
    """MongoDB found no plan for them in its time, and the client heard 503, so that it would try again."""
    for many in ("&".join(["_lastUpdated=ne2026,ne2025,ne2024"] * 500), "&".join(f"p{n}=1" for n in range(500))):
        answer = await ask(sender, "GET", f"/Task?{many}")
        assert (answer.status_code, codes_of(answer)) == (400, [("invalid",)])
    most = "&".join(
        ["_lastUpdated=" + ",".join(f"ne{year}" for year in range(2000, 2000 + MAX_MOMENTS))] * MAX_PARAMETERS
    )
    assert await found(sender, most) == []
