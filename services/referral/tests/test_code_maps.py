"""Codes of the sender: what they stand for, what happens with those that nobody knows, and their repair."""

from typing import Any

import pytest

from polku_referral.desk import Desk
from polku_referral.model.code_map import CodeMap
from polku_runtime.testing import Clock

from .conftest import Person, Sender, SignIn, said
from .material import API, COACH, COORDINATOR, COUNTY, MANAGER, NOBODY, PAGES, REFERRER, TOWN, body, leaks

MAP: dict[str, Any] = {
    "route": {"TYP-01": "employment-service"},
    "service": {"Työpaja": "work-activity", "training": "work-practice"},
    "municipality": {"Kajaani": "205"},
}
AT = f"{API}/organisations/{TOWN}/codes"


async def put(me: Person, wish: object, version: int | None, at: str = AT) -> Any:
    await me.get(PAGES)
    headers = {"x-csrf-token": me.csrf, **({} if version is None else {"if-match": f'"{version}"'})}
    return await me.http.put(at, json=wish, headers=headers)


@pytest.fixture
async def mapped(desk: Desk) -> None:
    """TOWN's map, with unknown codes kept."""
    assert await desk.code_maps.put(TOWN, CodeMap.model_validate({**MAP, "unknown": "keep"}), 0, MANAGER)


async def test_a_map_is_kept_by_version(sign_in: SignIn, desk: Desk) -> None:
    me = await sign_in(MANAGER)
    none = await me.get(AT)
    assert (none.headers["etag"], none.json()["version"], none.json()["unknown"]) == ('"0"', 0, "refuse")
    assert (await put(me, MAP, None)).status_code == 428
    first = await put(me, MAP, 0)
    assert (first.status_code, first.headers["etag"]) == (200, '"1"')
    assert first.json() == {
        "unknown": "refuse",
        "decline_reason": {},
        "outcome": {},
        **MAP,
        "version": 1,
        "repaired": 0,
    }
    for stale in (0, 7):
        late = await put(me, MAP, stale)
        assert (late.status_code, late.json()["present"]["version"]) == (409, 1)
    assert (await put(me, {}, 1)).json()["service"] == {}
    assert (await me.get(AT)).json()["version"] == 2
    assert await desk.audit.rows.count_documents({"action": "change-codes", "about": TOWN}) == 4


async def test_who_keeps_maps(sign_in: SignIn, sender: Sender) -> None:
    for who, status in ((None, 401), (COACH, 403), (COORDINATOR, 403), (REFERRER, 403), (MANAGER, 200)):
        me = await sign_in(who)
        assert (await me.get(AT)).status_code == status
        assert (await put(me, MAP, 0)).status_code == status
    assert (await sender.get(f"/organisations/{TOWN}/codes")).status_code == 403
    assert (await put(await sign_in(MANAGER), MAP, 0, f"{API}/organisations/{NOBODY}/codes")).status_code == 404


