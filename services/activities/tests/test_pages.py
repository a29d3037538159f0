"""What holds for every page: two at once, strangers, the reader's language, no names."""

import re

import pytest

from polku_web.testing import SignIn, fields_of, text_of

from .material import COACH, COORDINATOR, ELSEWHERE, OTHER_COACH, STEERING
from .pages import LIST, NEW, hold, plan, row_of


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
