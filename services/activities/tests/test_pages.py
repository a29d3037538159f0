"""The pages as a person without JavaScript meets them."""

import re
from typing import Any

import pytest

from polku_activities.repository import Sessions
from polku_runtime.testing import Clock
from polku_web.testing import Form, Person, SignIn, fields_of, text_of

from .conftest import Hear
from .material import COACH, COORDINATOR, ELSEWHERE, OTHER_COACH, STEERING, closed, opened

LIST = "/activities/sessions"
NEW = f"{LIST}/new"
PLAN: dict[str, Any] = {
    "activity": "work-activity",
    "day": "2.3.2026",
    "clock": "9.00",
    "pathway_ids": ["pathway-1", "pathway-2"],
}


async def plan(me: Person, **changes: Any) -> str:
    """Plans a session by the form; its address."""
    answer = await me.submit(NEW, changes={**PLAN, **changes})
    assert answer.status_code == 303, text_of(answer.text)
    at, _, done = answer.headers["location"].partition("?")
    assert done == "done=plan"
    return str(at)


async def hold(me: Person, at: str, **changes: Any) -> None:
    answer = await me.submit(at, f"{at}/hold", changes=changes)
    assert answer.headers.get("location") == f"{at}?done=hold", text_of(answer.text)


def row_of(page: str, case: str) -> str:
    """The table row of one person, as HTML."""
    return next(row for row in re.findall(r"<tr>.*?</tr>", page, re.DOTALL) if case in row)


# -- the list --------------------------------------------------------------------------------------------------


async def test_an_empty_list_says_so_and_leads_on(sign_in: SignIn) -> None:
    me = await sign_in(COACH)
    answer = await me.get("/activities/", follow_redirects=True)
    assert (answer.status_code, answer.url.path) == (200, LIST)
    assert "No session fits these filters." in answer.text
    assert f'href="{LIST}?period=all"' in answer.text
    page = (await me.get(NEW)).text
    assert "Nobody has an open pathway in the programme yet." in page


async def test_the_list_links_counts_and_marks_what_is_missing(people: None, sign_in: SignIn, clock: Clock) -> None:
    me = await sign_in(COACH)
    past = await plan(me, clock="7.00", place="Kirjasto")
    held = await plan(me, clock="8.00", activity="training")
    await hold(me, held, **{"attendance-pathway-1": "absent-unexcused"})
    await plan(me, day="2026-03-05")
    gone = await plan(me, day="2026-03-06")
    await me.submit(gone, f"{gone}/cancel", changes={"reason": "weather"})
    clock.advance(hours=2)
    me = await sign_in(COACH)

    page = (await me.get(LIST)).text
    shown = text_of(page)
    assert "Planned (2) Held (1) Cancelled (1) All (4)" in shown
    assert "2 Mar 2026 07:00–09:00 Work activity Kirjasto 2 you Planned Attendance missing" in shown
    assert "2 Mar 2026 08:00–10:00 Training – 1 of 2 there you Held" in shown
    assert shown.count("Attendance missing") == 1
    assert f'<th scope="row"><a id="l-{past.rpartition("/")[2]}" href="{past}">' in page

    filtered = (await me.get(f"{LIST}?state=held&period=today")).text
    assert held in filtered
    assert past not in filtered
    assert "Planned (1) Held (1) Cancelled (0) All (2)" in text_of(filtered)
    assert f'href="{LIST}?state=held&amp;period=today" aria-current="true"' in filtered
    assert "No session fits" in (await me.get(f"{LIST}?activity=work-practice")).text


async def test_a_coordinator_tells_own_sessions_from_colleagues(people: None, sign_in: SignIn) -> None:
    await plan(await sign_in(COACH))
    me = await sign_in(COORDINATOR)
    assert "colleague 0001" in text_of((await me.get(LIST)).text)
    assert "No session fits" in (await me.get(f"{LIST}?whose=own")).text
    page = (await me.get(f"{LIST}?whose={OTHER_COACH}")).text
    assert f'<option value="{OTHER_COACH}" selected>' in page
    assert "No session fits" in page
    assert "colleague 0001" in text_of((await me.get(f"{LIST}?whose={COACH}")).text)
    assert OTHER_COACH not in (await (await sign_in(COACH)).get(LIST)).text


