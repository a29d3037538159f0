"""A session's own page: marking the attendance, correcting it, cancelling."""

import re

import pytest

from polku_web.testing import Form, SignIn, fields_of, text_of

from .material import COACH
from .pages import hold, plan, row_of


async def test_everybody_is_present_unless_said_otherwise(people: None, sign_in: SignIn) -> None:
    me = await sign_in(COACH)
    at = await plan(me)
    form = fields_of((await me.get(at)).text, f"{at}/hold")
    assert (form["held_on"], form["minutes"]) == ("2026-03-02", "120")
    assert [form[f"attendance-pathway-{number}"] for number in (1, 2)] == ["present", "present"]
    await hold(me, at)
    page = (await me.get(f"{at}?done=hold")).text
    assert "The session and its attendance were recorded." in page
    assert "Held on 2 Mar 2026, 120 minutes" in text_of(page)
    assert "K-00001 Present 120 –" in text_of(row_of(page, "K-00001"))


async def test_absences_late_comers_and_walk_ins(people: None, sign_in: SignIn) -> None:
    me = await sign_in(COACH)
    at = await plan(me)
    changes: Form = {
        "held_on": "2.3.2026",
        "minutes": "90",
        "attendance-pathway-1": "absent-excused",
        "absence_reason-pathway-1": "illness",
        "minutes-pathway-1": "90",  # left over, not meant
        "attendance-pathway-2": "late",
        "minutes-pathway-2": "60",
        "absence_reason-pathway-2": "transport",  # left over, not meant
        "pathway_ids": ["pathway-3"],
    }
    await hold(me, at, **changes)
    page = (await me.get(at)).text
    assert "K-00001 Absent with leave 0 Illness" in text_of(row_of(page, "K-00001"))
    assert "K-00002 Late 60 –" in text_of(row_of(page, "K-00002"))
    assert "K-00003 Present 90 –" in text_of(row_of(page, "K-00003"))


async def test_a_wrong_attendance_is_said_in_its_row_and_the_rest_stays(people: None, sign_in: SignIn) -> None:
    me = await sign_in(COACH)
    at = await plan(me)
    changes: Form = {
        "held_on": "3.3.2026",
        "attendance-pathway-1": "absent-excused",
        "attendance-pathway-2": "late",
        "minutes-pathway-2": "121",
        "pathway_ids": ["pathway-3"],
    }
    answer = await me.submit(at, f"{at}/hold", changes=changes)
    page = answer.text
    assert answer.status_code == 422
    assert "There are 3 things to correct" in page
    assert '<a href="#f-held_on">The day is in the future.</a>' in page
    assert '<a href="#f-absence_reason-pathway-1">K-00001: State the reason of the absence.</a>' in page
    assert '<a href="#f-minutes-pathway-2">K-00002: Longer than the session itself.</a>' in page
    row = row_of(page, "K-00001")
    assert "State the reason of the absence." in row
    assert 'id="f-absence_reason-pathway-1"' in row
    assert 'aria-invalid="true" aria-describedby="e-absence_reason-pathway-1"' in row
    assert "Longer than the session itself." in row_of(page, "K-00002")
    form = fields_of(page, f"{at}/hold")
    assert {name: form[name] for name in changes} == changes
    assert "<details open>" in page
    answer = await me.send(
        f"{at}/hold", {**form, "held_on": "2.3.2026", "absence_reason-pathway-1": "family", "minutes-pathway-2": ""}
    )
    assert answer.status_code == 303


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"held_on": "yesterday"}, "held_on", "Give the day, for example 5.3.2026."),
        ({"held_on": ""}, "held_on", "This is required."),
        ({"minutes": "two hours"}, "minutes", "Give the minutes as a number"),
        ({"attendance-pathway-1": "asleep"}, "attendance-pathway-1", "K-00001: This value is not valid."),
        ({"attendance-pathway-1": ""}, "attendance-pathway-1", "K-00001: This is required."),
        ({"minutes-pathway-1": "-1"}, "minutes-pathway-1", "K-00001: Give the minutes as a number"),
        ({"minutes-pathway-1": "0"}, "minutes-pathway-1", "K-00001: State how many minutes the person was there."),
        (
            {"attendance-pathway-1": "absent-excused", "absence_reason-pathway-1": "hangover"},
            "absence_reason-pathway-1",
            "K-00001: This is not one of the known values.",
        ),
        ({"pathway_ids": ["ghost"]}, "participants", "The person has no open pathway in this programme."),
        ({"attendance-ghost": "present"}, "participants", "The person has no open pathway in this programme."),
        ({"attendance-" + "x" * 65: "present"}, "attendance-" + "x" * 65, "This value is not valid."),
    ],
)
async def test_what_was_typed_wrong_or_tampered_with_is_said(
    people: None, sign_in: SignIn, changes: Form, field: str, message: str
) -> None:
    me = await sign_in(COACH)
    at = await plan(me)
    answer = await me.submit(at, f"{at}/hold", changes=changes)
    assert answer.status_code == 422
    assert f'<a href="#f-{field}">{message}' in answer.text