@pytest.mark.parametrize(
    ("wish", "pointer"),
    [
        ({"route": {"A1": "nowhere"}}, "/route/A1"),
        ({"route": {"A1": "Not A Code"}}, "/route/A1"),
        ({"municipality": {"Kajaani": "20"}}, "/municipality/Kajaani"),
        ({"unknown": "perhaps"}, "/unknown"),
        ({"urgency": {"A": "urgent"}}, "/urgency"),
        ({"service": {"x" * 61: "training"}}, "/service/…/[key]"),
        ({"service": {"a\u202eb": "training"}}, "/service/…/[key]"),
        ({"service": {"": "training"}}, "/service/…/[key]"),
        ({"service": {"010594Y9032": "training"}}, "/service"),
        ({"service": {f"c{number}": "training" for number in range(501)}}, "/service"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_maps_that_do_not_hold(sign_in: SignIn, wish: dict[str, Any], pointer: str) -> None:
    answer = await put(await sign_in(MANAGER), wish, 0)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].split("/")[1] == pointer.split("/")[1]
    assert leaks(answer.text) == []


async def test_own_codes_are_read(mapped: None, sender: Sender, desk: Desk, sign_in: SignIn) -> None:
    shown = await sender.sent(route="TYP-01", service="training", person__municipality="Kajaani")
    assert (shown["route"], shown["service"]) == ("employment-service", "work-practice")
    assert shown["mapped"] == {"route": "TYP-01", "service": "training"}
    assert shown["unmapped"] == {}
    assert (await sender.get(f"/referrals/{shown['id']}")).json() == shown
    plain = await sender.sent("A-2")  # Polku's own codes go on
    assert (plain["route"], plain["mapped"]) == ("employment-service", {})
    person = (await (await sign_in(COORDINATOR)).get(f"{API}/referrals/{shown['id']}/person")).json()
    assert person["contact"]["municipality"] == "205"
    row = await desk.repository.database["referrals"].find_one({"_id": shown["id"]})
    assert row is not None
    assert row["outbox"][0]["data"]["service"] == "work-practice"


async def test_own_codes_in_a_correction(mapped: None, sender: Sender, sign_in: SignIn) -> None:
    """What a system calls a municipality in a referral it calls it afterwards too."""
    at = (await sender.sent(person__municipality="205"))["id"]
    assert (await sender.command(at, "correct-contact", {"municipality": "Kajaani"}, 1)).status_code == 200
    me = await sign_in(COORDINATOR)
    assert (await me.get(f"{API}/referrals/{at}/person")).json()["contact"]["municipality"] == "205"
    assert (await sender.command(at, "correct-contact", {"municipality": "Kainuun Kajaani"}, 2)).status_code == 200
    assert (await me.get(f"{API}/referrals/{at}/person")).json()["contact"]["municipality"] == "Kainuun Kajaani"


async def test_a_repeat_is_known_by_what_was_sent(mapped: None, sender: Sender, desk: Desk) -> None:
    first = await sender.sent(service="Työpaja")
    again = {**MAP, "service": {"Työpaja": "group-activity"}, "unknown": "keep"}
    assert await desk.code_maps.put(TOWN, CodeMap.model_validate(again), 1, MANAGER)
    assert (await sender.post(body(service="Työpaja"))).json() == first
    assert (await sender.post(body(service="work-activity"))).json()["code"] == "idempotency-mismatch"
    assert (await sender.sent("A-2", service="Työpaja"))["service"] == "group-activity"


async def test_a_dry_run_tells_what_is_mapped(mapped: None, sender: Sender) -> None:
    told = (await sender.post(body(service="Työpaja", route="??"), "?dry_run=true")).json()
    assert (told["mapped"], told["unmapped"]) == ({"service": "Työpaja"}, {"route": "??"})


@pytest.mark.parametrize(
    ("field", "value"), [("route", "TYP-01"), ("service", "Työpaja"), ("person__municipality", "Kajaani")]
)
async def test_without_a_map_only_our_codes_are_codes(sender: Sender, field: str, value: str) -> None:
    answer = await sender.post(body(**{field: value}))
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/" + field.replace("__", "/"))


async def test_a_map_is_one_organisation_s(mapped: None, enrol: Any, sign_in: SignIn) -> None:
    county: Sender = await enrol(COUNTY)
    assert (await county.post(body(service="Työpaja"))).status_code == 422
    strict = {**MAP, "unknown": "refuse"}
    assert (await put(await sign_in(MANAGER), strict, 0, f"{API}/organisations/{COUNTY}/codes")).status_code == 200
    assert (await county.post(body(service="Työpaja"))).status_code == 201
    refused = await county.post(body("A-2", service="Verstas", route="??"))
    assert [error["pointer"] for error in refused.json()["errors"]] == ["/route", "/service"]
    assert "Verstas" not in refused.text


@pytest.mark.parametrize(
    "value", ["010594Y9032", "x 010594y9032 x", "x" * 61, "", "a\nb", "a\u202eb", 7, None, {"$ne": ""}], ids=repr
)
async def test_what_is_not_kept(mapped: None, sender: Sender, value: object) -> None:
    for field in ("service", "person__municipality"):
        if value is None and field != "service":
            continue
        answer = await sender.post(body(**{field: value}))
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/" + field.replace("__", "/"))
        assert leaks(answer.text) == []


async def test_unknown_codes_are_kept_seen_and_repaired(
    mapped: None, sender: Sender, sign_in: SignIn, desk: Desk
) -> None:
    evil = "<b>Verstas</b>"
    shown = await sender.sent(service=evil, route="TYP-01", person__municipality="Kainuun Kajaani")
    assert (shown["state"], shown["service"], shown["unmapped"]) == ("received", "unknown", {"service": evil})
    me, page = await sign_in(COORDINATOR), f"{PAGES}/{shown['id']}"
    seen = (await me.get(f"{API}/referrals/{shown['id']}")).json()
    assert seen["commands"] == ["decline", "ask", "waitlist", "forward", "map-codes"]
    person = (await me.get(f"{API}/referrals/{shown['id']}/person")).json()
    assert person["contact"]["municipality"] == "Kainuun Kajaani"
    for address in (PAGES, page):
        text = (await me.get(address)).text
        assert "&lt;b&gt;Verstas&lt;/b&gt;" in text
        assert evil not in text
        assert "Unknown code" in text
    assert f'action="{page}/accept"' not in (await me.get(page)).text
    refused = await me.command(f"/referrals/{shown['id']}/accept", {}, 1)
    assert (refused.status_code, refused.json()["refusal"]) == (409, "unknown-codes")

    wrong = await me.submit(page, f"{page}/map-codes", {"service": ""})
    assert wrong.status_code == 422
    done = await me.submit(page, f"{page}/map-codes", {"service": "group-activity", "municipality": "205"})
    assert done.headers["location"] == f"{page}?done=map-codes"
    assert "Unknown code" not in (await me.get(page)).text
    heard = (await sender.get(f"/referrals/{shown['id']}")).json()
    assert (heard["service"], heard["unmapped"]) == ("group-activity", {})
    assert heard["mapped"] == {"route": "TYP-01", "service": evil}
    assert (await sender.post(body(service=evil, route="TYP-01", person__municipality="Kainuun Kajaani"))).json()["id"] == shown["id"]  # fmt: skip
    assert (await me.command(f"/referrals/{shown['id']}/accept", {}, 2)).status_code == 200
    assert (await said(desk))[1:] == ["polku.referral.codes-mapped.v1", "polku.referral.accepted.v1"]
    row = await desk.repository.database["referrals"].find_one({"_id": shown["id"]})
    assert row is not None
    assert [event["data"]["service"] for event in row["outbox"]] == ["unknown", "group-activity", "group-activity"]
    assert "Verstas" not in str(row["outbox"])  # a sender's own spelling might say anything: no event holds it


@pytest.mark.parametrize(
    ("wish", "pointer"),
    [
        ({}, "/service"),
        ({"service": "nowhere"}, "/service"),
        ({"service": "unknown"}, "/service"),
        ({"service": "training", "route": "self"}, "/route"),
        ({"service": "training", "urgency": "normal"}, "/urgency"),
    ],
)
async def test_repairs_that_do_not_hold(
    mapped: None, sender: Sender, sign_in: SignIn, wish: dict[str, Any], pointer: str
) -> None:
    at = (await sender.sent(service="Verstas"))["id"]
    answer = await (await sign_in(COORDINATOR)).command(f"/referrals/{at}/map-codes", wish, 1)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)


async def test_what_is_answered_is_not_repaired(mapped: None, sender: Sender, sign_in: SignIn) -> None:
    at, me = (await sender.sent(service="Verstas"))["id"], await sign_in(COORDINATOR)
    assert (await me.command(f"/referrals/{at}/map-codes", {"service": "training"}, 9)).status_code == 409
    done = await me.command(f"/referrals/{at}/decline", {"reason": "no-capacity"}, 1)
    assert done.json()["commands"] == []
    late = await me.command(f"/referrals/{at}/map-codes", {"service": "training"}, 2)
    assert (late.status_code, late.json()["code"]) == (409, "wrong-state")


async def test_other_processes_see_a_change_soon(mapped: None, sender: Sender, desk: Desk, clock: Clock) -> None:
    await sender.sent()
    strict = CodeMap.model_validate({**MAP, "unknown": "refuse"}).model_dump(mode="json")
    await desk.code_maps.rows.update_one({"_id": TOWN}, {"$set": {"map": strict}})  # by somebody else
    clock.advance(seconds=6)
    assert (await sender.post(body("A-2", service="Verstas"))).status_code == 422


async def test_a_map_that_has_learnt_a_code_repairs_what_waits_for_it(
    mapped: None, sender: Sender, enrol: Any, sign_in: SignIn, me: Person, desk: Desk
) -> None:
    trial: Sender = await enrol(test=True)
    waits, both, answered = [
        (await sender.sent(external_id, service="Verstas", **more))["id"]
        for external_id, more in (("A-1", {}), ("A-2", {"route": "??"}), ("A-3", {}))
    ]
    tried = (await trial.sent("A-1", service="Verstas"))["id"]
    assert (await me.command(f"/referrals/{answered}/decline", {"reason": "no-capacity"}, 1)).status_code == 200
    manager = await sign_in(MANAGER)
    learnt = {**MAP, "unknown": "keep", "service": {**MAP["service"], "Verstas": "group-activity"}}
    assert (await put(manager, learnt, 1)).json()["repaired"] == 1  # and the trial, which nobody counts
    for whose, at in ((sender, waits), (trial, tried)):
        heard = await whose.told(at)
        assert (heard["service"], heard["mapped"], heard["unmapped"]) == ("group-activity", {"service": "Verstas"}, {})
        assert [(step["kind"], step["party"]) for step in heard["history"][1:]] == [("codes-mapped", "project")]
    assert (await sender.told(both))["unmapped"] == {"route": "??", "service": "Verstas"}
    assert (await sender.told(answered))["unmapped"] == {"service": "Verstas"}
    assert (await me.command(f"/referrals/{waits}/accept", {}, 2)).status_code == 200
    assert (await said(desk)).count("polku.referral.codes-mapped.v1") == 2
    assert (await put(manager, {**learnt, "route": {"??": "self"}}, 2)).json()["repaired"] == 1
    assert ((await sender.told(both))["route"], (await sender.told(both))["service"]) == ("self", "group-activity")
    # Taken back: what was read by it stays, what comes now waits again.
    assert (await put(manager, {**MAP, "unknown": "keep"}, 3)).json()["repaired"] == 0
    assert (await sender.told(both))["service"] == "group-activity"
    assert (await sender.sent("A-4", service="Verstas"))["unmapped"] == {"service": "Verstas"}


async def test_the_way_back_in_the_sender_s_codes(sender: Sender, sign_in: SignIn, desk: Desk) -> None:
    own = {"decline_reason": {"H3": "no-capacity", "H4": "no-capacity"}, "outcome": {"T1": "work"}}
    me = await sign_in(MANAGER)
    assert (await put(me, own, 0)).status_code == 200
    assert (await put(me, {"outcome": {"T1": "luck"}}, 1)).json()["errors"][0]["pointer"] == "/outcome/T1"
    at = (await sender.sent())["id"]
    await me.command(f"/referrals/{at}/decline", {"reason": "no-capacity"}, 1)
    heard = (await sender.get(f"/referrals/{at}")).json()
    assert (heard["reason"], heard["mapped"]) == ("no-capacity", {"reason": "H3"})
    assert (await sender.get("/referrals")).json()["items"][0]["mapped"] == {"reason": "H3"}
    assert (await me.get(f"{API}/referrals/{at}")).json()["mapped"] == {}
