"""A Task that its sender sends back: the referral is taken back, or a question answered."""

from datetime import timedelta
from typing import Any

from fastapi import FastAPI

from polku_referral.desk import Desk
from polku_referral.fhir.codes import BSER
from polku_runtime.testing import Clock

from .conftest import Sender, SignIn, said
from .fhir_asking import ask, codes_of, reason, task_of
from .fhir_material import FHIR, OWN
from .material import COORDINATOR, ORIGIN, TOWN


async def test_taken_back_before_it_was_answered(sender: Sender, desk: Desk) -> None:
    at, task = await task_of(sender)
    sent = {**task, "status": "cancelled", "statusReason": reason("situation-changed")}
    done = await ask(sender, "PUT", at, sent, if_match='W/"1"')
    assert (done.status_code, done.json()["status"], done.headers["etag"]) == (200, "cancelled", 'W/"2"'), done.text
    assert done.json()["statusReason"]["coding"][0]["code"] == "situation-changed"
    assert done.headers["content-location"] == f"{ORIGIN}{FHIR}{at}"
    again = await ask(sender, "PUT", at, sent, if_match='W/"1"')
    assert (again.status_code, again.json()) == (200, done.json())
    assert (await ask(sender, "GET", at.replace("Task", "ServiceRequest"))).json()["status"] == "revoked"
    same = await ask(sender, "PUT", at, (await ask(sender, "GET", at)).json())
    assert (same.status_code, same.headers["etag"]) == (200, 'W/"2"')
    assert await said(desk) == ["polku.referral.received.v1", "polku.referral.withdrawn.v1"]


async def test_asked_for_after_it_was_accepted(sender: Sender, sign_in: SignIn) -> None:
    at, task = await task_of(sender)
    me = await sign_in(COORDINATOR)
    await me.command(at.replace("/Task", "/referrals") + "/accept", {}, 1)
    cancelled = {"status": "cancelled", "statusReason": reason("other", "Muutti pois.")}
    late = await ask(sender, "PUT", at, {**task, **cancelled})
    assert (late.status_code, codes_of(late)) == (412, [("lost-race",)])
    task = (await ask(sender, "GET", at)).json()
    assert (task["status"], task["executionPeriod"]) == ("accepted", {"start": "2026-03-02"})
    done = await ask(sender, "PUT", at, {**task, **cancelled})
    assert done.status_code == 200, done.text
    assert done.json()["businessStatus"]["coding"][0]["code"] == "withdrawal-requested"
    twice = await ask(sender, "PUT", at, {**done.json(), **cancelled})
    assert (twice.status_code, codes_of(twice)) == (409, [("wrong-state",)])
    assert (await ask(sender, "GET", at)).json()["note"][-1]["text"] == "Muutti pois."


async def asked(sender: Sender, sign_in: SignIn, at: str) -> dict[str, Any]:
    me = await sign_in(COORDINATOR)
    question = {"text": "Kuinka monta päivää viikossa?"}
    version = (await ask(sender, "GET", at)).json()["meta"]["versionId"]
    answer = await me.command(at.replace("/Task", "/referrals") + "/ask", question, int(version))
    assert answer.status_code == 200, answer.text
    task: dict[str, Any] = (await ask(sender, "GET", at)).json()
    assert (task["statusReason"]["text"], task["note"][-1]["text"]) == (question["text"], question["text"])
    return task


async def test_a_question_is_answered(sender: Sender, sign_in: SignIn, desk: Desk, clock: Clock) -> None:
    at, _ = await task_of(sender)
    task = await asked(sender, sign_in, at)
    kind = {"coding": [{"system": OWN.codes("task-input"), "code": "answer"}]}
    sent = {**task, "input": [{"type": kind, "valueString": "Kolmena."}]}
    done = await ask(sender, "PUT", at, sent)
    assert (done.status_code, done.json()["businessStatus"]["coding"][0]["code"]) == (200, "received"), done.text
    assert done.json()["note"][-1]["text"] == "Kolmena."
    assert done.json() == (await ask(sender, "GET", at)).json()
    assert (await ask(sender, "PUT", at, sent)).json() == done.json()
    task = await asked(sender, sign_in, at)
    clock.now += timedelta(minutes=1)
    sent = {**task, "note": [*task["note"], {"text": "Neljänä."}]}
    done = await ask(sender, "PUT", at, sent)
    assert done.status_code == 200, done.text
    assert (await ask(sender, "PUT", at, sent)).json() == done.json()
    notes = [(note["authorString"], note["text"]) for note in (await ask(sender, "GET", at)).json()["note"]]
    question = ("project", "Kuinka monta päivää viikossa?")
    assert notes == [question, ("sender", "Kolmena."), question, ("sender", "Neljänä.")]
    events = [kind for kind in await said(desk) if kind == "polku.referral.answered.v1"]
    assert len(events) == 2


async def test_an_answer_that_nobody_asked_for(sender: Sender) -> None:
    at, task = await task_of(sender)
    answer = await ask(sender, "PUT", at, {**task, "note": [{"text": "Muuten…"}]})
    assert (answer.status_code, codes_of(answer)) == (409, [("wrong-state",)])