async def test_a_coordinator_gives_sessions_to_coaches_by_the_form(people: None, sign_in: SignIn) -> None:
    me, coach = await sign_in(COORDINATOR), await sign_in(COACH)
    assert fields_of((await me.get(NEW)).text, NEW)["coach_id"] == COORDINATOR
    assert "coach_id" not in fields_of((await coach.get(NEW)).text, NEW)
    answer = await me.submit(NEW, changes={**PLAN, "coach_id": ELSEWHERE})
    assert (answer.status_code, '<a href="#f-coach_id">' in answer.text) == (422, True)
    at = await plan(me, coach_id=COACH)
    assert (await coach.get(at)).status_code == 200
    answer = await me.submit(f"{at}/change", f"{at}/change", changes={"coach_id": OTHER_COACH})
    assert answer.headers["location"] == f"{at}?done=change"
    assert (await coach.get(at)).status_code == 404


async def test_the_list_goes_on_by_cursor_and_keeps_its_filters(people: None, sign_in: SignIn) -> None:
    me = await sign_in(COACH)
    addresses = {await plan(me, day=f"2026-03-0{number}") for number in range(2, 7)}
    seen: set[str] = set()
    address, pages = f"{LIST}?limit=2&state=planned", 0
    while address:
        page = (await me.get(address)).text
        seen |= set(re.findall(rf'<th scope="row"><a [^>]*href="({LIST}/[^"]+)"', page))
        following = re.search(r'href="([^"]+)" rel="next"', page)
        address = following[1].replace("&amp;", "&") if following else ""
        assert "state=planned" in address or not address
        pages += 1
    assert (seen, pages) == (addresses, 3)
    assert "Back to the start" in page


async def test_htmx_gets_the_part_that_it_asked_for(people: None, sign_in: SignIn) -> None:
    me = await sign_in(COACH)
    at = await plan(me)
    part = (await me.get(f"{LIST}?state=planned", headers={"hx-request": "true"})).text
    assert "<html" not in part
    assert f'hx-get="{LIST}/rows?state=planned"' in part
    assert at in (await me.get(f"{LIST}/rows")).text


# -- planning --------------------------------------------------------------------------------------------------


async def test_an_empty_form_starts_with_what_is_usual(people: None, sign_in: SignIn) -> None:
    form = fields_of((await (await sign_in(COACH)).get(NEW)).text, NEW)
    assert (form["day"], form["clock"], form["minutes"], form["group"]) == ("2026-03-03", "09:00", "120", "yes")
    assert (form["activity"], form["pathway_ids"]) == ("", [])


async def test_a_wrong_plan_comes_back_with_what_was_typed_and_a_summary(people: None, sign_in: SignIn) -> None:
    me = await sign_in(COACH)
    answer = await me.submit(NEW, changes={**PLAN, "activity": "", "day": "soon", "clock": "9", "minutes": "x", "group": "no", "place": "5.3.2026"})  # fmt: skip
    page = answer.text
    assert answer.status_code == 422
    assert "There are 4 things to correct" in page
    for name, message in (
        ("activity", "This is required."),
        ("day", "Give the day, for example 5.3.2026."),
        ("clock", "Give the time, for example 9.30."),
        ("minutes", "Give the minutes as a number: a session takes from 5 to 720."),
    ):
        assert f'<a href="#f-{name}">{message}</a>' in page
        assert f'id="f-{name}"' in page
        assert f'id="e-{name}"' in page
    assert page.index("things to correct") < page.index("<h1>")
    form = fields_of(page, NEW)
    assert (form["day"], form["clock"], form["group"], form["place"]) == ("soon", "9", "no", "5.3.2026")
    assert form["pathway_ids"] == ["pathway-1", "pathway-2"]

    answer = await me.send(NEW, {**form, "activity": "training", "day": "", "clock": "", "minutes": "60"})
    assert text_of(answer.text).count("This is required.") == 4
    answer = await me.send(NEW, {**form, "activity": "training", "day": "5.3.2026", "clock": "9:30", "minutes": "60"})
    assert '<a href="#f-participants">An individual session has one participant.</a>' in answer.text
    answer = await me.send(NEW, {**form, "activity": "training", "day": "5.3.1926", "clock": "9:30", "minutes": "60"})
    assert '<a href="#f-day">Give the day, for example 5.3.2026.</a>' in answer.text
    answer = await me.send(NEW, {**form, "activity": "training", "day": "5.3.2026", "clock": "24:30", "minutes": "4"})
    assert {"f-clock", "f-minutes"} == set(re.findall(r'<a href="#(f-\w+)">', answer.text))