async def test_nobody_planned_and_nobody_came(people: None, sign_in: SignIn) -> None:
    me = await sign_in(COACH)
    at = await plan(me, pathway_ids=[])
    answer = await me.submit(at, f"{at}/hold")
    assert '<a href="#f-participants">This is required.</a>' in answer.text
    await hold(me, at, pathway_ids=["pathway-3"])


async def test_a_session_that_has_not_begun_says_so(people: None, sign_in: SignIn) -> None:
    me = await sign_in(COACH)
    assert "has not begun yet" in (await me.get(await plan(me, clock="15.00"))).text
    assert "has not begun yet" not in (await me.get(await plan(me))).text


async def test_a_session_of_a_later_day_offers_no_attendance_yet(people: None, sign_in: SignIn) -> None:
    me = await sign_in(COACH)
    at = await plan(me, day="2026-03-05")
    page = (await me.get(at)).text
    assert "can be recorded from 5 Mar 2026 on" in page
    assert f'action="{at}/hold"' not in page
    answer = await me.send(f"{at}/hold", {"csrf": me.csrf, "version": "1", "held_on": "2026-03-02", "minutes": "60", "attendance-pathway-1": "present", "attendance-pathway-2": "present"})  # fmt: skip
    assert answer.status_code == 422
    assert '<a href="#f-held_on">The session is planned for a later day.' in answer.text


async def test_correcting(people: None, sign_in: SignIn) -> None:
    me = await sign_in(COACH)
    at = await plan(me)
    await hold(me, at)
    correction: Form = {"pathway_id": "pathway-1", "attendance": "absent-excused", "reason": "later-information"}
    answer = await me.submit(at, f"{at}/correct", changes=correction)
    assert answer.status_code == 422
    assert '<a href="#f-absence_reason">State the reason of the absence.</a>' in answer.text
    assert '<details class="card" open>' in answer.text
    form = fields_of(answer.text, f"{at}/correct")
    assert {name: form[name] for name in correction} == correction
    answer = await me.send(f"{at}/correct", {**form, "absence_reason": "illness"})
    assert answer.headers["location"] == f"{at}?done=correct"
    page = (await me.get(answer.headers["location"])).text
    assert "Old and new are kept." in page
    assert "K-00001, Present, 120 minutes → Absent with leave, Illness (Known only later)" in text_of(page)
    answer = await me.submit(at, f"{at}/correct", changes={"pathway_id": "pathway-2", "attendance": "late", "minutes": "45", "reason": "typing-error"})  # fmt: skip
    assert "K-00002 Late 45 –" in text_of(row_of((await me.get(at)).text, "K-00002"))
    answer = await me.submit(at, f"{at}/correct", changes={"pathway_id": "pathway-2", "attendance": "late", "minutes": "45", "reason": "typing-error"})  # fmt: skip
    assert (answer.status_code, "Nothing was changed." in answer.text) == (422, True)
    answer = await me.submit(at, f"{at}/correct")
    fields = re.findall(r'<a href="#f-(\w+)">This is required.', answer.text)
    assert set(fields) == {"pathway_id", "attendance", "reason"}


async def test_cancelling(people: None, sign_in: SignIn) -> None:
    me = await sign_in(COACH)
    at = await plan(me)
    answer = await me.submit(at, f"{at}/cancel")
    assert (answer.status_code, '<a href="#f-reason">This is required.</a>' in answer.text) == (422, True)
    assert '<details class="card" open>' in answer.text
    answer = await me.submit(at, f"{at}/cancel", changes={"reason": "premises"})
    shown = text_of((await me.get(answer.headers["location"])).text)
    assert "The session was cancelled." in shown
    assert "Cancelled because Premises or equipment" in shown
    assert "Planned for : K-00001, K-00002" in shown.replace("for:", "for :")
    assert "Record the attendance" not in shown