MAY_NOT: list[tuple[dict[str, Any], int, tuple[str, ...], str]] = [
    ({"status": "accepted"}, 422, ("refused", "not-yours"), "Task.status"),
    ({"status": "completed"}, 422, ("refused", "not-yours"), "Task.status"),
    ({"priority": "stat"}, 422, ("refused", "not-yours"), "Task.priority"),
    ({"owner": {"reference": f"Organization/{TOWN}"}, "status": "cancelled", "statusReason": reason("other", "x")}, 422, ("refused", "not-yours"), "Task.owner"),
    ({"description": "Tee näin"}, 422, ("refused", "not-yours"), "Task.description"),
    ({"status": "cancelled"}, 422, ("invalid", "missing"), "Task.statusReason"),
    ({"status": "cancelled", "statusReason": reason("because")}, 422, ("invalid", "unknown-code"), "Task.statusReason.coding[0].code"),
    ({"status": "cancelled", "statusReason": reason("other")}, 422, ("invalid", "needed"), "Task.statusReason.text"),
    ({"status": "cancelled", "statusReason": reason("other", "x" * 1001)}, 422, ("invalid", "string-too-long"), "Task.statusReason.text"),
    ({"status": 7}, 422, ("invalid", "string-type"), "Task.status"),
    ({"intent": ...}, 422, ("invalid", "missing"), "Task.intent"),
    ({"input": [{"type": {"text": "tieto"}, "valueString": "Muuten…"}]}, 422, ("invalid", "unknown-code"), "Task.input[0].type"),
    ({"note": [{"text": "Yksi."}, {"text": "Toinen."}]}, 422, ("invalid", "extra-forbidden"), "Task.note[1].text"),
    ({"status": "cancelled", "statusReason": reason("other", "x"), "note": [{"text": "Lisäksi…"}]}, 422, ("invalid", "extra-forbidden"), "Task.note[0].text"),
    ({"modifierExtension": [{"url": "urn:x", "valueBoolean": True}]}, 422, ("refused", "not-yours"), "Task.modifierExtension"),
    ({"nothing": "x"}, 422, ("invalid", "extra-forbidden"), "Task.nothing"),
    ({"id": ...}, 400, ("invalid", "not-valid"), "Task.id"),
    ({"id": "other"}, 400, ("invalid", "not-valid"), "Task.id"),
]  # fmt: skip


async def test_what_a_sender_may_not_say(sender: Sender, desk: Desk) -> None:
    at, task = await task_of(sender)
    for changes, status, code, place in MAY_NOT:
        sent = {name: value for name, value in {**task, **changes}.items() if value is not ...}
        answer = await ask(sender, "PUT", at, sent)
        assert (answer.status_code, codes_of(answer)[0]) == (status, code), (changes, answer.text)
        issue = answer.json()["issue"][0]
        assert issue["expression"] == [place]
        assert (issue["code"] == "business-rule") == (code[0] == "refused"), changes
        # A second answer is no field that is not known.
        assert ("statusReason" in issue["details"]["text"]) == ("note" in changes), issue
    assert await said(desk) == ["polku.referral.received.v1"]


async def test_the_version_that_was_seen(sender: Sender) -> None:
    at, task = await task_of(sender)
    sent = {**task, "status": "cancelled", "statusReason": {"text": "Lähetettiin vahingossa."}}
    bare = {name: value for name, value in sent.items() if name != "meta"}
    missing = await ask(sender, "PUT", at, bare)
    assert (missing.status_code, codes_of(missing)) == (428, [("version-required",)])
    assert (await ask(sender, "PUT", at, sent, if_match="yesterday")).status_code == 400
    stale = await ask(sender, "PUT", at, {**task, "meta": {"versionId": "7"}})
    assert (stale.status_code, codes_of(stale)) == (412, [("lost-race",)])
    done = await ask(sender, "PUT", at, sent)
    assert (done.status_code, done.json()["statusReason"]["coding"][0]["code"]) == (200, "other")


async def test_a_task_need_not_be_sent_back_whole(sender: Sender) -> None:
    at, task = await task_of(sender)
    sent = {"resourceType": "Task", "id": task["id"], "status": "cancelled", "intent": "order"}
    sent |= {"statusReason": reason("sent-in-error")}
    assert (await ask(sender, "PUT", at, sent, if_match='W/"1"')).json()["status"] == "cancelled"


async def test_a_partner_that_speaks_bser(sender: Sender, sign_in: SignIn, app: FastAPI) -> None:
    await app.state.directory.organisations.collection.update_one({"_id": TOWN}, {"$set": {"fhir_profile": "bser"}})
    at, task = await task_of(sender)
    assert (task["status"], task["businessStatus"]["coding"][0]) == ("received", {"system": BSER, "code": "2.0"})
    me = await sign_in(COORDINATOR)
    await me.command(at.replace("/Task", "/referrals") + "/accept", {}, 1)
    task = (await ask(sender, "GET", at)).json()
    wish = {"status": "in-progress", "businessStatus": {"coding": [{"system": BSER, "code": "5.2"}]}}
    done = await ask(sender, "PUT", at, {**task, **wish, "statusReason": reason("person-declined")})
    assert done.status_code == 200, done.text
    assert (done.json()["status"], done.json()["businessStatus"]["coding"][0]["code"]) == ("in-progress", "5.2")
    assert (await ask(sender, "PUT", at, done.json())).headers["etag"] == done.headers["etag"]
    assert (await ask(sender, "GET", "/Task?status=in-progress")).json()["total"] == 1