async def test_planning_and_changing(people: None, sign_in: SignIn) -> None:
    me = await sign_in(COACH)
    at = await plan(me, place="5.3.2026")
    page = (await me.get(f"{at}?done=plan")).text
    shown = text_of(page)
    assert "The session was planned." in shown
    assert "Work activity, 2 Mar 2026 09:00–11:00 Planned" in shown
    assert "Place 5.3.2026" in shown
    form = fields_of((await me.get(f"{at}/change")).text, f"{at}/change")
    assert (form["day"], form["clock"], form["pathway_ids"]) == ("2026-03-02", "09:00", ["pathway-1", "pathway-2"])
    answer = await me.send(f"{at}/change", {**form, "clock": "13:15", "pathway_ids": ["pathway-3"], "group": "no"})
    assert answer.headers["location"] == f"{at}?done=change"
    shown = text_of((await me.get(answer.headers["location"])).text)
    assert "The plan was changed." in shown
    assert "13:15–15:15" in shown
    assert "one person" in shown
    answer = await me.submit(f"{at}/change")
    assert (answer.status_code, "Nothing was changed." in answer.text) == (422, True)


async def test_a_participant_whose_pathway_closed_can_be_kept(people: None, hear: Hear, sign_in: SignIn) -> None:
    me = await sign_in(COACH)
    at = await plan(me)
    await hear((closed(1), 2))
    page = (await me.get(f"{at}/change")).text
    assert fields_of(page, f"{at}/change")["pathway_ids"] == ["pathway-1", "pathway-2"]
    assert (await me.submit(f"{at}/change", changes={"minutes": "60"})).status_code == 303


async def test_somebody_who_is_elsewhere_is_pointed_out(people: None, sign_in: SignIn) -> None:
    me = await sign_in(COACH)
    await plan(me)
    at = await plan(me, clock="10.30")
    assert "In another session at the same time: K-00001, K-00002" in text_of((await me.get(at)).text)


async def test_who_works_in_two_programmes_chooses_first(hear: Hear, sign_in: SignIn, sessions: Sessions) -> None:
    await hear((opened(1), 1), (opened(2, "lapland"), 1))
    await sessions.database["staff"].update_one({"_id": COACH}, {"$set": {"programmes": ["lapland", "kainuu"]}})
    me = await sign_in(COACH)
    page = (await me.get(NEW)).text
    assert "K-00001" in page
    assert "K-00002" not in page
    assert f'href="{NEW}?programme=lapland"' in page
    page = (await me.get(f"{NEW}?programme=lapland")).text
    assert fields_of(page, NEW)["programme"] == "lapland"
    assert "K-00002" in page
    assert fields_of((await me.get(f"{NEW}?programme=nowhere")).text, NEW)["programme"] == "kainuu"


# -- attendance ------------------------------------------------------------------------------------------------


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


# -- two at once, and strangers --------------------------------------------------------------------------------


async def test_the_slower_of_two_keeps_the_plan_that_was_typed(people: None, sign_in: SignIn) -> None:
    me, other = await sign_in(COACH), await sign_in(COORDINATOR)
    at = await plan(me)
    old = fields_of((await me.get(f"{at}/change")).text, f"{at}/change")
    await other.submit(f"{at}/change", changes={"clock": "12:00", "place": "Halli"})
    answer = await me.send(f"{at}/change", {**old, "minutes": "60", "pathway_ids": ["pathway-3"]})
    assert answer.status_code == 409
    shown = text_of(answer.text)
    assert "The session has changed meanwhile" in shown
    assert "The present plan Work activity, 2 Mar 2026 12:00–14:00" in shown
    assert "Place Halli" in shown
    form = fields_of(answer.text, f"{at}/change")
    assert (form["minutes"], form["pathway_ids"], form["version"]) == ("60", ["pathway-3"], "2")
    assert (await me.send(f"{at}/change", form)).status_code == 303


async def test_the_slower_of_two_keeps_the_attendance_that_was_marked(people: None, sign_in: SignIn) -> None:
    me, other = await sign_in(COACH), await sign_in(COORDINATOR)
    at = await plan(me)
    old = fields_of((await me.get(at)).text, f"{at}/hold")
    await other.submit(f"{at}/change", changes={"pathway_ids": ["pathway-1", "pathway-2", "pathway-3"]})
    answer = await me.send(f"{at}/hold", {**old, "attendance-pathway-1": "late"})
    assert answer.status_code == 409
    assert "still in the form and not saved yet" in answer.text
    form = fields_of(answer.text, f"{at}/hold")
    assert (form["attendance-pathway-1"], form["attendance-pathway-3"]) == ("late", "present")
    assert (await me.send(f"{at}/hold", form)).status_code == 303


@pytest.mark.parametrize("form", ["change", "hold", "cancel"])
async def test_what_came_too_late_shows_the_present_state(people: None, sign_in: SignIn, form: str) -> None:
    me = await sign_in(COACH)
    at = await plan(me)
    page = (await me.get(f"{at}/change" if form == "change" else at)).text
    old = fields_of(page, f"{at}/{form}") | {"reason": "weather", "minutes": "60"}
    await hold(me, at)
    for version in (old["version"], "4", "0", "²", "9" * 5000, ""):
        answer = await me.send(f"{at}/{form}", {**old, "version": version})
        assert answer.status_code == 409
        assert "This cannot be done any more, so nothing was saved." in answer.text
        assert "K-00001 Present 120" in text_of(row_of(answer.text, "K-00001"))
    assert (await me.get(f"{at}/change")).status_code == 409


async def test_strangers_get_nothing(people: None, sign_in: SignIn) -> None:
    at = await plan(await sign_in(COACH))
    nobody = await sign_in(None)
    for address in (LIST, NEW, at, f"{at}/change"):
        answer = await nobody.get(address, headers={"accept": "text/html"})
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/referral/sign-in?next=")
        assert (await (await sign_in(STEERING)).get(address)).status_code == 403
    for stranger in (OTHER_COACH, ELSEWHERE):
        person = await sign_in(stranger)
        await person.get(NEW)
        assert [(await person.get(address)).status_code for address in (at, f"{at}/change")] == [404, 404]
        for form in ("change", "hold", "correct", "cancel"):
            assert (await person.send(f"{at}/{form}", {"csrf": person.csrf, "version": "1"})).status_code == 404
    me = await sign_in(COACH)
    assert (await me.send(f"{at}/hold", {"version": "1"})).status_code == 403


# -- words -----------------------------------------------------------------------------------------------------

WORDS = {
    "fi": ("Suunnittele tapaaminen", "Paikalla", "Poissa ilmoittamatta"),
    "sv": ("Planera en träff", "Närvarande", "Frånvarande utan anmälan"),
    "en": ("Plan a session", "Present", "Absent without notice"),
}


@pytest.mark.parametrize("language", WORDS)
async def test_every_page_speaks_the_readers_language_and_shows_no_code(
    people: None, sign_in: SignIn, language: str
) -> None:
    me = await sign_in(COACH, language)
    planned, held, gone = await plan(me), await plan(me), await plan(me, clock="12.00")
    await hold(me, held, **{"attendance-pathway-1": "absent-excused", "absence_reason-pathway-1": "other-appointment"})
    await me.submit(
        held,
        f"{held}/correct",
        changes={"pathway_id": "pathway-1", "attendance": "absent-unexcused", "reason": "wrong-person"},
    )
    await me.submit(gone, f"{gone}/cancel", changes={"reason": "coach-absent"})
    answers = [
        *[await me.get(address) for address in (LIST, NEW, planned, f"{planned}/change", held, gone, f"{held}/change")],
        await me.submit(NEW, changes={"minutes": "x"}),
        await me.submit(planned, f"{planned}/hold", changes={"attendance-pathway-1": "absent-excused"}),
    ]
    assert [answer.status_code for answer in answers] == [200] * 6 + [409, 422, 422]
    shown = text_of(" ".join(answer.text for answer in answers))
    # Comparing short lists: pytest would spend minutes on explaining what is missing in a whole page.
    assert [word for word in WORDS[language] if word not in shown] == []
    codes = re.findall(r"\b(?:absent-\w+|work-activity|coach-absent|wrong-person|other-appointment|kainuu)\b", shown)
    assert codes == []
    if language != "en":
        english = ("Session", "Attendance", "Choose", "Held", "Cancel", "This ", "State ", "colleague", "meanwhile")
        assert [word for word in english if word in shown] == []


async def test_no_name_is_kept_and_every_person_can_be_named_by_the_browser(people: None, sign_in: SignIn) -> None:
    me = await sign_in(COACH)
    at = await plan(me)
    for address in (NEW, at):
        page = (await me.get(address)).text
        assert [f'data-person="person-{number}"' in page for number in (1, 2, 3)] == [True] * 3
